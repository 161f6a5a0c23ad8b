# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor without ROS: beats in, permits and wanted states out."""

import json
import re
import time

import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import (
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    Readiness,
    SessionMode,
    StreamBeat,
)
from reflex_ros.domain.permit import Mode
from reflex_ros.domain.safe_stop import Event, MOTION, SafeStop, State
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware import arm_driver
from reflex_ros.runner.latch_file import LatchFile
from reflex_ros.runner.supervisor import GateSettings, Supervisor, SUSPENDED_S

IDLE, LIVE = Lifecycle.INACTIVE, Lifecycle.ACTIVE


class Robot:
    """A supervisor and the beats of a driver and a stream that work."""

    def __init__(self, latch=None, **options):
        self.changes = []
        self.supervisor = Supervisor(
            GateSettings(dry_run_s=1.0), latch,
            lambda before, after: self.changes.append(after.state)
            if after.state is not before.state else None, **options)
        self.driver = {'at_rest': True, 'cycles': 100, 'cycle_ms_p99': 5.0, 'lifecycle': IDLE}
        self.stream = {'progress': 0, 'link': Link.OPEN, 'session_mode': SessionMode.DRY_RUN,
                       'session_received': 100, 'session_accepted': 100, 'open_s': 60.0,
                       'age_ms_p95': 100.0, 'lifecycle': LIVE, 'readiness': Readiness.READY}

    def beat(self, **changes):
        """Let both beat once; fields of the driver begin with nothing, the stream's with s_."""
        for name, value in changes.items():
            (self.stream if name.startswith('s_') else self.driver)[name.removeprefix('s_')] = (
                value)
        self.stream['progress'] += 1
        self.supervisor.see_stream(StreamBeat('s', **self.stream))
        self.supervisor.see_driver(DriverBeat('d', **self.driver))
        self.supervisor.tick()
        self.supervisor.evaluate_gate()
        return self.supervisor.machine.state

    def arm(self):
        """Bring it to ACTIVE."""
        for _ in range(3):
            self.beat()
        assert self.supervisor.request(Event.PROMOTE) == ''
        self.beat(lifecycle=LIVE, motion=MotionState.PLAYING, torque=True,
                  epoch=self.supervisor.machine.epoch, s_session_mode=SessionMode.APPLY_ACTIONS)
        assert self.supervisor.machine.state is State.ACTIVE


def test_way_to_motion_and_back_to_a_latch(tmp_path):
    robot = Robot(LatchFile(tmp_path / 'latch.json'))
    supervisor = robot.supervisor
    assert 'READY' in supervisor.request(Event.PROMOTE)
    robot.arm()
    assert supervisor.permit().mode is Mode.APPLY_ACTIONS
    assert supervisor.wanted_lifecycles() == (LIVE, LIVE)
    # Killed now, it would be latched when it starts again.
    again = Robot(LatchFile(tmp_path / 'latch.json')).supervisor
    assert again.machine.state is State.FAULT
    assert again.safety_state().why.startswith('stopped by SUPERVISOR_DEAD: the supervisor ended')

    robot.beat(cause=Cause(FaultCode.SERVO_FAULT, 'elbow_flex'))
    assert supervisor.permit().mode is Mode.HOLD
    robot.beat(motion=MotionState.HOLD)
    assert robot.beat() is State.LATCHED
    assert robot.changes == [
        State.STANDBY, State.DRY_RUN, State.READY, State.ARMING, State.ACTIVE, State.STOPPING,
        State.LATCHED]
    assert json.loads((tmp_path / 'latch.json').read_text())['causes'][0]['code'] == 'SERVO_FAULT'
    assert re.match(r'stopped at \d\d:\d\d:\d\d by', supervisor.safety_state().why)
    assert 'elbow_flex' in supervisor.safety_state().why
    assert 'RED latch' in supervisor.gate_report()


def test_without_a_latch_file_a_new_process_is_a_new_start():
    robot = Robot()
    robot.arm()
    assert Robot().supervisor.machine.state is State.UNCONFIGURED


def test_silence_of_the_driver_stops_at_a_tick(monkeypatch):
    robot = Robot()
    robot.arm()
    later = time.monotonic() + 0.4
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    # Several ticks: one that is late by itself proves nothing about the driver.
    robot.supervisor.tick()
    later += 0.35
    robot.supervisor._ticked_at = later - 0.02
    robot.supervisor.tick()
    assert robot.supervisor.machine.state is State.FAULT
    assert robot.supervisor.machine.causes[0].code is FaultCode.DRIVER_DEAD


def test_parked_arm_stays_parked_while_its_driver_starts_again(monkeypatch):
    clock = SetClock(monkeypatch)
    robot = Robot()
    supervisor = robot.supervisor
    for _ in range(3):
        robot.beat()
    assert supervisor.request(Event.PARK) == ''
    robot.beat(parked=True, epoch=supervisor.machine.epoch)
    for _ in range(100):
        clock.now += 0.02
        supervisor.tick()
    assert 'so101 is not running' in supervisor.safety_state().why
    assert 'so101 sends no beat' in supervisor.request(Event.RESET)
    for lifecycle in (Lifecycle.UNCONFIGURED, IDLE, IDLE):
        assert robot.beat(lifecycle=lifecycle, parked=False, s_lifecycle=IDLE) is State.PARKED
        assert supervisor.wanted_lifecycles() == (IDLE, IDLE)
    assert supervisor.request(Event.RESET) == ''
    assert supervisor.machine.state is State.STANDBY


@pytest.mark.parametrize('is_fault', [True, False])
def test_stop_of_the_stream_and_of_a_person_latch(is_fault):
    robot = Robot()
    robot.arm()
    robot.supervisor.stop(Cause(FaultCode.NET_CLOSED, 'cut'), is_fault=is_fault)
    assert robot.supervisor.machine.state is State.STOPPING
    assert robot.supervisor.permit().mode is Mode.HOLD


@pytest.mark.parametrize(('is_released', 'code', 'text'), [
    (False, FaultCode.OP_STOP, 'the stop device button is pressed'),
    (None, FaultCode.OP_LOCK_LOST, 'the stop device button has been silent for 0.3 s')])
def test_stop_device_that_is_pressed_or_silent_stops(monkeypatch, is_released, code, text):
    robot = Robot(stop_devices=['foot', 'button'])
    supervisor = robot.supervisor

    def release():
        for name in ('foot', 'button'):
            supervisor.see_stop_device(name, is_released=True)
    for _ in range(3):
        robot.beat()
    assert 'RED stop_device the stop device foot was never heard on safety/locks/foot' in (
        supervisor.gate_report())
    release()
    robot.arm()
    if is_released is None:
        later = time.monotonic() + 0.25
        monkeypatch.setattr(time, 'monotonic', lambda: later)
        supervisor._ticked_at = later - 0.02
        supervisor.see_stop_device('foot', is_released=True)
        supervisor.tick()
    else:
        supervisor.see_stop_device('button', is_released=False)
    assert supervisor.machine.state is State.STOPPING
    cause = supervisor.machine.causes[0]
    assert cause.code is code and cause.text.startswith(text[:-5])


def test_press_of_a_stop_device_is_told_once_and_also_when_nothing_moves():
    supervisor = Robot(stop_devices=['button']).supervisor
    told = [supervisor.see_stop_device('button', is_released=is_released)
            for is_released in (False, False, True, True, False)]
    pressed = Cause(FaultCode.OP_STOP, 'the stop device button is pressed')
    assert told == [pressed, None, None, None, pressed]


def test_reset_waits_until_the_stop_device_is_released(monkeypatch):
    robot = Robot(stop_devices=['button'])
    supervisor = robot.supervisor
    supervisor.see_stop_device('button', is_released=True)
    robot.arm()
    supervisor.see_stop_device('button', is_released=False)
    robot.beat(lifecycle=IDLE, motion=MotionState.HOLD, s_lifecycle=IDLE)
    for _ in range(3):
        robot.beat()
    assert supervisor.machine.state is State.LATCHED
    later = time.monotonic() + 1.0
    monkeypatch.setattr(time, 'monotonic', lambda: later)
    robot.beat()
    supervisor.see_stop_device('button', is_released=False)
    assert supervisor.request(Event.RESET) == (
        'refused: the stop device button is pressed. Release it, then reset again')
    supervisor.see_stop_device('button', is_released=True)
    assert supervisor.request(Event.RESET) == ''


class SetClock:
    """The monotonic clock, moved by the test."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(time, 'monotonic', lambda: self.now)

    def silence_until_stop(self, robot, period_s, **beats):
        """Tick at intervals, while only the named beats come; return for how long it lasted."""
        began = self.now
        while robot.supervisor.machine.state is State.ACTIVE:
            assert self.now < began + 10.0, 'silence was never noticed'
            self.now += period_s
            robot.supervisor.tick()
            if beats.get('driver'):
                robot.supervisor.see_driver(DriverBeat('d', **robot.driver))
            robot.supervisor.evaluate_gate()
            robot.stream['progress'] += 1
            robot.supervisor.see_stream(StreamBeat('s', **robot.stream))
        return self.now - began


@pytest.mark.parametrize('late_s', [0.0, 0.045, 0.06, 0.15])
def test_silence_of_a_stop_device_is_noticed_by_a_supervisor_that_is_always_late(
        monkeypatch, late_s):
    clock = SetClock(monkeypatch)
    robot = Robot(stop_devices=['button'])
    robot.supervisor.see_stop_device('button', is_released=True)
    robot.arm()
    period_s = 0.02 + late_s
    lasted_s = clock.silence_until_stop(robot, period_s, driver=True)
    assert robot.supervisor.machine.causes[0].code is FaultCode.OP_LOCK_LOST
    assert lasted_s <= 0.2 + late_s + period_s + 1e-6


@pytest.mark.parametrize('late_s', [0.0, 0.06, 0.15])
def test_silence_of_the_driver_is_noticed_by_a_supervisor_that_is_always_late(
        monkeypatch, late_s):
    clock = SetClock(monkeypatch)
    robot = Robot()
    robot.arm()
    period_s = 0.02 + late_s
    lasted_s = clock.silence_until_stop(robot, period_s)
    assert robot.supervisor.machine.causes[0].code is FaultCode.DRIVER_DEAD
    assert lasted_s <= 0.3 + late_s + period_s + 1e-6


def test_message_read_just_before_a_late_tick_is_no_fresher_for_the_stall(monkeypatch):
    clock = SetClock(monkeypatch)
    robot = Robot(stop_devices=['button'])
    robot.supervisor.see_stop_device('button', is_released=True)
    robot.arm()
    clock.now += 0.15
    robot.supervisor.see_stop_device('button', is_released=True)
    assert clock.silence_until_stop(robot, 0.02, driver=True) <= 0.23


@pytest.mark.parametrize('comes_first', ['tick', 'foot', 'gate'])
def test_own_stall_is_nobody_s_silence_whatever_is_read_first(monkeypatch, comes_first):
    clock = SetClock(monkeypatch)
    robot = Robot(stop_devices=['foot', 'button'])
    supervisor = robot.supervisor
    for name in ('foot', 'button'):
        supervisor.see_stop_device(name, is_released=True)
    robot.arm()
    clock.now += 0.5
    first = {'tick': supervisor.tick, 'gate': supervisor.evaluate_gate,
             'foot': lambda: supervisor.see_stop_device('foot', is_released=True)}
    for do in (first.pop(comes_first), *first.values()):
        do()
        assert supervisor.machine.state is State.ACTIVE
        assert supervisor.is_gate_green
    clock.now += 0.01
    supervisor.see_stop_device('button', is_released=True)
    robot.beat()
    clock.now += 0.1
    robot.beat()
    assert supervisor.machine.state is State.ACTIVE


class Suspensions:
    """How long the machine has been suspended, moved by the test."""

    def __init__(self):
        self.total_s = 5000.0

    def __call__(self):
        return self.total_s


@pytest.mark.parametrize('state', sorted(MOTION, key=str))
@pytest.mark.parametrize('wakes', ['tick', 'evaluate_gate'])
def test_machine_that_was_suspended_stops_an_arm_that_moves_or_is_about_to(state, wakes):
    suspended = Suspensions()
    robot = Robot(suspended=suspended)
    robot.beat()
    supervisor = robot.supervisor
    supervisor.machine = SafeStop(state, 7, since=time.monotonic(),
                                  goal=State.DRY_RUN if state is State.STOPPING else None)
    suspended.total_s += 28800.0
    getattr(supervisor, wakes)()
    assert supervisor.permit().mode is Mode.HOLD
    cause = supervisor.machine.causes[0]
    assert cause.code is FaultCode.DRV_STALL
    assert cause.text == 'the machine was suspended for 28800 s'
    assert supervisor.machine.goal is None


def test_standstill_that_is_read_first_after_a_suspension_begins_no_park():
    suspended = Suspensions()
    robot = Robot(suspended=suspended)
    supervisor = robot.supervisor
    supervisor.machine = SafeStop(State.STOPPING, 7, since=time.monotonic(), goal=State.PARKING)
    suspended.total_s += 60.0
    for _ in range(3):
        supervisor.see_driver(DriverBeat('d', **{**robot.driver, 'motion': MotionState.HOLD}))
    assert supervisor.machine.state is State.LATCHED
    assert State.PARKING not in robot.changes


def test_promotion_before_a_suspension_activates_nothing_after_it():
    suspended = Suspensions()
    robot = Robot(suspended=suspended)
    for _ in range(3):
        robot.beat()
    assert robot.supervisor.request(Event.PROMOTE) == ''
    robot.beat(s_session_mode=SessionMode.APPLY_ACTIONS)
    assert robot.supervisor.wanted_lifecycles() == (LIVE, LIVE)
    suspended.total_s += 60.0
    assert robot.beat() is State.STOPPING
    assert robot.supervisor.wanted_lifecycles() is None


@pytest.mark.parametrize('slept_s', [0.0, SUSPENDED_S - 0.001])
def test_noise_of_the_clocks_is_no_suspension(slept_s):
    suspended = Suspensions()
    robot = Robot(suspended=suspended)
    robot.arm()
    for _ in range(5):
        suspended.total_s += slept_s
        assert robot.beat() is State.ACTIVE


def test_suspension_while_nothing_moves_is_no_fault_and_does_not_count_later():
    suspended = Suspensions()
    robot = Robot(suspended=suspended)
    for _ in range(3):
        robot.beat()
    suspended.total_s += 60.0
    assert robot.supervisor.request(Event.PROMOTE) == ''
    robot.supervisor.tick()
    assert robot.supervisor.machine.state is State.ARMING


def test_bound_of_a_suspension_is_that_of_the_driver():
    assert arm_driver.SUSPENDED_S == SUSPENDED_S


def test_overload_that_persists_bars_the_promotion_and_not_the_reset(monkeypatch):
    clock = SetClock(monkeypatch)
    robot = Robot()
    robot.arm()
    reported = 'servo 3 (elbow_flex) reports error bits 0x20: overload'
    robot.beat(cause=Cause(FaultCode.OVERLOAD, reported), unfit={'servos': reported})
    robot.beat(motion=MotionState.HOLD)
    robot.beat(lifecycle=IDLE, s_lifecycle=IDLE, s_session_mode=SessionMode.NONE)
    assert robot.supervisor.machine.state is State.LATCHED
    clock.now += 1.0
    robot.beat()
    assert robot.supervisor.request(Event.RESET) == ''
    for _ in range(3):
        robot.beat(s_lifecycle=LIVE, s_session_mode=SessionMode.DRY_RUN)
    assert robot.supervisor.machine.state is State.DRY_RUN
    assert f'RED servos      {reported}' in robot.supervisor.gate_report()
    assert 'refused in DRY_RUN' in robot.supervisor.request(Event.PROMOTE)


def test_own_stall_makes_the_gate_red_for_nobody(monkeypatch):
    clock = SetClock(monkeypatch)
    robot = Robot()
    for _ in range(3):
        robot.beat()
    clock.now += 2.0
    robot.supervisor.tick()
    robot.supervisor.evaluate_gate()
    assert robot.supervisor.machine.state is State.READY
    # Nothing came with the next messages either.
    clock.now += 0.9
    robot.supervisor._ticked_at = clock.now - 0.02
    robot.supervisor.evaluate_gate()
    assert robot.supervisor.machine.state is State.DRY_RUN


@pytest.mark.parametrize('part', ['shortage', 's_shortage'])
def test_shortage_of_a_process_stops_the_arm(part):
    robot = Robot()
    robot.arm()
    robot.beat(**{part: 'the process has 900 of 1024 descriptors open'})
    cause = robot.supervisor.machine.causes[0]
    assert cause.code is FaultCode.MEM_FULL and '900 of 1024' in cause.text
    # While nothing moves, it bars the promotion.
    robot = Robot()
    for _ in range(3):
        robot.beat(**{part: 'the process has 900 of 1024 descriptors open'})
    assert robot.supervisor.machine.state is State.DRY_RUN
    assert 'RED resources' in robot.supervisor.gate_report()


@pytest.mark.parametrize('names', [['a/b'], [''], ['a', 'a'], ['1st']])
def test_name_of_a_stop_device_that_no_topic_can_have_is_refused(names):
    with pytest.raises(ConfigurationError, match='stop_devices'):
        Robot(stop_devices=names)


def test_second_process_under_one_name_stops():
    robot = Robot()
    robot.arm()
    for instance in ('d2', 'd', 'd2'):
        robot.supervisor.see_driver(DriverBeat(instance, **robot.driver))
    assert robot.supervisor.machine.causes[0].code is FaultCode.DUP_NODE


def test_second_process_is_named_although_nothing_moves():
    robot = Robot()
    for instance in ('d', 'd2', 'd'):
        robot.supervisor.see_driver(DriverBeat(instance, **robot.driver))
    assert robot.supervisor.seen.doubles == ('so101',)
    assert 'two processes run under the name so101' in robot.supervisor.safety_state().why


def test_arm_does_not_move_while_a_stop_could_not_be_latched(tmp_path):
    robot = Robot(LatchFile(tmp_path / 'state' / 'latch.json'))
    for _ in range(3):
        robot.beat()
    assert robot.supervisor.machine.state is State.READY
    # Between two rehearsals something takes the place of the folder.
    (tmp_path / 'state').rename(tmp_path / 'elsewhere')
    (tmp_path / 'state').write_text('in the way')
    refusal = robot.supervisor.request(Event.PROMOTE)
    assert str(tmp_path / 'state' / 'latch.json') in refusal and 'Free space' in refusal
    assert robot.supervisor.permit().mode is not Mode.APPLY_ACTIONS
    assert robot.beat() is State.DRY_RUN
    assert [item.name for item in robot.supervisor.gate if not item.is_green] == ['disk']
    assert 'PARKING' not in {state.name for state in robot.changes}


def test_disk_that_fills_while_the_arm_moves_leaves_the_mark_of_motion(tmp_path):
    robot = Robot(LatchFile(tmp_path / 'state' / 'latch.json'))
    robot.arm()
    (tmp_path / 'state').rename(tmp_path / 'elsewhere')
    (tmp_path / 'state').write_text('in the way')
    robot.beat(cause=Cause(FaultCode.SERVO_FAULT, 'elbow_flex'))
    assert robot.supervisor.permit().mode is Mode.HOLD
    robot.beat(motion=MotionState.HOLD)
    assert robot.beat() is State.LATCHED
    (tmp_path / 'state').unlink()
    (tmp_path / 'elsewhere').rename(tmp_path / 'state')
    [cause] = LatchFile(tmp_path / 'state' / 'latch.json').load()
    assert cause.code is FaultCode.SUPERVISOR_DEAD
