# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON and YAML files that a person wrote and the service gets: one mapping each."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path

from reflex_ros.errors import ConfigurationError

MAX_SIZE = 2 ** 20
MAX_VALUES, MAX_DEPTH = 100_000, 64


def read(file: Path, what: str) -> dict[str, object]:
    """
    Read a mapping: YAML by the suffix ``.yaml`` or ``.yml``, JSON otherwise.

    :param what: the file's name in errors, e.g. ``robot schema``.
    :raises ConfigurationError: when the file cannot be read, is larger than 1 MiB, is not what
        its suffix says, is no mapping, or holds a value that JSON does not have.
    """
    try:
        with open(file, 'rb') as stream:
            data = stream.read(MAX_SIZE + 1)
    except OSError as exc:
        raise ConfigurationError(f'Failed to read {what}: {exc}') from exc
    name = what[:1].upper() + what[1:]
    if len(data) > MAX_SIZE:
        raise ConfigurationError(f'{name} must not be larger than 1 MiB: {file}')
    is_yaml = file.suffix.lower() in ('.yaml', '.yml')
    try:
        content = _yaml(data) if is_yaml else json.loads(data)
        checked = _Plain().of(content)
    except _NotPlain as exc:
        raise ConfigurationError(f'{name} holds {exc}, which JSON does not have: {file}') from exc
    except (ValueError, RecursionError) as exc:
        kind = 'YAML' if is_yaml else 'JSON'
        raise ConfigurationError(f'{name} must be valid {kind}. {file}: {exc}') from exc
    if not isinstance(checked, dict):
        raise ConfigurationError(f'{name} must be a JSON object.')
    return checked


def _yaml(data: bytes) -> object:
    # Not at the top: most commands read no file.
    import yaml

    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as exc:
        raise ValueError(' '.join(str(exc).split())) from exc


class _NotPlain(Exception):
    """A value that has no place in JSON."""


class _Plain:
    """
    Copies what JSON can hold.

    Counts what it copies: by references, a short YAML file can stand for more than any memory
    holds.
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
                raise _NotPlain(f'the key {wrong!r:.80} that is no text')
            return {key: self.of(each, depth + 1) for key, each in value.items()}
        raise _NotPlain(f'a {type(value).__name__}')
