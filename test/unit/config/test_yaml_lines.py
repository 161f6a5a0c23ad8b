# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YAML with lines: what a person may write, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from reflex_ros.config import yaml_lines

PATH = Path('robot.yaml')


def test_each_value_has_the_line_of_its_key() -> None:
    file = yaml_lines.parse(PATH, b'a: 1\n\nb:\n  c:\n    - x\n    - y\n')
    assert file.tree == {'a': 1, 'b': {'c': ['x', 'y']}}
    assert {place: file.line(place) for place in [('a',), ('b',), ('b', 'c'), ('b', 'c', 1)]} == {
        ('a',): 1, ('b',): 3, ('b', 'c'): 4, ('b', 'c', 1): 6}


def test_missing_value_has_the_line_of_what_is_around_it() -> None:
    file = yaml_lines.parse(PATH, b'a: 1\nb:\n  c: 2\n')
    assert file.line(('b', 'missing', 'below')) == 2
    assert file.line(('missing',)) == 1


def test_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert yaml_lines.parse(PATH, '\ufeffa: 1'.encode()).tree == {'a': 1}


def test_reference_keeps_own_keys() -> None:
    text = b'base: &base {x: 1, y: 2}\nown:\n  <<: *base\n  y: 3\n'
    assert yaml_lines.parse(PATH, text).tree['own'] == {'x': 1, 'y': 3}


@pytest.mark.parametrize(('data', 'words'), [
    (b'a: 1\nb: 2\na: 3\n', ":3: the key 'a' stands here again: it is in line 1 already"),
    (b'a:\n  b: 1\n  b: 1\n', ":3: the key 'b' stands here again"),
    (b'1: a\n', ":1: the key '1' is not a text: put it into quotes"),
    (b'[a]: b\n', ':1: a key must be a text'),
    (b'a: [1\n  b', ':2: not valid YAML'),
    (b'a:\n\tb: 1', ':2: not valid YAML'),
    (b'"', ':1: not valid YAML'),
    (b'a: 2026-02-31', ': not valid YAML'),
    (b'\x00\x01', ': the file is not a YAML text in UTF-8'),
    (b'\xff\xfe\xff', ': the file is not a YAML text in UTF-8'),
    (b'a: ' + b'[' * 200_000, ': too many levels inside each other'),
    (b'a: ' + b'[' * 40 + b']' * 40, ':1: too many levels or values'),
    (b'a: &a [*a]', ':1: too many levels or values'),
    (b'a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n'
     b'd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\n'
     b'f: [*e,*e,*e,*e,*e,*e,*e,*e]\n', 'too many levels or values'),
    (b'#' * 2 ** 20 + b'\n', ': the file is larger than 1 MiB'),
])
def test_file_that_one_cannot_rely_on_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(yaml_lines.NotReadable) as refused:
        yaml_lines.parse(PATH, data)
    assert str(refused.value).startswith('robot.yaml') and words in str(refused.value)
    assert '\n' not in str(refused.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(yaml_lines.NotReadable, match='the file does not exist'):
        yaml_lines.read(tmp_path / 'none.yaml')
    with pytest.raises(yaml_lines.NotReadable, match='cannot be read: Is a directory'):
        yaml_lines.read(tmp_path)
