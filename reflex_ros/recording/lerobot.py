# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recorded runs as a LeRobot data set (format v3.0): the way from a run to the next training.

Each recording is one episode. The state is what was measured, the action what was written to the
servos, in the units and names of LeRobot's SO-101: degrees, the gripper in percent of its range.
Only the time in which goals were written is exported, at a fixed rate; each frame has the newest
measurement, goal and pictures before its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from reflex_ros.domain import key_values
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.reader import messages
from reflex_ros.recording.series import Curve, read_series

VERSION = 'v3.0'
FILE = {'chunk_index': 0, 'file_index': 0}
DATA = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEO = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
EPISODES = 'meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
PICTURES = '/image_raw/compressed'
INDEX_FEATURES = {
    'timestamp': 'float32', 'frame_index': 'int64', 'episode_index': 'int64', 'index': 'int64',
    'task_index': 'int64'}


@dataclass(frozen=True)
class Episode:
    """
    One run on a time line of even steps.

    :param task: what the policy was asked to do.
    :param state: (frames, joints) as measured [deg, percent].
    :param action: (frames, joints) as written [deg, percent].
    :param pictures: camera -> for each frame the bytes of its newest picture.
    """

    task: str
    joints: tuple[str, ...]
    state: np.ndarray
    action: np.ndarray
    pictures: Mapping[str, Sequence[bytes]]


def export(paths: Sequence[Path], folder: Path, arm: ArmDescription, *, fps: int = 30,
           task: str = '') -> int:
    """
    Write recordings as a data set.

    :param folder: made; must not exist, or be empty.
    :param arm: the arm of the recordings.
    :param fps: frames per second.
    :param task: instead of the prompt of each run.
    :returns: number of frames.
    :raises ConfigurationError: when a recording holds no motion, they do not fit together, a
        library is missing, or the folder is not empty.
    """
    require_libraries()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f'{folder} is not empty. Choose a new folder with --out')
    episodes = [read_episode(path, arm, fps, task) for path in paths]
    first = episodes[0]
    for path, episode in zip(paths, episodes, strict=True):
        if (episode.joints, set(episode.pictures)) != (first.joints, set(first.pictures)):
            raise ConfigurationError(f'{path} has other joints or cameras than {paths[0]}. Export '
                                     'them to data sets of their own')
    shapes = {}
    for name in first.pictures:
        shapes[name] = _write_video(
            folder / VIDEO.format(video_key=_key(name), **FILE),
            [picture for episode in episodes for picture in episode.pictures[name]], fps)
    _write_tables(folder, arm, episodes, fps, shapes)
    return sum(len(episode.state) for episode in episodes)


def read_episode(path: Path, arm: ArmDescription, fps: int, task: str = '') -> Episode:
    """
    Read one run.

    :raises ConfigurationError: when the arm was not moved in it.
    """
    series = read_series(path)
    written = [series.written.get(name, []) for name in series.joints]
    if not series.joints or not all(written):
        raise ConfigurationError(f'the arm was not moved in {path}, so it is no episode')
    travel, pictures = _travel_and_pictures(path)
    # Without the calibration in the recording, the range of the maker's model.
    travels = {arm.joint_names[index]: travel or own
               for index, own in zip(arm.grippers, arm.gripper_travels, strict=True)}
    begin = max([curve[0][0] for curve in written] + [
        (stamps[0] - series.start_ns) / 1e9 for stamps, _ in pictures.values()])
    end = written[0][-1][0]
    count = math.floor((end - begin) * fps) + 1
    if count < 2:
        raise ConfigurationError(f'{path} is shorter than two frames at {fps} Hz')
    times = begin + np.arange(count) / fps

    def table(curves: Sequence[Curve]) -> np.ndarray:
        return np.stack([_to_units(_newest(curve, times), travels.get(name))
                         for name, curve in zip(series.joints, curves, strict=True)], axis=1)
    frames = {name: [data[index] for index in np.searchsorted(
        (np.array(stamps) - series.start_ns) / 1e9, times, side='right') - 1]
        for name, (stamps, data) in pictures.items()}
    prompt = next((event.text.partition(': ')[2] for event in series.events
                   if event.text.startswith('prompt: ')), series.prompt)
    return Episode(task or prompt or 'no task', series.joints,
                   table([series.measured[name] for name in series.joints]), table(written),
                   frames)


def require_libraries() -> None:
    """
    Check that pyarrow and av are there.

    :raises ConfigurationError: naming the extra.
    """
    try:
        import av  # noqa: F401
        import pyarrow.parquet  # noqa: F401
    except ImportError as exc:
        raise ConfigurationError('data sets need the libraries pyarrow and av. Install them: pip '
                                 "install 'reflex_ros[lerobot]'") from exc


def _travel_and_pictures(
        path: Path) -> tuple[GripperTravel | None, dict[str, tuple[list[int], list[bytes]]]]:
    travel = None
    pictures: dict[str, tuple[list[int], list[bytes]]] = {}
    for message in messages(path):
        if message.topic.endswith(f'_beat/{DRIVER}'):
            beat = key_values.decode(DriverBeat, {
                pair.key: pair.value for pair in message.value.values})
            travel = beat.gripper_travel or travel
        elif message.topic.endswith(PICTURES):
            name = message.topic.removesuffix(PICTURES).rpartition('/')[2]
            stamps, data = pictures.setdefault(name, ([], []))
            stamps.append(message.stamp_ns)
            data.append(bytes(message.value.data))
    return travel, pictures


def _newest(curve: Curve, times: np.ndarray) -> np.ndarray:
    """Return the last value of a curve at or before each time."""
    points = np.array(curve)
    index = np.searchsorted(points[:, 0], times + 1e-9, side='right') - 1
    values: np.ndarray = points[np.maximum(index, 0), 1]
    return values


def _to_units(angles: np.ndarray, travel: GripperTravel | None) -> np.ndarray:
    """Convert angles [rad] to degrees, or to percent of the travel of a gripper."""
    if travel is not None:
        return np.array([travel.to_percent(float(angle)) for angle in angles])
    degrees: np.ndarray = np.rad2deg(angles)
    return degrees


def _key(camera: str) -> str:
    return f'observation.images.{camera}'


def _write_video(path: Path, pictures: Sequence[bytes], fps: int) -> tuple[int, int, int]:
    """Encode pictures as one video; return height, width, channels."""
    import av
    from PIL import Image

    path.parent.mkdir(parents=True)
    first = Image.open(io.BytesIO(pictures[0]))
    # The pixel format of H.264 needs an even size.
    width, height = first.width // 2 * 2, first.height // 2 * 2
    with av.open(str(path), 'w') as container:
        stream: Any = container.add_stream('libx264', rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        # A key frame now and then: training reads frames at random.
        stream.options = {'crf': '23', 'g': '10', 'preset': 'veryfast'}
        shown, frame = b'', None
        for index, data in enumerate(pictures):
            if data != shown or frame is None:
                picture = Image.open(io.BytesIO(data)).convert('RGB').resize((width, height))
                shown, pixels = data, np.asarray(picture)
            frame = av.VideoFrame.from_ndarray(pixels, format='rgb24')
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return height, width, 3


def _write_tables(folder: Path, arm: ArmDescription, episodes: Sequence[Episode], fps: int,
                  shapes: Mapping[str, tuple[int, int, int]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    def write(template: str, columns: Mapping[str, Any]) -> None:
        path = folder / template.format(**FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table(dict(columns)), path)

    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    lengths = [len(episode.state) for episode in episodes]
    starts = np.concatenate(([0], np.cumsum(lengths)))
    total = int(starts[-1])
    state = np.concatenate([episode.state for episode in episodes]).astype(np.float32)
    action = np.concatenate([episode.action for episode in episodes]).astype(np.float32)
    frame_index = np.concatenate([np.arange(length) for length in lengths])
    vectors = pa.list_(pa.float32(), state.shape[1])
    scalars = {
        'timestamp': (frame_index / fps).astype(np.float32), 'frame_index': frame_index,
        'episode_index': np.repeat(np.arange(len(episodes)), lengths), 'index': np.arange(total),
        'task_index': np.repeat([tasks.index(episode.task) for episode in episodes], lengths)}
    write(DATA, {'observation.state': pa.array(list(state), vectors),
                 'action': pa.array(list(action), vectors), **scalars})
    write('meta/tasks.parquet', {'task_index': list(range(len(tasks))), 'task': tasks})
    columns: dict[str, list[Any]] = {}
    for number, episode in enumerate(episodes):
        for name, value in _episode_row(number, episode, starts, fps, shapes).items():
            columns.setdefault(name, []).append(value)
    write(EPISODES, columns)
    info = {
        'codebase_version': VERSION, 'robot_type': f'{arm.name}_follower',
        'total_episodes': len(episodes),
        'total_frames': total, 'total_tasks': len(tasks), 'chunks_size': 1000,
        'data_files_size_in_mb': 100, 'video_files_size_in_mb': 500, 'fps': fps,
        'splits': {'train': f'0:{len(episodes)}'}, 'data_path': DATA,
        'video_path': VIDEO if shapes else None,
        'features': dict(_features(episodes[0], fps, shapes))}
    (folder / 'meta' / 'info.json').write_text(json.dumps(info, indent=4), encoding='utf-8')
    stats = {name: _stats(values) for name, values in (
        ('observation.state', state), ('action', action),
        *((name, values[:, None]) for name, values in scalars.items()))}
    stats.update((_key(name), _picture_stats(
        [picture for episode in episodes for picture in episode.pictures[name]]))
        for name in shapes)
    (folder / 'meta' / 'stats.json').write_text(json.dumps(stats, indent=4), encoding='utf-8')


def _episode_row(number: int, episode: Episode, starts: np.ndarray, fps: int,
                 shapes: Mapping[str, tuple[int, int, int]]) -> dict[str, Any]:
    begin, end = int(starts[number]), int(starts[number + 1])
    row: dict[str, Any] = {
        'episode_index': number, 'tasks': [episode.task], 'length': end - begin,
        'data/chunk_index': 0, 'data/file_index': 0, 'dataset_from_index': begin,
        'dataset_to_index': end, 'meta/episodes/chunk_index': 0, 'meta/episodes/file_index': 0}
    for name in shapes:
        row.update({f'videos/{_key(name)}/chunk_index': 0, f'videos/{_key(name)}/file_index': 0,
                    f'videos/{_key(name)}/from_timestamp': begin / fps,
                    f'videos/{_key(name)}/to_timestamp': end / fps})
    for name, values in (('observation.state', episode.state), ('action', episode.action)):
        row.update((f'stats/{name}/{key}', value) for key, value in _stats(values).items())
    return row


def _features(episode: Episode, fps: int, shapes: Mapping[str, tuple[int, int, int]]) -> Iterator[
        tuple[str, dict[str, Any]]]:
    names = [f'{name}.pos' for name in episode.joints]
    for name in ('action', 'observation.state'):
        yield name, {'dtype': 'float32', 'shape': [len(names)], 'names': names}
    for name, shape in shapes.items():
        yield _key(name), {
            'dtype': 'video', 'shape': list(shape), 'names': ['height', 'width', 'channels'],
            'info': {'video.height': shape[0], 'video.width': shape[1], 'video.codec': 'h264',
                     'video.pix_fmt': 'yuv420p', 'video.is_depth_map': False, 'video.fps': fps,
                     'video.channels': 3, 'has_audio': False}}
    for name, kind in INDEX_FEATURES.items():
        yield name, {'dtype': kind, 'shape': [1], 'names': None}


def _stats(values: np.ndarray) -> dict[str, list[float]]:
    return {'min': values.min(0).tolist(), 'max': values.max(0).tolist(),
            'mean': values.mean(0).tolist(), 'std': values.std(0).tolist(),
            'count': [len(values)]}


def _picture_stats(pictures: Sequence[bytes], most: int = 100) -> dict[str, Any]:
    """Return statistics of each colour, 0..1, from some of the pictures."""
    from PIL import Image

    chosen = pictures[::max(len(pictures) // most, 1)]
    pixels = np.concatenate([np.asarray(Image.open(io.BytesIO(data)).convert('RGB').resize(
        (64, 48))).reshape(-1, 3) for data in chosen]) / 255.0
    return {key: np.asarray(value)[:, None, None].tolist() if key != 'count' else [len(chosen)]
            for key, value in _stats(pixels).items()}
