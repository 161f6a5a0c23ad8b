# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person takes the arm over from the policy and hands it back: one order of commands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.guided_motion import ACCELERATION, RATE_HZ
from reflex_ros.domain.heartbeats import Commander
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.intervention import FRESH_S, Intervention, LOST_S, MAX_SPEED

TURN_S = 1.0 / RATE_HZ
MOVING = Permit(3, Mode.APPLY_ACTIONS)


class Bench:
    """An arm that is where it is told to be, a leader, and a policy that answers every 0.2 s."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[ActionChunk] = []
        self.pose = np.zeros(6)
        self.leader = np.full(6, 0.4)
        self.permit = MOVING
        self.seq = 0
        self.is_heard = True
        self.cause = None
        self.intervention = Intervention(SO101)

    def _send(self, chunk: ActionChunk) -> None:
        # As the driver does: each command must pass.
        check_chunk(chunk, ChunkBounds(SO101), self.now, self.pose, epoch=self.permit.epoch,
                    last_seq=self.sent[-1].seq if self.sent else -1, is_moving=True)
        self.sent.append(chunk)

    def turns(self, count: int = 1) -> None:
        """Let time pass: leader, driver and guided motion go on."""
        for _ in range(count):
            self.now += TURN_S
            if self.is_heard:
                self.intervention.put_leader(self.leader, self.now)
            self.intervention.put_setpoint(self.pose)
            before = len(self.sent)
            self.cause = self.intervention.turn(self.permit, self.now, self._send) or self.cause
            if len(self.sent) > before:
                # One turn later it is where the second row says.
                self.pose = self.sent[-1].rows[1]

    def policy(self, observed_ago_s: float = 0.1) -> bool:
        """Answer with the policy; return whether that was commanded."""
        self.seq += 1
        before = len(self.sent)
        self.intervention.relay(ActionChunk(
            self.seq, np.tile(self.pose, (30, 1)), 30.0, self.now - observed_ago_s,
            self.permit.epoch, joint_names=SO101.joint_names), self._send)
        return len(self.sent) > before

    def take_over(self, **changes: bool) -> str:
        return self.intervention.take_over(self.permit, self.now, **{'is_applying': True,
                                                                     **changes})


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.turns(5)
    assert made.policy()
    return made


def test_person_guides_the_arm_and_the_policy_does_not(bench: Bench) -> None:
    assert bench.take_over() == ''
    assert bench.intervention.commander is Commander.PERSON
    for _ in range(20):
        bench.turns(10)
        assert not bench.policy()
    assert np.abs(bench.pose - bench.leader).max() < 0.01
    assert [chunk.seq for chunk in bench.sent] == sorted({chunk.seq for chunk in bench.sent})


def test_arm_approaches_the_leader_slowly_and_then_follows(bench: Bench) -> None:
    bench.take_over()
    poses = []
    for _ in range(150):
        bench.turns()
        poses.append(bench.pose)
    bench.leader = np.full(6, -0.4)
    for _ in range(150):
        bench.turns()
        poses.append(bench.pose)
    speed = np.abs(np.diff(poses, axis=0)) * RATE_HZ
    assert 0.25 < speed[:40].max() <= 0.3 + 1e-9
    assert 0.9 < speed[150:].max() <= MAX_SPEED + 1e-9
    assert np.abs(np.diff(speed, axis=0)).max() * RATE_HZ <= ACCELERATION + 1e-6


def test_policy_goes_on_when_it_has_seen_where_the_arm_is(bench: Bench) -> None:
    bench.take_over()
    bench.turns(60)
    handed_at = bench.now
    assert bench.intervention.hand_back(handed_at) == ''
    bench.leader = np.full(6, -0.5)
    bench.turns(10)
    # An answer to what was seen before: it does not know where the arm is.
    assert not bench.policy(observed_ago_s=bench.now - handed_at + 0.01)
    assert bench.intervention.commander is Commander.RETURNING
    where = bench.pose
    bench.turns(50)
    # It rests, and no longer follows the leader.
    assert np.abs(bench.pose - where).max() < 0.1 and (bench.pose > 0.0).all()
    assert np.abs(bench.sent[-1].rows[-1] - bench.pose).max() < 1e-6
    assert bench.policy(observed_ago_s=0.05)
    assert bench.intervention.commander is Commander.POLICY
    count = len(bench.sent)
    bench.turns(10)
    assert len(bench.sent) == count
    assert bench.policy() and bench.policy()
    assert bench.intervention.policy_number(bench.sent[-1].seq) == bench.seq


def test_numbers_begin_anew_with_each_activation(bench: Bench) -> None:
    bench.take_over()
    bench.turns(30)
    bench.permit, bench.seq, bench.sent = Permit(4, Mode.APPLY_ACTIONS), 0, []
    bench.turns()
    assert bench.intervention.commander is Commander.POLICY
    assert bench.policy()
    assert bench.sent[-1].seq == bench.seq == bench.intervention.policy_number(1)


@pytest.mark.parametrize('mode', (Mode.HOLD, Mode.PARK))
def test_stop_ends_the_guidance(bench: Bench, mode: Mode) -> None:
    bench.take_over()
    bench.turns(10)
    bench.permit, count = Permit(3, mode), len(bench.sent)
    bench.turns(10)
    assert len(bench.sent) == count and bench.cause is None
    assert bench.intervention.commander is Commander.POLICY


def test_lost_leader_stops_the_arm_after_a_rest(bench: Bench) -> None:
    bench.take_over()
    bench.turns(30)
    bench.is_heard = False
    bench.turns(round(LOST_S / TURN_S) - 2)
    assert bench.cause is None
    bench.turns(5)
    assert bench.cause is not None and bench.cause.code is FaultCode.LEADER_LOST
    # Until the stop is heard, nobody moves the arm; a leader that is back changes nothing.
    bench.is_heard, count = True, len(bench.sent)
    bench.turns(20)
    assert not bench.policy() and len(bench.sent) == count
    assert 'the arm was stopped' in bench.take_over()
    bench.permit = Permit(3, Mode.HOLD)
    bench.turns()
    assert not bench.intervention.is_guided
    bench.permit, bench.sent = Permit(4, Mode.APPLY_ACTIONS), []
    assert bench.policy() and bench.take_over() == ''


def test_taking_over_is_refused_with_the_next_step(bench: Bench) -> None:
    assert 'reflex promote' in bench.take_over(is_applying=False)
    bench.permit = Permit(3, Mode.HOLD)
    assert 'reflex promote' in bench.take_over()
    bench.permit = MOVING
    bench.is_heard = False
    bench.turns(round(FRESH_S / TURN_S) + 2)
    assert 'leader_node' in bench.take_over()
    assert bench.policy()
    bench.is_heard = True
    bench.turns()
    assert bench.take_over() == ''
    assert 'already' in bench.take_over()


def test_handing_back_needs_a_person(bench: Bench) -> None:
    assert bench.intervention.hand_back(bench.now) == 'no person guides the arm'
    bench.take_over()
    assert bench.intervention.hand_back(bench.now) == ''
    assert bench.intervention.hand_back(bench.now) == 'no person guides the arm'
    # Before the policy has answered, the person may take over again.
    assert bench.take_over() == ''


@given(st.lists(st.tuples(st.sampled_from(('turn', 'policy', 'late', 'over', 'back', 'leap')),
                          st.integers(1, 20)), max_size=40))
def test_every_command_passes_the_driver_whatever_comes(acts: list[tuple[str, int]]) -> None:
    bench = Bench()
    bench.turns(3)
    for act, count in acts:
        # ``_send`` raises for a command that the driver would refuse.
        if act == 'turn':
            bench.turns(count)
        elif act in ('policy', 'late'):
            bench.policy(observed_ago_s=0.05 if act == 'policy' else 0.9)
        elif act == 'over':
            bench.take_over()
        elif act == 'back':
            bench.intervention.hand_back(bench.now)
        else:
            bench.leader = np.full(6, (count - 10) * 0.2)
    for chunk in bench.sent:
        assert np.abs(np.diff(chunk.rows, axis=0)).max() * chunk.rate_hz <= MAX_SPEED + 1e-9
