# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What is wrong with a LeRobot dataset on the disk, before it is uploaded.

Two layouts are known. Up to version 2.1, each episode has a file of its own; from 3.0 on, files
hold many episodes, and ``meta/episodes`` says where each one is. Only names, sizes and first bytes
are looked at: the rows are read by the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
import json
from pathlib import Path
from typing import Any

from reflex_ros import small_file
from reflex_ros.client.texts import printable
from reflex_ros.errors import ConfigurationError

INFO = 'meta/info.json'
OLD, NEW = ('v2.0', 'v2.1'), ('v3.0',)
SHOWN = 3
MAX_EPISODES = 1_000_000
OLD_DATA = 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet'
OLD_VIDEO = 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4'
STATISTICS = {'v2.0': 'meta/stats.json', 'v2.1': 'meta/episodes_stats.jsonl'}


def require(folder: Path) -> None:
    """
    Check that a folder holds a whole LeRobot dataset.

    :raises ConfigurationError: if it does not; names the first things that are missing.
    """
    found = list(islice(_problems(folder), SHOWN + 1))
    if found:
        more = '; and more' if len(found) > SHOWN else ''
        raise ConfigurationError(
            f'{folder} is not a whole LeRobot dataset: {"; ".join(found[:SHOWN])}{more}. Record '
            'or convert it again, or pass --no-check to upload it as it is')


def _problems(folder: Path) -> Iterator[str]:
    if not (folder / INFO).is_file():
        inner = next((each.parent.parent.name for each in sorted(folder.glob(f'*/{INFO}'))), '')
        yield f'{INFO} is missing' + (
            f' (it is in the folder {inner}: upload that one)' if inner else '')
        return
    try:
        info = json.loads(small_file.read(folder / INFO))
    except (OSError, ValueError, RecursionError) as exc:
        yield f'{INFO} cannot be read ({exc})'
        return
    if not isinstance(info, dict):
        yield f'{INFO} is not a JSON object'
        return
    yield from _fields(info)
    version = str(info.get('codebase_version', ''))
    if version in OLD:
        yield from _old(folder, info, version)
    elif version in NEW:
        yield from _new(folder, info)


def _fields(info: Mapping[str, Any]) -> Iterator[str]:
    version = info.get('codebase_version')
    if version not in (*OLD, *NEW):
        yield (f'{INFO} has the codebase_version {printable(repr(version), 40)}, known are '
               f'{", ".join((*OLD, *NEW))}')
    fps = info.get('fps')
    if not isinstance(fps, (int, float)) or isinstance(fps, bool) or not fps > 0:
        yield f'{INFO} has no fps above 0'
    for name in ('total_episodes', 'total_frames'):
        if _count(info, name) <= 0:
            yield f'{INFO} has no {name} above 0'
    features = info.get('features')
    if not isinstance(features, dict):
        yield f'{INFO} has no features'
        return
    for name in ('observation.state', 'action'):
        if name not in features:
            yield f'{INFO} has no feature {name}'


def _old(folder: Path, info: Mapping[str, Any], version: str) -> Iterator[str]:
    episodes = min(_count(info, 'total_episodes'), MAX_EPISODES)
    yield from _missing(folder, 'meta/tasks.jsonl', 'meta/episodes.jsonl', STATISTICS[version])
    if (folder / 'meta/episodes.jsonl').is_file():
        with open(folder / 'meta/episodes.jsonl', 'rb') as lines:
            listed = sum(1 for line in lines if line.strip())
        if listed != episodes:
            yield f'meta/episodes.jsonl lists {listed} episodes, {INFO} says {episodes}'
    chunk = _count(info, 'chunks_size') or 1000
    for index in range(episodes):
        where = {'episode_index': index, 'episode_chunk': index // chunk}
        yield from _file(folder, info.get('data_path') or OLD_DATA, where)
        for key in _videos(info):
            yield from _file(folder, info.get('video_path') or OLD_VIDEO,
                             {**where, 'video_key': key})


def _new(folder: Path, info: Mapping[str, Any]) -> Iterator[str]:
    yield from _missing(folder, 'meta/tasks.parquet', 'meta/stats.json')
    for place in ('meta/episodes', 'data', *(f'videos/{key}' for key in _videos(info))):
        kind = 'mp4' if place.startswith('videos') else 'parquet'
        files = sorted((folder / place).glob(f'chunk-*/file-*.{kind}'))
        if not files:
            yield f'{place} has no chunk-*/file-*.{kind}'
        for file in files:
            yield from _content(file, str(file.relative_to(folder)))


def _missing(folder: Path, *names: str) -> Iterator[str]:
    for name in names:
        if not (folder / name).is_file():
            yield f'{name} is missing'


def _file(folder: Path, form: object, where: Mapping[str, object]) -> Iterator[str]:
    try:
        name = str(form).format(**where)
    except (LookupError, ValueError, AttributeError):
        yield f'{INFO} has the path {printable(str(form), 80)!r}, which cannot be filled in'
        return
    yield from _content(folder / name, name)


def _content(file: Path, name: str) -> Iterator[str]:
    try:
        with open(file, 'rb') as stream:
            head = stream.read(12)
            size = stream.seek(0, 2)
            stream.seek(max(0, size - 4))
            tail = stream.read(4)
    except OSError as exc:
        yield f'{name} is missing' if isinstance(exc, FileNotFoundError) else (
            f'{name} cannot be read ({exc.strerror})')
        return
    if not head:
        yield f'{name} is empty'
    elif name.endswith('.parquet') and not (head.startswith(b'PAR1') and tail == b'PAR1'):
        yield f'{name} is not a whole Parquet file: was the recording interrupted?'
    elif name.endswith('.mp4') and head[4:8] != b'ftyp':
        yield f'{name} is not an MP4 file'


def _videos(info: Mapping[str, Any]) -> list[str]:
    features = info.get('features')
    if not isinstance(features, dict):
        return []
    return [key for key, value in features.items()
            if isinstance(value, dict) and value.get('dtype') == 'video']


def _count(info: Mapping[str, Any], name: str) -> int:
    value = info.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
