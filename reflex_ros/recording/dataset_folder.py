# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A LeRobot data set (format v3.0) that grows by whole episodes.

Each episode has files of its own. They are written beside their places and then renamed, and
``meta/info.json``, which counts the episodes, is replaced last. So whatever ends the process,
every episode that is counted is whole; files of an episode that is not are removed when the data
set is opened to be continued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, ExitStack, suppress
from dataclasses import dataclass
import fcntl
import io
import json
import os
from pathlib import Path
import re
from typing import Any

import numpy as np

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError

VERSION = 'v3.0'
DATA = 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
VIDEO = 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
EPISODES = 'meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
TASKS = 'meta/tasks.parquet'
INFO, STATS = 'meta/info.json', 'meta/stats.json'
PER_CHUNK = 1000
PART = '.part'
"""End of the name of a file that is not finished."""
UNFINISHED = '.episode'
"""Folder inside, for what belongs to the episode that is being recorded."""
VECTORS = ('observation.state', 'action')
GUIDED = 'complementary_info.is_intervention'
"""1 in the frames in which a person has guided the arm, under the name that others use."""
INDEX_FEATURES = {
    'timestamp': 'float32', 'frame_index': 'int64', 'episode_index': 'int64', 'index': 'int64',
    'task_index': 'int64'}
TASK_INDEX = {
    'index_columns': ['task'], 'column_indexes': [], 'pandas_version': '2.0.0',
    'columns': [
        {'name': 'task_index', 'field_name': 'task_index', 'pandas_type': 'int64',
         'numpy_type': 'int64', 'metadata': None},
        {'name': 'task', 'field_name': 'task', 'pandas_type': 'unicode', 'numpy_type': 'object',
         'metadata': None}]}
"""What pandas reads about the tables of tasks: LeRobot looks a task's text up in their index, and
a policy is trained with the text 0 when there is none."""
SAMPLES = 100
"""Pictures of an episode that its statistics are made of, at most."""
_PLACE = re.compile(r'chunk-(\d+)/file-(\d+)\.\w+$')


@dataclass(frozen=True)
class Episode:
    """
    One run or demonstration on a time line of even steps.

    :param task: what the policy was asked to do, or what was shown.
    :param state: (frames, joints) as measured [deg, percent].
    :param action: (frames, joints) as written [deg, percent].
    :param pictures: camera -> for each frame a JPEG or PNG, or (height, width, 3) of uint8.
    :param guided: (frames,) 1 where a person has guided the arm in place of a policy, else 0;
        None: the data set does not say.
    """

    task: str
    joints: tuple[str, ...]
    state: np.ndarray
    action: np.ndarray
    pictures: Mapping[str, Iterable[bytes | np.ndarray]]
    guided: np.ndarray | None = None


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


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """
    Keep every other program that claims it from writing a data set, for the block.

    The folder is made when it is missing, and removed when it is still empty at the end. The claim
    ends with the process, however that ends.

    :raises ConfigurationError: when another program writes there, or the folder cannot be made.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, claim)
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigurationError(f'{folder}: another program writes this data set. Wait until '
                                     'it has ended, or choose another folder') from exc
        except OSError as exc:
            raise ConfigurationError(f'{folder}: {exc.strerror}. Choose another folder') from exc
        try:
            yield
        finally:
            with suppress(OSError):
                folder.rmdir()


class DatasetFolder:
    """
    A data set that episodes are added to. Belongs to one thread.

    :param folder: made when it is missing; continued when it holds a data set of the same robot
        and rate.
    :param robot: name of the robot, such as ``so101_follower``.
    :param fps: frames per second.
    :raises ConfigurationError: when a library is missing, or the folder holds something else.
    """

    def __init__(self, folder: Path, robot: str, fps: int) -> None:
        require_libraries()
        self.folder = folder
        self.fps = fps
        self._robot = robot
        self._features: dict[str, Any] = {}
        self._rows: list[dict[str, Any]] = []
        self._tasks: list[str] = []
        if (folder / INFO).exists():
            self._continue()
        elif any(not self._is_leftover(path) for path in folder.rglob('*') if path.is_file()):
            raise ConfigurationError(f'{folder} is not empty, and holds no data set. Choose '
                                     'another folder')
        self._remove_leftovers()

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self._rows)

    @property
    def frames(self) -> int:
        """Number of frames of all episodes."""
        return int(self._rows[-1]['dataset_to_index']) if self._rows else 0

    def add(self, episode: Episode) -> None:
        """
        Add an episode; it is whole on the disk when this returns. Takes some ms per frame.

        :raises ConfigurationError: when it has other joints or cameras than the ones before.
        :raises OSError: when the disk is full; the data set stays as it was.
        """
        self._check(episode)
        length = len(episode.state)
        number = self.episodes
        place = self._next_place()
        tasks = list(dict.fromkeys([*self._tasks, episode.task]))
        features = dict(self._features)
        columns = {**dict(zip(VECTORS, (episode.state, episode.action), strict=True)),
                   **self._scalars(number, length, tasks.index(episode.task)),
                   **self._marks(episode)}
        row: dict[str, Any] = {
            'episode_index': number, 'tasks': [episode.task], 'length': length,
            'data/chunk_index': place[0], 'data/file_index': place[1],
            'dataset_from_index': self.frames, 'dataset_to_index': self.frames + length,
            'meta/episodes/chunk_index': place[0], 'meta/episodes/file_index': place[1]}
        stats = {name: _stats(values.reshape(length, -1)) for name, values in columns.items()}
        for camera, pictures in episode.pictures.items():
            key = camera_key(camera)
            with self._place(VIDEO, place, key) as path:
                shape, samples = _write_video(path, pictures, length, self.fps)
            features.setdefault(key, _video_feature(shape, self.fps))
            stats[key] = _picture_stats(samples)
            row.update({f'videos/{key}/chunk_index': place[0],
                        f'videos/{key}/file_index': place[1],
                        f'videos/{key}/from_timestamp': 0.0,
                        f'videos/{key}/to_timestamp': length / self.fps})
        for name, values in stats.items():
            row.update((f'stats/{name}/{key}', value) for key, value in values.items())
        self._write_frames(place, columns)
        with self._place(EPISODES, place) as path:
            _write_table(path, {name: [value] for name, value in row.items()})
        _add_vectors(features, episode.joints)
        if GUIDED in columns:
            features.setdefault(GUIDED, {'dtype': 'float32', 'shape': [1],
                                         'names': ['is_intervention']})
        self._commit([*self._rows, row], tasks, features)

    def _commit(self, rows: list[dict[str, Any]], tasks: list[str],
                features: dict[str, Any]) -> None:
        """Write what describes all episodes; from then on the last one counts."""
        with self._place(TASKS) as path:
            _write_table(path, {'task_index': list(range(len(tasks))), 'task': tasks},
                         {b'pandas': json.dumps(TASK_INDEX).encode()})
        with self._place(STATS) as path:
            path.write_text(json.dumps({
                name: _combined([_stats_of(row, name) for row in rows])
                for name in features}, indent=4), encoding='utf-8')
        has_videos = any(feature['dtype'] == 'video' for feature in features.values())
        info = {
            'codebase_version': VERSION, 'robot_type': self._robot,
            'total_episodes': len(rows), 'total_frames': rows[-1]['dataset_to_index'],
            'total_tasks': len(tasks), 'chunks_size': PER_CHUNK,
            'data_files_size_in_mb': 100, 'video_files_size_in_mb': 500, 'fps': self.fps,
            'splits': {'train': f'0:{len(rows)}'}, 'data_path': DATA,
            'video_path': VIDEO if has_videos else None, 'features': features}
        with self._place(INFO) as path:
            path.write_text(json.dumps(info, indent=4), encoding='utf-8')
        self._rows, self._tasks, self._features = rows, tasks, features

    def _check(self, episode: Episode) -> None:
        """Refuse an episode that no data set can hold beside the ones before."""
        if not self._features:
            return
        names = [f'{name}.pos' for name in episode.joints]
        if names != self._features['action']['names']:
            raise ConfigurationError(f'{self.folder} has other joints: '
                                     f'{", ".join(self._features["action"]["names"])}')
        own = {name for name, feature in self._features.items() if feature['dtype'] == 'video'}
        if own != {camera_key(name) for name in episode.pictures}:
            raise ConfigurationError(f'{self.folder} has other cameras: '
                                     f'{", ".join(sorted(own)) or "none"}')
        if GUIDED not in self._features and episode.guided is not None and episode.guided.any():
            raise ConfigurationError(f'{self.folder} does not say in which frames a person has '
                                     'guided the arm. Choose another folder')

    def _scalars(self, number: int, length: int, task: int) -> dict[str, np.ndarray]:
        frame_index = np.arange(length)
        return {'timestamp': (frame_index / self.fps).astype(np.float32),
                'frame_index': frame_index, 'episode_index': np.full(length, number),
                'index': self.frames + frame_index, 'task_index': np.full(length, task)}

    def _marks(self, episode: Episode) -> dict[str, np.ndarray]:
        """Return who has moved the arm, if the data set says it."""
        has_marks = GUIDED in self._features if self._features else episode.guided is not None
        if not has_marks:
            return {}
        guided = np.zeros(len(episode.state)) if episode.guided is None else episode.guided
        return {GUIDED: guided.astype(np.float32)}

    def _write_frames(self, place: tuple[int, int], columns: Mapping[str, np.ndarray]) -> None:
        import pyarrow as pa

        with self._place(DATA, place) as path:
            _write_table(path, {
                name: pa.array(list(values.astype(np.float32)),
                               pa.list_(pa.float32(), values.shape[1]))
                if values.ndim == 2 else values for name, values in columns.items()})

    def _place(self, template: str, place: tuple[int, int] = (0, 0), key: str = '') -> _Placed:
        return _Placed(self.folder / template.format(
            chunk_index=place[0], file_index=place[1], video_key=key))

    def _next_place(self) -> tuple[int, int]:
        """Return chunk and file of the next episode, after all that are used."""
        used = [row[f'{kind}chunk_index'] * PER_CHUNK + row[f'{kind}file_index']
                for row in self._rows for kind in _kinds(row)]
        return divmod(max(used, default=-1) + 1, PER_CHUNK)

    def _continue(self) -> None:
        from pyarrow import parquet

        try:
            info = json.loads(small_file.read(self.folder / INFO))
            if not isinstance(info, dict):
                raise ValueError('it is not a JSON object')
        except (OSError, ValueError, RecursionError) as exc:
            raise ConfigurationError(
                f'{self.folder} cannot be continued: {INFO}: '
                f'{getattr(exc, "strerror", None) or exc}. Choose another folder') from exc
        for name, wanted in (('codebase_version', VERSION), ('robot_type', self._robot),
                             ('fps', self.fps)):
            if info.get(name) != wanted:
                raise ConfigurationError(
                    f'{self.folder} cannot be continued: its {name} is {info.get(name)!r}, not '
                    f'{wanted!r}. Choose another folder')
        self._features = info['features']
        rows = [row for path in sorted((self.folder / 'meta' / 'episodes').rglob('*.parquet'))
                for row in parquet.read_table(path).to_pylist()]
        self._rows = sorted((row for row in rows if row['episode_index'] < info['total_episodes']),
                            key=lambda row: row['episode_index'])
        tasks = parquet.read_table(self.folder / TASKS).to_pydict()
        # LeRobot itself writes the text as the index of the table.
        texts = tasks.get('task') or tasks['__index_level_0__']
        self._tasks = [text for _, text in sorted(zip(tasks['task_index'], texts, strict=True))]

    def _remove_leftovers(self) -> None:
        """Remove what was written of an episode that did not become whole."""
        for path in self.folder.rglob('*'):
            if path.is_file() and self._is_leftover(path):
                path.unlink()

    def _is_leftover(self, path: Path) -> bool:
        """Whether a file belongs to no episode that counts, although it looks like one."""
        found = _PLACE.search(path.as_posix())
        if path.name.endswith(PART) or UNFINISHED in path.parts:
            return True
        if found is not None:
            return (int(found[1]), int(found[2])) >= self._next_place()
        return not self._rows and path in (self.folder / TASKS, self.folder / STATS)


class _Placed:
    """Gives a path to write to; at the end of the block that file takes its place at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + PART)

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._part.unlink(missing_ok=True)
            return
        with self._part.open('rb+') as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)


def camera_key(camera: str) -> str:
    """Return the name of a camera's feature."""
    return f'observation.images.{camera}'


def _kinds(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stands before ``chunk_index`` in the columns of an episode's files."""
    yield from (name.removesuffix('chunk_index') for name in row if name.endswith('/chunk_index'))


def _write_table(path: Path, columns: Mapping[str, Any],
                 metadata: Mapping[bytes, bytes] | None = None) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(dict(columns)).replace_schema_metadata(metadata), path)


def _write_video(path: Path, pictures: Iterable[bytes | np.ndarray], length: int,
                 fps: int) -> tuple[tuple[int, int, int], list[np.ndarray]]:
    """Encode pictures as one video; return height, width, channels, and some small pictures."""
    import av

    samples: list[np.ndarray] = []
    shown: object = None
    with av.open(str(path), 'w', format='mp4') as container:
        stream: Any = container.add_stream('libx264', rate=fps)
        stream.pix_fmt = 'yuv420p'
        # A key frame now and then: training reads frames at random.
        stream.options = {'crf': '23', 'g': '10', 'preset': 'veryfast'}
        for index, data in enumerate(pictures):
            if data is not shown:
                # The pixel format of H.264 needs an even size; all have that of the first.
                pixels = _pixels(data, (stream.width, stream.height) if index else None)
                shown = data
            if not index:
                stream.height, stream.width = pixels.shape[:2]
            frame = av.VideoFrame.from_ndarray(pixels, format='rgb24')
            frame.pts = index
            container.mux(stream.encode(frame))
            if index % max(length // SAMPLES, 1) == 0:
                samples.append(_pixels(pixels, (64, 48)))
        container.mux(stream.encode())
        return (stream.height, stream.width, 3), samples


def _pixels(data: bytes | np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Return a picture (height, width, 3) in a size; None: its own, made even."""
    from PIL import Image

    picture = Image.fromarray(data) if isinstance(data, np.ndarray) else Image.open(
        io.BytesIO(data)).convert('RGB')
    wanted = size or (picture.width // 2 * 2, picture.height // 2 * 2)
    return np.asarray(picture if picture.size == wanted else picture.resize(wanted))


def _add_vectors(features: dict[str, Any], joints: Sequence[str]) -> None:
    """Describe everything but the videos, unless that was done."""
    names = [f'{name}.pos' for name in joints]
    for name in VECTORS:
        features.setdefault(name, {'dtype': 'float32', 'shape': [len(names)], 'names': names})
    for name, kind in INDEX_FEATURES.items():
        features.setdefault(name, {'dtype': kind, 'shape': [1], 'names': None})


def _video_feature(shape: tuple[int, int, int], fps: int) -> dict[str, Any]:
    return {'dtype': 'video', 'shape': list(shape), 'names': ['height', 'width', 'channels'],
            'info': {'video.height': shape[0], 'video.width': shape[1], 'video.codec': 'h264',
                     'video.pix_fmt': 'yuv420p', 'video.is_depth_map': False, 'video.fps': fps,
                     'video.channels': 3, 'has_audio': False}}


def _stats(values: np.ndarray) -> dict[str, list[Any]]:
    return {'min': values.min(0).tolist(), 'max': values.max(0).tolist(),
            'mean': values.mean(0).tolist(), 'std': values.std(0).tolist(),
            'count': [len(values)]}


def _picture_stats(samples: Sequence[np.ndarray]) -> dict[str, list[Any]]:
    """Return statistics of each colour, 0..1, as LeRobot shapes them (3, 1, 1)."""
    found = _stats(np.concatenate([sample.reshape(-1, 3) for sample in samples]) / 255.0)
    return {key: np.asarray(value)[:, None, None].tolist() if key != 'count' else [len(samples)]
            for key, value in found.items()}


def _stats_of(row: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    return {key: np.asarray(row[f'stats/{name}/{key}'], dtype=float)
            for key in ('min', 'max', 'mean', 'std', 'count') if f'stats/{name}/{key}' in row}


def _combined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, list[Any]]:
    """Return the statistics of several episodes together."""
    known = [part for part in parts if part]
    if not known:
        return {}
    counts = np.array([part['count'][0] for part in known])

    def mean_of(key: Callable[[Mapping[str, np.ndarray]], np.ndarray]) -> np.ndarray:
        result: np.ndarray = np.average([key(part) for part in known], axis=0, weights=counts)
        return result
    mean = mean_of(lambda part: part['mean'])
    square = mean_of(lambda part: part['std'] ** 2 + part['mean'] ** 2)
    return {'min': np.min([part['min'] for part in known], axis=0).tolist(),
            'max': np.max([part['max'] for part in known], axis=0).tolist(),
            'mean': mean.tolist(), 'std': np.sqrt(np.maximum(square - mean ** 2, 0.0)).tolist(),
            'count': [int(counts.sum())]}
