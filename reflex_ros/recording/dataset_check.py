# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at a LeRobot data set (v2.1 or v3.0) for what makes an upload or a training worthless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.dataset_folder import require_libraries

VECTORS = ('observation.state', 'action')
NEEDED = ('codebase_version', 'fps', 'features', 'total_episodes', 'total_frames')
JUMP = 60.0
"""Largest change of a value from one frame to the next [deg or percent]: 2 rad/s at 2 Hz."""
SHORT_S = 1.0
STILL = 0.9
"""Share of frames without any change above which a camera or an arm is called frozen."""
PROBES = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something about a data set.

    :param is_error: whether the service or the training will refuse it.
    """

    is_error: bool
    text: str


@dataclass(frozen=True)
class Contents:
    """
    What a data set holds.

    :param frames: column -> its values, of all episodes.
    """

    folder: Path
    info: Mapping[str, Any]
    frames: Mapping[str, np.ndarray]

    @property
    def cameras(self) -> list[str]:
        """Names of the video features."""
        return [name for name, feature in self.info['features'].items()
                if feature.get('dtype') == 'video']


def read(folder: Path) -> Contents:
    """
    Read the tables of a data set.

    :raises ConfigurationError: when it is none, or a library is missing.
    """
    require_libraries()
    import pyarrow as pa
    from pyarrow import parquet

    try:
        info = json.loads(small_file.read(folder / 'meta' / 'info.json'))
        missing = [name for name in NEEDED if name not in info]
        if missing:
            raise ValueError(f'meta/info.json lacks {", ".join(missing)}')
        files = sorted((folder / 'data').rglob('*.parquet'))
        if not files:
            raise ValueError('there is no data/**/*.parquet')
        table = pa.concat_tables([parquet.read_table(file) for file in files])
        frames = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise ConfigurationError(f'{folder} is no LeRobot data set: {exc}') from exc
    return Contents(folder, info, frames)


def check(found: Contents) -> Iterator[Finding]:
    """Yield what is wrong, and what looks wrong."""
    yield from _tables(found)
    for name in VECTORS:
        if name in found.frames:
            yield from _vector(found, name)
    yield from _videos(found)
    if found.info['codebase_version'].startswith('v3'):
        yield from _tasks(found)


def _tasks(found: Contents) -> Iterator[Finding]:
    """Look at the texts, which LeRobot v3 looks up in the index that pandas keeps."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(found.folder / 'meta' / 'tasks.parquet')
        numbers = table['task_index'].to_pylist()
    except (OSError, KeyError, pa.ArrowException) as exc:
        yield Finding(True, f'meta/tasks.parquet cannot be read: {exc}')
        return
    index = (table.schema.pandas_metadata or {}).get('index_columns', [])
    if not any(isinstance(name, str) and pa.types.is_string(table.schema.field(name).type)
               for name in index if name in table.column_names):
        yield Finding(True, 'the texts in meta/tasks.parquet are not its index, so LeRobot would '
                      'train with a number in place of the task. Write it anew: reflex datasets '
                      'edit DIR --out NEW')
    unknown = sorted({*found.frames.get('task_index', ())} - {*numbers})
    if unknown:
        yield Finding(True, f'frames have the task {unknown[0]}, which is not in '
                      'meta/tasks.parquet')


def _tables(found: Contents) -> Iterator[Finding]:
    info, frames, fps = found.info, found.frames, float(found.info['fps'])
    for name in (*VECTORS, 'timestamp', 'episode_index', 'frame_index'):
        if name not in frames:
            yield Finding(True, f'the column {name} is missing')
    total = len(next(iter(frames.values())))
    if total != info['total_frames']:
        yield Finding(True, f'{total} frames, but meta/info.json says {info["total_frames"]}')
    if 'episode_index' not in frames or 'timestamp' not in frames:
        return
    numbers = np.unique(frames['episode_index'])
    if list(numbers) != list(range(info['total_episodes'])):
        yield Finding(True, f'{len(numbers)} episodes, but meta/info.json says '
                      f'{info["total_episodes"]}')
    for number in numbers:
        times = frames['timestamp'][frames['episode_index'] == number]
        if len(times) < SHORT_S * fps:
            yield Finding(False, f'episode {number} is shorter than {SHORT_S:g} s: '
                          f'{len(times)} frames')
        steps = np.diff(times)
        wrong = np.abs(steps - 1.0 / fps) > 0.2 / fps
        if wrong.any():
            yield Finding(True, f'episode {number}: frame {int(wrong.argmax()) + 1} comes '
                          f'{steps[wrong.argmax()] * 1e3:.0f} ms after the one before, at '
                          f'{fps:g} Hz {1e3 / fps:.0f} ms are expected: frames are missing')


def _vector(found: Contents, name: str) -> Iterator[Finding]:
    values, feature = found.frames[name], found.info['features'].get(name, {})
    if values.ndim != 2 or list(values.shape[1:]) != list(feature.get('shape', ())):
        yield Finding(True, f'{name}: rows of {values.shape[1:]}, meta/info.json says '
                      f'{feature.get("shape")}')
        return
    if not np.isfinite(values.astype(float)).all():
        yield Finding(True, f'{name} holds a value that is not finite')
        return
    names = feature.get('names') or [str(index) for index in range(values.shape[1])]
    if np.abs(values).max() < 7.0:
        yield Finding(False, f'{name}: no value exceeds 7: these look like radians. LeRobot uses '
                      'degrees, and percent for a gripper')
    episodes = found.frames['episode_index']
    same = episodes[1:] == episodes[:-1]
    steps = np.abs(np.diff(values, axis=0))[same]
    if len(steps) and steps.max() > JUMP:
        joint = names[int(steps.max(0).argmax())]
        yield Finding(False, f'{name}: {joint} jumps by {steps.max():.0f} from one frame to the '
                      'next')
    for number in np.unique(episodes):
        rows = values[episodes == number]
        still = (np.diff(rows, axis=0) == 0.0).all(1)
        if len(still) and still.mean() > STILL:
            yield Finding(False, f'episode {number}: {name} does not change in '
                          f'{still.mean():.0%} of the frames')


def _videos(found: Contents) -> Iterator[Finding]:
    import av

    for name in found.cameras:
        files = sorted((found.folder / 'videos').rglob('*.mp4'))
        files = [file for file in files if name in file.parts]
        if not files:
            yield Finding(True, f'{name}: there is no video')
            continue
        count, probes, rate = 0, [], 0.0
        for file in files:
            try:
                with av.open(str(file)) as video:
                    stream = video.streams.video[0]
                    rate = float(stream.average_rate or 0.0)
                    for frame in video.decode(stream):
                        if count % max(found.info['total_frames'] // PROBES, 1) == 0:
                            probes.append(frame.to_ndarray(format='gray')[::8, ::8].astype(int))
                        count += 1
            except (av.FFmpegError, IndexError) as exc:
                yield Finding(True, f'{file} cannot be read: {exc}')
        if count != found.info['total_frames']:
            yield Finding(True, f'{name}: {count} frames of video, {found.info["total_frames"]} '
                          'rows')
        if rate and abs(rate - found.info['fps']) > 0.1:
            yield Finding(True, f'{name}: the video has {rate:g} Hz, the table '
                          f'{found.info["fps"]:g}')
        if len(probes) > 2 and max(np.abs(a - b).mean() for a, b in zip(
                probes, probes[1:], strict=False)) < 0.5:
            yield Finding(False, f'{name}: the picture never changes: was the camera frozen?')
