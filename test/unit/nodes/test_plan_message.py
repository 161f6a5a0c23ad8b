# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The plan arrives as it left, by nobody's clock but the receiver's; what is no plan is none."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('trajectory_msgs')

from reflex_ros.domain.outlook import Outlook  # noqa: E402
from reflex_ros.nodes import convert  # noqa: E402

NAMES = ('a', 'b')
ROWS = np.array([[0.1 * k, -0.2 * k] for k in range(20)])
OUTLOOK = Outlook(ROWS, np.arange(20) / 50.0 + 1234.5, 99.48, 100.0, 25.0, 7, 41)


def message():
    return convert.to_plan(OUTLOOK, NAMES, 100.02, convert.to_time(0))


def test_plan_arrives_as_it_left():
    # Another clock: half an hour behind.
    plan = convert.from_plan(message(), NAMES, 8.02)
    assert plan.rows == pytest.approx(ROWS) and (plan.epoch, plan.seq) == (7, 41)
    assert plan.made_at == pytest.approx(8.0) and plan.begins_at == pytest.approx(7.48)
    assert plan.rate_hz == pytest.approx(25.0)
    assert np.diff(plan.played_s) == pytest.approx(0.02)
    prefix, same = plan.prefix(7.9, 0.3, 30.0, 9), OUTLOOK.prefix(99.9, 0.3, 30.0, 9)
    assert prefix.rows == pytest.approx(same.rows) and prefix.committed == same.committed > 0


def no_tag(plan):
    plan.header.frame_id = 'world'


def short_row(plan):
    plan.points[3].positions = [0.0]


def one_point(plan):
    plan.points = plan.points[:1]


def not_a_number(plan):
    plan.points[3].positions = [0.0, float('nan'), 0.1]


def back_in_time(plan):
    plan.points[3].positions = [0.0, 0.0, -1.0]


def no_time(plan):
    for point in plan.points:
        point.time_from_start = plan.points[0].time_from_start


@pytest.mark.parametrize('damage', [no_tag, short_row, one_point, not_a_number, back_in_time,
                                    no_time])
def test_message_that_is_no_plan_is_ignored(damage):
    plan = message()
    damage(plan)
    assert convert.from_plan(plan, NAMES, 8.0) is None


def test_plan_of_another_arm_is_ignored():
    assert convert.from_plan(message(), ('a', 'c'), 8.0) is None
    assert convert.from_plan(message(), ('a', 'b', 'c'), 8.0) is None


def test_playback_that_began_long_ago_loses_no_decimals():
    late = replace(OUTLOOK, played_s=OUTLOOK.played_s + 1e6)
    plan = convert.from_plan(convert.to_plan(late, NAMES, 100.0, convert.to_time(0)), NAMES, 1.0)
    assert plan.played_s[0] == 0.0
