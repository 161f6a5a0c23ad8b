# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the episodes of a LeRobot data set (v2.1 or v3.0), and make another data set of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
from typing import Any

import numpy as np

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording import dataset_check
from reflex_ros.recording.dataset_folder import (
    camera_key,
    DatasetFolder,
    Episode,
    GUIDED,
    VIDEO,
)

CAMERA = camera_key('')
MAX_TASKS = 64 * 2 ** 20
"""Largest list of tasks [bytes]."""


@dataclass(frozen=True)
class Clip:
    """
    A part of a video: the pictures of one episode, decoded while they are iterated.

    :param begin_s: where it begins in the file [s].
    :param frames: number of pictures.
    """

    path: Path
    begin_s: float
    frames: int
    fps: float

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[np.ndarray]:
        """
        Yield the pictures (height, width, 3) of uint8.

        :raises ConfigurationError: when there are fewer, or the file cannot be read.
        """
        import av

        first, count = round(self.begin_s * self.fps), 0
        try:
            with av.open(str(self.path)) as container:
                stream: Any = container.streams.video[0]
                if first:
                    # To the key frame before; what is too early is dropped below.
                    container.seek(int(self.begin_s / stream.time_base), stream=stream)
                for frame in container.decode(stream):
                    number = round(float(frame.pts * stream.time_base) * self.fps)
                    if number < first:
                        continue
                    if count == self.frames:
                        return
                    count += 1
                    yield frame.to_ndarray(format='rgb24')
        except (av.FFmpegError, IndexError) as exc:
            raise ConfigurationError(f'{self.path} cannot be read: {exc}') from exc
        if count < self.frames:
            raise ConfigurationError(f'{self.path} has {count} of {self.frames} pictures')

    def part(self, begin: int, end: int) -> Clip:
        """Return the pictures from number ``begin`` to ``end`` - 1."""
        return replace(self, begin_s=self.begin_s + begin / self.fps, frames=end - begin)


class Dataset:
    """
    A data set on this machine.

    :raises ConfigurationError: when it is none, or a library is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.contents = dataset_check.read(folder)
        self.folder = folder
        info = self.contents.info
        self.fps = int(info['fps'])
        self.robot = str(info.get('robot_type') or '')
        self.cameras = [name.removeprefix(CAMERA) for name in self.contents.cameras]
        feature = info['features'].get('action', {})
        self.joints = tuple(name.removesuffix('.pos') for name in feature.get('names') or ())
        self._rows = _episode_rows(folder, info)
        self._tasks = _tasks(folder)

    @property
    def episodes(self) -> list[int]:
        """Numbers of the episodes."""
        return list(range(self.contents.info['total_episodes']))

    def episode(self, number: int) -> Episode:
        """
        Return one episode; its pictures are decoded when they are iterated.

        :raises ConfigurationError: when there is no such episode.
        """
        frames = self.contents.frames
        own = frames['episode_index'] == number
        if not own.any():
            raise ConfigurationError(f'{self.folder} has no episode {number}: it has 0 to '
                                     f'{len(self.episodes) - 1}')
        length = int(own.sum())
        task = self._tasks.get(int(frames['task_index'][own][0]), '') \
            if 'task_index' in frames else ''
        return Episode(
            task or 'no task', self.joints, frames['observation.state'][own],
            frames['action'][own],
            {name: self._clip(number, name, length) for name in self.cameras},
            frames[GUIDED][own].reshape(length) if GUIDED in frames else None)

    def _clip(self, number: int, camera: str, length: int) -> Clip:
        key, row = camera_key(camera), self._rows.get(number, {})
        if f'videos/{key}/file_index' in row:
            path = self.folder / VIDEO.format(
                video_key=key, chunk_index=row[f'videos/{key}/chunk_index'],
                file_index=row[f'videos/{key}/file_index'])
            return Clip(path, float(row[f'videos/{key}/from_timestamp']), length, self.fps)
        # v2.1: a file for each episode.
        found = sorted((self.folder / 'videos').glob(f'*/{key}/episode_{number:06d}.mp4'))
        if not found:
            raise ConfigurationError(f'{self.folder} has no video of episode {number} and camera '
                                     f'{camera}')
        return Clip(found[0], 0.0, length, self.fps)


@dataclass(frozen=True)
class Edit:
    """
    What becomes of the episodes of some data sets, numbered one after the other.

    :param keep: numbers to keep; None keeps all.
    :param drop: numbers to leave out.
    :param task: another task for all of them; empty keeps that of each.
    :param trim: number -> first and last second to keep.
    """

    keep: Sequence[int] | None = None
    drop: Sequence[int] = ()
    task: str = ''
    trim: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def write_edited(folders: Sequence[Path], out: Path, edit: Edit) -> DatasetFolder:
    """
    Make a new data set of the episodes of others; those stay as they are.

    The pictures are encoded once more.

    :raises ConfigurationError: when they do not fit together, or a number does not exist.
    """
    sources = [Dataset(folder) for folder in folders]
    first = sources[0]
    for other in sources[1:]:
        if (other.fps, other.joints, other.cameras) != (first.fps, first.joints, first.cameras):
            raise ConfigurationError(f'{other.folder} has another rate, or other joints or '
                                     f'cameras than {first.folder}. They cannot be one data set')
    every = [(source, number) for source in sources for number in source.episodes]
    for number in {*(edit.keep or ()), *edit.drop, *edit.trim}:
        if not 0 <= number < len(every):
            raise ConfigurationError(f'there is no episode {number}: there are 0 to '
                                     f'{len(every) - 1}')
    chosen = [number for number in range(len(every))
              if (edit.keep is None or number in edit.keep) and number not in edit.drop]
    if not chosen:
        raise ConfigurationError('no episode would be left')
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(f'{out} is not empty. Choose a new folder with --out')
    made = DatasetFolder(out, first.robot, first.fps)
    for number in chosen:
        source, own = every[number]
        episode = source.episode(own)
        if number in edit.trim:
            episode = _trimmed(episode, number, edit.trim[number], first.fps)
        made.add(replace(episode, task=edit.task or episode.task))
    return made


def _trimmed(episode: Episode, number: int, span: tuple[float, float], fps: int) -> Episode:
    begin, end = round(span[0] * fps), min(round(span[1] * fps), len(episode.state))
    if end - begin < 2:
        raise ConfigurationError(f'episode {number} lasts {len(episode.state) / fps:.1f} s: from '
                                 f'{span[0]:g} to {span[1]:g} s there is nothing')
    return replace(
        episode, state=episode.state[begin:end], action=episode.action[begin:end],
        guided=None if episode.guided is None else episode.guided[begin:end],
        pictures={name: clip.part(begin, end) for name, clip in episode.pictures.items()
                  if isinstance(clip, Clip)})


def _episode_rows(folder: Path, info: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return what ``meta/episodes`` says of each episode; nothing for v2.1."""
    from pyarrow import parquet

    return {row['episode_index']: row
            for path in sorted((folder / 'meta' / 'episodes').rglob('*.parquet'))
            for row in parquet.read_table(path).to_pylist()
            if row['episode_index'] < info['total_episodes']}


def _tasks(folder: Path) -> dict[int, str]:
    """Return the tasks by their numbers, from either format."""
    from pyarrow import parquet

    old = folder / 'meta' / 'tasks.jsonl'
    if old.exists():
        rows = [json.loads(line) for line in small_file.read(old, MAX_TASKS).splitlines() if line]
        return {row['task_index']: row['task'] for row in rows}
    try:
        table = parquet.read_table(folder / 'meta' / 'tasks.parquet').to_pydict()
    except OSError:
        return {}
    texts = table.get('task') or table['__index_level_0__']
    return dict(zip(table['task_index'], texts, strict=True))
