# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the simulated camera draws."""

import math

import pytest

from reflex_ros.sim import picture

POSE = (0.3, -0.6, 0.9, -0.4, 0.7, 0.5)


def test_picture_follows_the_joints():
    rest = picture.draw(POSE, '').tobytes()
    for joint in (0, 1, 2, 3, 5):
        moved = [angle + 0.3 * (index == joint) for index, angle in enumerate(POSE)]
        assert picture.draw(moved, '').tobytes() != rest, joint


@pytest.mark.parametrize('angle', [1e6, 1e308, -1e308])
def test_angles_of_no_arm_are_drawn_too(angle):
    # A stranger publishes joint states as well, and the simulated camera must not end of them.
    assert picture.draw([angle] * 6, '').size == (640, 360)


def test_whole_turns_do_not_change_the_picture():
    turned = [angle + 2 * math.tau for angle in POSE]
    assert picture.draw(turned, '').tobytes() == picture.draw(POSE, '').tobytes()
