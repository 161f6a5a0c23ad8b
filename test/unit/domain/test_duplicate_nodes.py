# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two living nodes of one name are seen; a restart is not taken for one."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest

from reflex_ros.domain.duplicate_nodes import InstanceWatch


def is_double(ids: str, wait_s: float = 0.0) -> bool:
    """Note one beat per letter, 50 ms apart; ask some time after the last one."""
    watch = InstanceWatch()
    for number, instance in enumerate(ids):
        watch.record(instance, number * 0.05)
    return watch.is_double((len(ids) - 1) * 0.05 + wait_s)


@pytest.mark.parametrize(('ids', 'expected'), [
    ('', False), ('a', False), ('aaaa', False), ('aaab', False), ('abbb', False),
    ('aabbccddee', False), ('abcdefghijklmnopqrstuvwxyz', False),
    ('aba', True), ('aabaa', True), ('abab', True), ('aabbbaa', True), ('abca', True),
    ('abcabc', True), ('aabcba', True)])
def test_name_is_double_when_an_instance_comes_back(ids: str, expected: bool) -> None:
    assert is_double(ids) == expected


@pytest.mark.parametrize('count', [2, 3, 4])
def test_living_nodes_are_seen_in_whatever_order_they_beat(count: int) -> None:
    for order in permutations('abcd'[:count]):
        assert is_double(''.join(order) * 3)


@pytest.mark.parametrize(('wait_s', 'expected'), [(0.0, True), (1.99, True), (2.0, False)])
def test_double_is_forgotten_two_seconds_after_the_last_sight(
        wait_s: float, expected: bool) -> None:
    assert is_double('abab', wait_s) == expected


def test_many_restarts_are_no_double() -> None:
    ids = [str(number) for number in range(2000)]
    watch = InstanceWatch()
    for number, (instance, following) in enumerate(pairwise(ids)):
        watch.record(instance, float(number))
        watch.record(following, number + 0.5)
        assert not watch.is_double(number + 0.5)
