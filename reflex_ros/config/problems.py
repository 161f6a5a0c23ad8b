# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a configuration file: each problem is one line with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from reflex_ros.config.yaml_lines import Place, YamlFile
from reflex_ros.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that is wrong.

    :param line: in the file, from 1 on.
    :param field: keys with dots between them; empty: the whole file.
    """

    path: Path
    line: int
    field: str
    reason: str

    @classmethod
    def at(cls, file: YamlFile, place: Place, reason: str) -> Problem:
        """Make the problem of a place in a file."""
        return cls(file.path, file.line(place), '.'.join(map(str, place)), reason)

    def __str__(self) -> str:
        field = f'{self.field}: ' if self.field else ''
        return f'{self.path}:{self.line}: {field}{self.reason}'


class WrongFile(ConfigurationError):
    """
    A configuration file has problems; the message has a line for each.

    :param problems: in the order of their lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.field)))
        super().__init__('\n'.join(map(str, self.problems)))


def unknown_key(key: str, known: Sequence[str], elsewhere: Mapping[str, str]) -> str:
    """
    Say that a key is unknown, and which one may be meant.

    :param elsewhere: keys that are known at other places, and those places in words.
    """
    nearest = nearest_key(key, known)
    if key in elsewhere:
        hint = f'It belongs to {elsewhere[key]}'
    elif below := [name for name in known if name.startswith(f'{key}.')]:
        hint = f'Write its keys with a dot: {", ".join(below)}'
    elif nearest:
        hint = f'Did you mean {nearest!r}?'
    else:
        hint = f'Known here: {", ".join(known)}'
    return f'unknown key. {hint}'


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Return the known key that is meant most likely; empty for none."""
    return (get_close_matches(key, list(known), 1, 0.6) or [''])[0]
