# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keys that move the target of an arm."""

from __future__ import annotations

import numpy as np
import pytest

from reflex_ros.cli.graph import ENDS
from reflex_ros.hardware.so101 import SO101
from reflex_ros.recording.takes import KEYS as TAKES_KEYS
from reflex_ros.runner.keyboard_guide import KeyboardGuide, PAIRS, REACH_RAD, STEP_RAD


def test_keys_move_the_target_a_little_ahead_and_inside_the_limits() -> None:
    start = SO101.rest_pose.copy() * 0.5
    guide = KeyboardGuide(SO101.joint_names, lambda: start, (SO101.lower, start + 1.5 * STEP_RAD))
    assert not guide.press(' ') and not guide.press('q') and guide.press('d')
    np.testing.assert_allclose(guide.target() - start, [STEP_RAD, 0, 0, 0, 0, 0], atol=1e-9)
    for key in 'aaaaaaaaaawlii':
        guide.press(key)
    moved = guide.target() - start
    assert moved[0] == pytest.approx(-REACH_RAD) and moved[1] == pytest.approx(STEP_RAD)
    assert moved[2] == pytest.approx(1.5 * STEP_RAD) and moved[5] == pytest.approx(-STEP_RAD)
    assert set(''.join(PAIRS)).isdisjoint({*TAKES_KEYS, *ENDS})
    assert len(set(''.join(PAIRS))) == 12


def test_keys_of_joints_that_an_arm_does_not_have_move_nothing() -> None:
    guide = KeyboardGuide(['a', 'b'], lambda: np.zeros(2))
    assert guide.press('s') and not guide.press('i') and guide.help == 'd a a, w s b'
    np.testing.assert_allclose(guide.target(), [0.0, -STEP_RAD])
