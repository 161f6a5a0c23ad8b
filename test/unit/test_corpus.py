# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs that once broke something, replayed; ``make fuzz`` finds them and adds them."""

from pathlib import Path

import pytest

fuzz = pytest.importorskip('bench.fuzz')

KEPT = sorted(path for path in (Path(__file__).parents[1] / 'corpus').rglob('*') if path.is_file())


@pytest.mark.parametrize('name', fuzz.TARGETS)
def test_proper_inputs_break_nothing(name):
    target = fuzz.TARGETS[name]
    assert [fuzz.problem(target, data) for data in target.seeds] == [''] * len(target.seeds)


@pytest.mark.parametrize('path', KEPT, ids=lambda path: f'{path.parent.name}-{path.name}')
def test_input_that_once_broke_something_does_not_any_more(path):
    assert fuzz.problem(fuzz.TARGETS[path.parent.name], path.read_bytes()) == ''


def test_finding_is_one_whatever_it_is():
    def broken(data):
        raise KeyError(data)
    assert 'KeyError at test_corpus.py' in fuzz.problem(fuzz.Target(broken, [], 1), b'x')
