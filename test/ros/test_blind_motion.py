# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Links and services that fall silent without an end, while the arm moves.

Nothing tells that from a slow answer at once. So the age of the observation behind the row that is
played bounds the motion: the arm slows down and rests before its bound, then says what is wrong.
"""

from collections import deque
import signal
import time

import httpx
import pytest

from reflex_ros.domain import chunk_player
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State

from .conftest import bring_back, moving_system

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from reflex_ros.domain.heartbeats import DriverBeat  # noqa: E402
from reflex_ros.nodes import qos, status_codec  # noqa: E402

pytestmark = [pytest.mark.faults, pytest.mark.slow]

LATENCY_MS, JITTER_MS = 100.0, 40.0
MARGIN_S, SHARE, MOST_S = 0.3, 0.6, 2.5
"""The bound is what the chunks needed lately, and the larger of these more; at most 2.5 s."""
LEARNED = chunk_player.LEAST_SPANS + 2
"""Chunks after which the driver knows what the service needs."""
FAST_RAD_S = 0.35
MOVED_RAD = 0.02
TOLERANCE_S = 0.1
"""Beats come every 20 ms, and later on a busy machine."""
STALL_S = 1.0
LATE_MS = 500.0
"""Only a busy machine makes a round trip of this length."""


class Onlooker:
    """The moving system, and every beat of its driver with the instant at which it came."""

    def __init__(self, demo):
        self.demo = demo
        self.view = demo.system.view
        self.beats = deque(maxlen=2000)
        self.node = rclpy.create_node('onlooker')
        self.node.create_subscription(DiagnosticStatus, '_beat/so101', self._on_beat, qos.LEASE)

    def _on_beat(self, message):
        self.beats.append((time.monotonic(), status_codec.decode(DriverBeat, message)))

    def until(self, condition, timeout_s, what):
        """Listen until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, \
                f'no {what}: {self.view.summary}, {self.view.driver}'
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def wait_fast(self):
        """Wait until the arm moves fast, and the driver knows what this service needs."""
        self.until(lambda: self.beats, 5.0, 'beat')
        for _ in range(4):
            # A busy machine may have stopped the arm.
            bring_back(self.demo)
            known = self.beats[-1][1].accepted + LEARNED
            self.until(lambda known=known: self.view.causes or self.beats[-1][1].accepted >= known
                       and max(abs(joint['velocity_rad_s']) for joint in self.demo.arm.state()[
                           'joints'].values()) >= FAST_RAD_S, 30.0, 'fast motion')
            if not self.view.causes:
                break

    def travel_rad(self):
        return max(joint['travel_rad'] for joint in self.demo.arm.state()['joints'].values())

    def bound_s(self):
        """Return how old an observation may become, from how long each had to last lately [s]."""
        needed, last = [], None
        for at, beat in self.beats:
            if beat.observation_age_s < 0.0 or beat.playback_rate == 0.0:
                last = None
            elif last is None or beat.accepted > last[0]:
                if last is not None:
                    needed.append(at - last[1])
                last = beat.accepted, at - beat.observation_age_s
        longest = max(needed[-chunk_player.MEMORY:])
        return min(longest + max(MARGIN_S, SHARE * longest), MOST_S)

    def moved_blind_s(self):
        """Wait until the goals stand still; return how old the observation was by then [s]."""
        def stands():
            state = self.demo.arm.state()
            last_ns = state['goal_last_change_ns']
            return last_ns is not None and state['now_ns'] - last_ns > 0.4e9
        self.until(stands, 10.0, 'rest')
        last = self.demo.arm.state()['goal_last_change_ns'] * 1e-9
        # What the driver acted on then; in a stop it forgets its plan.
        ages = [last - (at - beat.observation_age_s) for at, beat in self.beats
                if beat.observation_age_s >= 0.0 and at <= last + 0.1]
        return ages[-1]


@pytest.fixture(scope='module')
def moving():
    with moving_system(prompt='hurry', latency_ms=LATENCY_MS, jitter_ms=JITTER_MS) as demo:
        yield demo


@pytest.fixture
def onlooker(moving):
    rclpy.init()
    onlooker = Onlooker(moving)
    try:
        bring_back(moving)
        yield onlooker
    finally:
        restore(moving)
        onlooker.node.destroy_node()
        rclpy.try_shutdown()


def restore(demo):
    demo.system.group.children['sim_service'].popen.send_signal(signal.SIGCONT)
    demo.link.restore()
    httpx.post(f'{demo.world.url}/admin/clear', json={}, timeout=5.0).raise_for_status()


def switch(name, value=None):
    def inject(demo):
        httpx.post(f'{demo.world.url}/admin/fault', timeout=5.0, json={
            'name': name, **({} if value is None else {'value': value})}).raise_for_status()
    return inject


def stop_service(demo):
    demo.system.group.children['sim_service'].popen.send_signal(signal.SIGSTOP)


FAULTS = {
    'half-open connection': (lambda demo: demo.link.silence(), 'no ping was answered'),
    'lost answers': (lambda demo: demo.link.silence(up=False), 'no ping was answered'),
    'lost observations': (lambda demo: demo.link.silence(down=False), 'no ping was answered'),
    'a byte a second': (switch('trickle', 1000), 'no answer'),
    'stopped service': (stop_service, 'no ping was answered'),
    'service without answers': (switch('silence'), 'the service is silent'),
    'answers with wrong numbers': (switch('wrong_seq', 'future'), 'with a number that no'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_arm_rests_before_it_moves_blind_and_the_cause_names_why(onlooker, name):
    inject, words = FAULTS[name]
    demo, view = onlooker.demo, onlooker.view
    onlooker.wait_fast()
    bound_s = onlooker.bound_s()
    demo.arm.mark()
    inject(demo)
    assert onlooker.moved_blind_s() < bound_s + TOLERANCE_S
    onlooker.until(lambda: view.state is State.LATCHED, 10.0, 'latch')
    cause = view.causes[0]
    if view.stream.round_trip_ms[1:] and view.stream.round_trip_ms[1] > LATE_MS:
        # What is usual here was so slow that the arm, which is starved, does not wait for it.
        assert cause.code in (FaultCode.UNDERRUN, FaultCode.NET_SILENT, FaultCode.SEQ_OLD)
    else:
        assert cause.code is (FaultCode.SEQ_OLD if 'number' in name else FaultCode.NET_SILENT)
        assert words in cause.text, cause
    state = demo.arm.state()
    assert all(joint['torque'] for joint in state['joints'].values())
    restore(demo)
    bring_back(demo)
    demo.arm.mark()
    onlooker.until(lambda: onlooker.travel_rad() > MOVED_RAD, 10.0, 'motion')


@pytest.mark.parametrize('name', ['half-open connection', 'lost answers', 'stopped service'])
def test_stall_of_a_second_is_a_short_pause_and_nobody_has_to_do_anything(onlooker, name):
    demo, view = onlooker.demo, onlooker.view
    onlooker.wait_fast()
    before = len(view.states)
    FAULTS[name][0](demo)
    began = time.monotonic()
    onlooker.until(lambda: time.monotonic() - began > STALL_S, 5.0, 'end of the stall')
    restore(demo)
    demo.arm.mark()
    onlooker.until(lambda: onlooker.travel_rad() > MOVED_RAD, 3.0, 'motion')
    onlooker.until(lambda: view.state is State.ACTIVE, 5.0, 'ACTIVE')
    assert not view.causes
    assert {state for state, _ in view.states[before:]} <= {State.DEGRADED, State.ACTIVE}
