# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inputs that once broke something, replayed; ``make fuzz`` finds them and adds them."""

from pathlib import Path
import random

import pytest

fuzz = pytest.importorskip('bench.fuzz')
TARGETS = fuzz.all_targets()

KEPT = sorted(path for path in (Path(__file__).parents[1] / 'corpus').rglob('*') if path.is_file())


@pytest.mark.parametrize('name', TARGETS)
def test_proper_inputs_break_nothing(name):
    target = TARGETS[name]
    assert [fuzz.problem(target, data) for data in target.seeds] == [''] * len(target.seeds)


@pytest.mark.parametrize('path', KEPT, ids=lambda path: f'{path.parent.name}-{path.name}')
def test_input_that_once_broke_something_does_not_any_more(path):
    if path.parent.name not in TARGETS:
        pytest.skip('rclpy is not installed')
    assert fuzz.problem(TARGETS[path.parent.name], path.read_bytes()) == ''


@pytest.mark.parametrize('name', TARGETS)
def test_some_hundred_mutated_inputs_break_nothing(name):
    rng, target = random.Random(name), TARGETS[name]
    cases = [fuzz.mutated(rng, list(target.seeds)) for _ in range(10 if name == 'line' else 200)]
    assert {fuzz.problem(target, data) for data in cases} == {''}


def test_finding_is_one_whatever_it_is():
    def broken(data):
        raise KeyError(data)
    assert 'KeyError at test_corpus.py' in fuzz.problem(fuzz.Target(broken, [], 1), b'x')
