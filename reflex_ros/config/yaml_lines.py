# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A YAML file that a person wrote: its values, and the line of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError

MAX_SIZE = 2 ** 20
MAX_VALUES, MAX_DEPTH = 100_000, 32

Place = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value; empty: the whole file."""


@dataclass(frozen=True, slots=True)
class YamlFile:
    """
    What a file holds.

    :param tree: mappings, lists, texts, numbers, true, false and None.
    :param lines: place of each value -> line of its key, from 1 on.
    """

    path: Path
    tree: Any
    lines: Mapping[Place, int]

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest one around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


class NotReadable(ConfigurationError):
    """
    The file cannot be read, or is no YAML that one can rely on.

    :param line: where; 0 when no line is to blame.
    """

    def __init__(self, path: Path, reason: str, line: int = 0) -> None:
        super().__init__(f'{path}:{line}: {reason}' if line else f'{path}: {reason}')
        self.reason = reason
        self.line = line


def read(path: Path) -> YamlFile:
    """
    Read a file.

    :raises NotReadable: if it does not exist, cannot be read, or as :func:`parse`.
    """
    try:
        data = small_file.read(path, MAX_SIZE)
    except FileNotFoundError as exc:
        raise NotReadable(path, 'the file does not exist') from exc
    except OSError as exc:
        raise NotReadable(path, f'the file cannot be read: {exc.strerror}') from exc
    return parse(path, data)


def parse(path: Path, data: bytes) -> YamlFile:
    """
    Parse the bytes of a file; a byte order mark at their start is allowed.

    :raises NotReadable: if they are more than 1 MiB, no valid YAML in UTF-8, have a key twice, a
        key that is not a text, or more than 32 levels.
    """
    if len(data) > MAX_SIZE:
        raise NotReadable(path, 'the file is larger than 1 MiB')
    try:
        return _Reader(path, data).read()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        raise NotReadable(path, f'not valid YAML: {exc.problem}',
                          mark.line + 1 if mark else 0) from exc
    except (yaml.YAMLError, UnicodeError) as exc:
        raise NotReadable(path, 'the file is not a YAML text in UTF-8') from exc
    except ValueError as exc:
        # For example a date that no calendar has.
        raise NotReadable(path, f'not valid YAML: {exc}') from exc
    except RecursionError as exc:
        raise NotReadable(path, 'too many levels inside each other') from exc


class _Reader:
    """Walks the nodes of a document, because only they know their lines."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path = path
        self._loader = yaml.SafeLoader(data)
        self._lines: dict[Place, int] = {}
        self._left = MAX_VALUES

    def read(self) -> YamlFile:
        try:
            node = self._loader.get_single_node()
            tree = None if node is None else self._value(node, ())
        finally:
            self._loader.dispose()
        return YamlFile(self._path, tree, self._lines)

    def _value(self, node: yaml.Node, place: Place) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(place, line)
        # References can make a short file endless.
        self._left -= 1
        if self._left < 0 or len(place) > MAX_DEPTH:
            raise NotReadable(self._path, 'too many levels or values', line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        own: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise NotReadable(self._path, 'a key must be a text', line)
            if key.value in own and key.tag != 'tag:yaml.org,2002:merge':
                raise NotReadable(self._path, f'the key {key.value!r:.80} stands here again: '
                                  f'it is in line {own[key.value]} already', line)
            own[key.value] = line
        # Puts what "<<" refers to before the own keys, which replace it.
        self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = self._loader.construct_object(key)
            if not isinstance(name, str):
                raise NotReadable(self._path, f'the key {key.value!r:.80} is not a text: put it '
                                  'into quotes', key.start_mark.line + 1)
            self._lines[(*place, name)] = key.start_mark.line + 1
            found[name] = self._value(value, (*place, name))
        return found
