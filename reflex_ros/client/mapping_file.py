# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON and YAML files that a person writes and the service gets; each holds one mapping."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError

MAX_VALUES, MAX_DEPTH = 100_000, 64


def read(file: Path, what: str) -> dict[str, object]:
    """
    Read the mapping in a file: YAML if the suffix is ``.yaml`` or ``.yml``, else JSON.

    :param what: name of the content in error texts, e.g. ``robot schema``.
    :raises ConfigurationError: if the file cannot be read, is larger than 1 MiB, has invalid
        syntax, is not a mapping, or contains a value that JSON cannot represent.
    """
    try:
        data = small_file.read(file, takes_pipes=True)
    except OSError as exc:
        raise ConfigurationError(f'Failed to read {what}: {exc.strerror}: {file}') from exc
    name = what[:1].upper() + what[1:]
    is_yaml = file.suffix.lower() in ('.yaml', '.yml')
    try:
        content = _yaml(data) if is_yaml else json.loads(data)
        checked = _Plain().of(content)
    except _NotPlain as exc:
        raise ConfigurationError(f'{name} contains {exc}, which JSON cannot hold: {file}') from exc
    except (ValueError, RecursionError) as exc:
        kind = 'YAML' if is_yaml else 'JSON'
        raise ConfigurationError(f'{name} must be valid {kind}. {file}: {exc}') from exc
    if not isinstance(checked, dict):
        raise ConfigurationError(f'{name} must be a JSON object. {file} holds '
                                 f'{_KINDS.get(type(checked), "one value")}')
    return checked


_KINDS = {list: 'a list', str: 'a text', type(None): 'nothing'}


def _yaml(data: bytes) -> object:
    # Imported here, because most commands read no YAML.
    import yaml

    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as exc:
        raise ValueError(' '.join(str(exc).split())) from exc


class _NotPlain(Exception):
    """A value that JSON cannot hold."""


class _Plain:
    """
    Copy a value, and refuse what JSON cannot hold.

    The copied values are counted, because with references a short YAML file can expand to more
    than the memory holds.
    """

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: object, depth: int = 0) -> object:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise _NotPlain('too many or too deeply nested values')
        if value is None or isinstance(value, (str, bool, int)):
            return value
        if isinstance(value, float):
            if not math.isfinite(value):
                raise _NotPlain(f'the number {value}')
            return value
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        if isinstance(value, Mapping):
            if wrong := next((key for key in value if not isinstance(key, str)), None):
                raise _NotPlain(f'the key {wrong!r:.80} that is not a text')
            return {key: self.of(each, depth + 1) for key, each in value.items()}
        raise _NotPlain(f'a {type(value).__name__}')
