# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policies: rows within limits and speed, one motion over many chunks, a real wave."""

from __future__ import annotations

import itertools
import math

import pytest

from reflex_ros.sim.service.policy.policies import choose, ObservationClock, Policy
from reflex_ros.sim.service.so101 import JOINTS, LOWER, UPPER

# Written down again from the brief, so that a changed limit in the code is a failed test.
LIMITS = {
    'shoulder_pan': (-105.0, 105.0), 'shoulder_lift': (-95.0, 95.0), 'elbow_flex': (-92.0, 92.0),
    'wrist_flex': (-90.0, 90.0), 'wrist_roll': (-150.0, 150.0), 'gripper': (2.0, 98.0),
}
REST = (0.0, -100.0, 90.0, 50.0, 0.0, 10.0)
UPRIGHT = (0.0, 0.0, 0.0, 0.0, 0.0, 30.0)
CORNER = (110.0, 99.0, -96.0, 95.0, 170.0, 0.0)
PROMPTS = (
    'hold', 'wave at me', 'reach for the cube', 'sweep the table',
    'pick up the cube and place it in the bowl', 'do something',
)
LAG_S = 0.115
STEP_S = 0.005


def row_at(start_s, rows, now_s, hz=30.0):
    """Interpolate a chunk; after its end, keep its last row."""
    place = min(max(0.0, (now_s - start_s) * hz), len(rows) - 1.001)
    k = int(place)
    return [a + (b - a) * (place - k) for a, b in zip(rows[k], rows[k + 1], strict=True)]


def drive(prompt, *, seconds, latency_s, every_s, start=REST):
    """
    Let an arm that lags follow the newest chunk.

    :returns: the arm's pose at each step, and the largest step from one chunk to the next.
    """
    policy, arm, chunk, coming = Policy(0), list(start), None, None
    next_s, poses, splice = 0.0, [], 0.0
    for now_s in (k * STEP_S for k in range(int(seconds / STEP_S))):
        if now_s >= next_s:
            coming = (now_s, policy.rows(prompt, tuple(arm), now_s, hz=30.0, count=50))
            next_s = now_s + every_s
        if coming is not None and now_s >= coming[0] + latency_s:
            if chunk is not None:
                pairs = zip(row_at(*chunk, now_s), row_at(*coming, now_s), strict=True)
                splice = max(splice, *(abs(a - b) for a, b in pairs))
            chunk, coming = coming, None
        if chunk is not None:
            target = row_at(*chunk, now_s)
            arm = [a + (b - a) * STEP_S / LAG_S for a, b in zip(arm, target, strict=True)]
        poses.append(list(arm))
    return poses, splice


def swing(poses, joint):
    values = [pose[JOINTS.index(joint)] for pose in poses]
    return math.radians(max(values) - min(values))


def peak_speed(poses, joint):
    values = [math.radians(pose[JOINTS.index(joint)]) for pose in poses]
    return max(abs(b - a) for a, b in itertools.pairwise(values)) / STEP_S


def test_limits_are_those_of_the_so101():
    assert dict(zip(JOINTS, zip(LOWER, UPPER, strict=True), strict=True)) == LIMITS


@pytest.mark.parametrize('prompt', PROMPTS)
@pytest.mark.parametrize('start', [REST, CORNER, (0.0,) * 6])
@pytest.mark.parametrize('hz', [10.0, 30.0, 50.0])
def test_rows_start_at_the_observed_pose_and_stay_slow_and_within_limits(prompt, start, hz):
    policy = Policy(0)
    for t_s in (0.0, 0.7, 3.1, 11.9, 3600.0):
        rows = policy.rows(prompt, start, t_s, hz=hz, count=100)
        assert len(rows) == 100
        assert rows[0] == list(start)
        for before, after in itertools.pairwise(rows):
            for old, new, (low, high) in zip(before, after, LIMITS.values(), strict=True):
                assert abs(new - old) * hz <= 60.0
                assert min(low, old) <= new <= max(high, old)
        # A hundred rows lead every joint inside; the farthest is 20 degrees outside.
        for value, (low, high) in zip(rows[-1], LIMITS.values(), strict=True):
            assert low <= value <= high


@pytest.mark.parametrize('prompt', PROMPTS)
@pytest.mark.parametrize('latency_s, every_s', [(0.02, 0.1), (0.1, 0.5), (0.4, 0.8)])
def test_successive_chunks_are_one_motion(prompt, latency_s, every_s):
    poses, splice = drive(prompt, seconds=12.0, latency_s=latency_s, every_s=every_s)
    # A chunk begins at a pose that lags behind the last chunk by the arm's lag times its speed.
    assert splice < 0.115 * 60.0
    for joint in JOINTS:
        # From the second second on: at the very start an arm at rest catches up with the rows.
        assert peak_speed(poses[400:], joint) < 1.2


def test_the_same_chunk_continues_the_motion_when_the_arm_has_followed_it():
    policy = Policy(0)
    rows = policy.rows('wave', (0.0, -50.0, 20.0, -30.0, 0.0, 40.0), 0.0, hz=30.0, count=60)
    for k in (10, 25, 40):
        later = policy.rows('wave', tuple(rows[k]), k / 30.0, hz=30.0, count=10)
        for expected, row in zip(rows[k:k + 10], later, strict=True):
            assert row == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize('latency_s, every_s', [(0.02, 0.05), (0.02, 0.5), (0.4, 0.8)])
def test_wave_is_large_and_of_a_human_speed(latency_s, every_s):
    poses, _ = drive('wave', seconds=8.0, latency_s=latency_s, every_s=every_s)
    assert swing(poses[:1200], 'wrist_roll') > 0.4
    assert 0.4 < peak_speed(poses[400:], 'wrist_roll') < 0.9


def test_sweep_turns_the_base_to_both_sides():
    poses, _ = drive('sweep', seconds=12.0, latency_s=0.1, every_s=0.5)
    assert swing(poses, 'shoulder_pan') > 1.8


def test_pick_and_place_closes_the_gripper_on_one_side_and_opens_it_on_the_other():
    poses, _ = drive('pick and place', seconds=20.0, latency_s=0.1, every_s=0.5)
    closed_at = {pose[0] > 0 for pose in poses[800:] if pose[5] < 18.0}
    opened_at = {pose[0] > 0 for pose in poses[800:] if pose[5] > 65.0 and abs(pose[0]) > 20.0}
    assert closed_at == {False, True}
    assert opened_at == {False, True}


def test_reach_visits_several_places():
    poses, _ = drive('reach', seconds=16.0, latency_s=0.1, every_s=0.5)
    assert swing(poses, 'shoulder_pan') > 0.5
    assert swing(poses, 'wrist_roll') > 0.3


def test_hold_keeps_the_pose_at_which_the_prompt_began():
    # An arm that sags under its own weight must not drag the held pose down with it.
    policy = Policy(0)
    start = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
    policy.rows('hold', start, 0.0, hz=30.0, count=50)
    sagged = tuple(value - 2.0 for value in start)
    rows = policy.rows('hold', sagged, 5.0, hz=30.0, count=90)
    assert rows[-1] == pytest.approx(start, abs=0.01)


def test_unknown_prompt_sways_a_little_about_where_it_began():
    poses, _ = drive('qwertz', seconds=10.0, latency_s=0.1, every_s=0.5, start=UPRIGHT)
    for joint in JOINTS:
        assert swing(poses, joint) < math.radians(10.0)
    assert swing(poses, 'wrist_roll') > math.radians(4.0)


@pytest.mark.parametrize('prompt, name', [
    ('Hold still.', 'hold'), ('STAY', 'hold'), ('wave', 'wave'), ('say hello!', 'wave'),
    ('reach for the red cube', 'reach'), ('sweep', 'sweep'), ('pick it up', 'pick_and_place'),
    ('reach out and pick it', 'pick_and_place'), ('place it there', 'pick_and_place'),
    ('', 'idle'), ('threshold', 'idle'), ('microwave', 'idle'),
])
def test_prompt_is_understood_by_its_words(prompt, name):
    assert choose(prompt).__name__ == name


def test_prompt_change_begins_a_new_motion_and_a_rewording_does_not():
    policy, other = Policy(0), Policy(0)
    for each, prompt in ((policy, 'wave'), (other, 'please wave')):
        each.rows('wave', REST, 0.0, hz=30.0, count=5)
        each.rows(prompt, REST, 4.0, hz=30.0, count=5)
    assert policy.rows('wave', REST, 5.0, hz=30.0, count=50) == other.rows(
        'wave', REST, 5.0, hz=30.0, count=50)
    policy.rows('hold', REST, 6.0, hz=30.0, count=5)
    restarted = policy.rows('wave', REST, 7.0, hz=30.0, count=50)
    assert restarted == Policy(0).rows('wave', REST, 0.0, hz=30.0, count=50)


def test_seed_decides_where_to_reach():
    def rows(seed):
        return Policy(seed).rows('reach', REST, 0.0, hz=30.0, count=300)

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_clock_follows_the_capture_times():
    clock = ObservationClock()
    assert clock.tick(5_000_000_000, 100.0) == 0.0
    assert clock.tick(5_500_000_000, 109.0) == pytest.approx(0.5)
    # A capture time that runs back does not move the motion back.
    assert clock.tick(1_000_000_000, 110.0) == pytest.approx(0.5)
    assert clock.tick(1_250_000_000, 111.0) == pytest.approx(0.75)


def test_clock_falls_back_to_the_receipt():
    clock = ObservationClock()
    assert clock.tick(None, 100.0) == 0.0
    assert clock.tick(None, 100.4) == pytest.approx(0.4)
    assert clock.tick(7, 100.5) == pytest.approx(0.5)
    assert clock.tick(None, 100.7) == pytest.approx(0.7)
