# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arm against simulated servos: bring-up, measurements, order of arming, torque off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import itertools
import math
from typing import Any

from arm_fixture import (
    CALIBRATION,
    GOAL,
    LIMIT,
    simulated_arm,
    SimulatedArm,
    TORQUE,
    wait_for,
)
import numpy as np
import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError, ServoFault
from reflex_ros.hardware import port
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import LEADER
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, RAD_PER_TICK
from reflex_ros.hardware.goal_gate import GoalBounds
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101
from reflex_ros.hardware.written_goals import GOAL_ACCELERATION, GOAL_SPEED

READY = np.radians([0, -45, 45, 45, 0, 20])
ALL = (1, 2, 3, 4, 5, 6)
TICK = RAD_PER_TICK
BOUNDS = GoalBounds.of(SO101, 0.01, math.radians(10.0))
STRENGTH = (1000, 1000, 1000, 1000, 1000, 500)
"""Torque limits under way; a gripper has half."""


@pytest.fixture
def sim(instant_arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch) -> SimulatedArm:
    # No test here is about time, and a busy machine may delay the simulation.
    monkeypatch.setattr(port, 'READ_SLICE_S', 0.03)
    instant_arm.reset_eeprom()
    instant_arm.reset()
    return instant_arm


@pytest.fixture
def fresh(sim: SimulatedArm) -> Iterator[So101Arm]:
    """Open the port of an arm that was not brought up."""
    opened = sim.open()
    yield opened
    opened.close()


@pytest.fixture
def arm(fresh: So101Arm) -> So101Arm:
    fresh.bring_up()
    return fresh


def set_supply(sim: SimulatedArm, volts: float) -> None:
    sim.control.set(supply_v=volts)
    wait_for(lambda: abs(sim.joint(0)['voltage_v'] - volts) < 0.2, 'the supply to be felt')


def command_from(arm: So101Arm, joint: int, delta: float) -> None:
    """Command the present pose, with one joint moved, in as many steps as that takes."""
    pose = arm.read().position
    pose[joint] += delta
    while np.abs(arm.command(pose) - pose).max() > 1e-9:
        arm.read()


# Bringing up


def test_bring_up_reads_what_the_servos_are(arm: So101Arm) -> None:
    assert [servo.servo_id for servo in arm.servos] == list(ALL)
    assert {(s.model, s.firmware, s.supply.name) for s in arm.servos} == {(777, '3.10', '12 V')}
    assert arm.calibration == tuple(from_range(k, *row) for k, row in enumerate(CALIBRATION))
    assert not arm.has_torque


def test_bring_up_writes_nothing(sim: SimulatedArm, arm: So101Arm) -> None:
    assert sim.writes(sim.control.state()['mark_ns']) == []


def test_bring_up_leaves_torque_as_it_is(sim: SimulatedArm, fresh: So101Arm) -> None:
    fresh.bring_up()
    fresh.arm()
    again = So101Arm(fresh.bus)
    since_ns = sim.control.mark()
    again.bring_up()
    assert again.has_torque and sim.writes(since_ns) == []


def test_bring_up_accepts_the_calibration_that_the_servos_hold(fresh: So101Arm) -> None:
    own = [from_range(k, *row) for k, row in enumerate(CALIBRATION)]
    So101Arm(fresh.bus, own).bring_up()


@pytest.mark.parametrize('other', ((930, 3152, 1205), (931, 3152, 1204), (930, 3153, 1204)))
def test_calibration_of_another_arm_is_refused(fresh: So101Arm,
                                               other: tuple[int, int, int]) -> None:
    rows = [*CALIBRATION[:2], other, *CALIBRATION[3:]]
    reference = [from_range(k, *row) for k, row in enumerate(rows)]
    with pytest.raises(ConfigurationError, match=r'servo 3 \(elbow_flex\) holds the calibration '
                       '930..3152, offset 1204; the file says .*Use the right file'):
        So101Arm(fresh.bus, reference).bring_up()


@pytest.mark.parametrize('servo_id, register, value, text', (
    (2, 'model_number', 2825, r'servo 2 \(shoulder_lift\) is model 2825, expected 777'),
    (3, 'operating_mode', 1, r'servo 3 \(elbow_flex\) has operating mode 1'),
    (4, 'phase', 12 | 0x10, r'servo 4 \(wrist_flex\) has operating mode 0 and phase 28'),
    (4, 'phase', 12 | 0x80, 'phase 140'),
    (4, 'phase', 12 | 0x01, 'phase 13'),
    (6, 'max_position_limit', 1200, r'servo 6 \(gripper\): the calibration 1318..1200'),
))
def test_servo_that_may_not_be_driven_is_named(sim: SimulatedArm, fresh: So101Arm, servo_id: int,
                                               register: str, value: int, text: str) -> None:
    sim.control.set(id=servo_id, register=register, value=value)
    with pytest.raises(ConfigurationError, match=text):
        fresh.bring_up()


def test_uncalibrated_servo_is_refused_with_the_next_step(sim: SimulatedArm,
                                                          fresh: So101Arm) -> None:
    sim.control.set(id=2, register='min_position_limit', value=0)
    sim.control.set(id=2, register='max_position_limit', value=4095)
    with pytest.raises(ConfigurationError, match=r'servo 2 \(shoulder_lift\) was never calibrated'
                       '.*Calibrate the arm'):
        fresh.bring_up()


@pytest.mark.parametrize('ids', ([3], [2, 6]))
def test_missing_servo_is_named(sim: SimulatedArm, fresh: So101Arm, ids: list[int]) -> None:
    sim.control.fault('silent', ids=ids)
    with pytest.raises(BusTimeout) as caught:
        fresh.bring_up()
    assert list(caught.value.servo_ids) == ids
    for servo_id in ids:
        assert f'{servo_id} ({JOINT_NAMES[servo_id - 1]})' in str(caught.value)
    assert 'Check the cable before it' in str(caught.value)


def test_cut_chain_names_everything_behind_the_cut(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.fault('chain_cut', id=4)
    with pytest.raises(BusTimeout) as caught:
        fresh.bring_up()
    assert caught.value.servo_ids == (4, 5, 6)


def test_arm_without_power_is_called_so(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.fault('bus_silent')
    with pytest.raises(BusTimeout, match='no servo answers. Is the servo supply on'):
        fresh.bring_up()


@pytest.mark.parametrize('variant, volts, text', (
    (140, 9.5, 'allowed 10 to 13.5 V for the 12 V variant'),
    (140, 13.9, 'allowed 10 to 13.5 V for the 12 V variant'),
    (80, 4.1, 'allowed 4.3 to 8.4 V for the 7.4 V variant'),
    (80, 12.1, 'allowed 4.3 to 8.4 V for the 7.4 V variant'),
))
def test_wrong_supply_is_refused(sim: SimulatedArm, fresh: So101Arm, variant: int, volts: float,
                                 text: str) -> None:
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='max_input_voltage', value=variant)
    set_supply(sim, volts)
    with pytest.raises(ServoFault, match=f'{text}. Check the servo supply'):
        fresh.bring_up()


def test_weak_servo_among_strong_ones_is_judged_by_its_own_variant(sim: SimulatedArm,
                                                                   fresh: So101Arm) -> None:
    sim.control.set(id=3, register='max_input_voltage', value=80)
    with pytest.raises(ServoFault, match=r'servo 3 \(elbow_flex\) has 12.* for the 7.4 V variant'):
        fresh.bring_up()


def test_adapter_that_echoes_makes_no_difference(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.fault('echo')
    fresh.bring_up()
    pose = fresh.arm(BOUNDS)
    fresh.command(pose)
    assert fresh.read().position == pytest.approx(pose, abs=TICK)


def test_noisy_bus_is_brought_up_by_asking_again(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.fault('bad_checksum', probability=0.03)
    fresh.bring_up()
    wait_for(lambda: fresh.read() and fresh.bus.counters.bad_checksums, 'a bad checksum')
    assert fresh.bus.counters.timeouts == 0


# Measuring and commanding


def test_sample_is_in_si_units(sim: SimulatedArm, arm: So101Arm) -> None:
    sample = arm.read()
    assert sample.position[:5] == pytest.approx(READY[:5], abs=TICK)
    assert sample.voltage == pytest.approx([12.1] * 6, abs=0.25)
    assert sample.temperature == pytest.approx([35.0] * 6, abs=1.5)
    assert sample.errors == (0,) * 6
    assert sample.is_at_rest()


@pytest.mark.parametrize('phase, unit', ((12, 1), (8, 50)))
def test_speed_is_scaled_by_the_phase_bit(sim: SimulatedArm, fresh: So101Arm, phase: int,
                                          unit: int) -> None:
    sim.control.set(id=1, register='phase', value=phase)
    fresh.bring_up()
    # Speed -100 as a raw value in the feedback block, whatever the joint does.
    sim.control.fault('value', ids=[1], offset=18, value=0x8064)
    assert fresh.read().velocity[0] == pytest.approx(-100 * unit * 2 * math.pi / 4096)


def test_error_bits_are_in_the_sample(sim: SimulatedArm, arm: So101Arm) -> None:
    sim.control.fault('error_bits', ids=[5], bits=0x28)
    assert arm.read().errors == (0, 0, 0, 0, 0x28, 0)


def test_command_is_one_frame_with_all_goals(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm(BOUNDS)
    since_ns = sim.control.mark()
    command_from(arm, 0, 0.015)
    goals = sim.writes(since_ns, GOAL)
    assert [write.servo_id for write in goals] == list(ALL)
    assert len({write.at_ns for write in goals}) == 1
    wait_for(lambda: abs(sim.joint(0)['position_rad'] - 0.015) < TICK, 'the joint to move')


@pytest.mark.parametrize('position', (math.nan, math.inf))
def test_command_that_is_no_position_is_never_sent(sim: SimulatedArm, arm: So101Arm,
                                                   position: float) -> None:
    arm.arm(BOUNDS)
    since_ns = sim.control.mark()
    with pytest.raises(ValueError, match='expected 6 finite angles'):
        arm.command(np.array([0.0, position, 0.0, 0.0, 0.0, 0.0]))
    assert sim.writes(since_ns) == []


@pytest.mark.parametrize('position', (1e6, -1e6, 1.0))
def test_command_that_would_leap_moves_one_step(sim: SimulatedArm, arm: So101Arm,
                                                position: float) -> None:
    pose = arm.arm(BOUNDS)
    sim.control.mark()
    written = arm.command(np.array([position, *pose[1:]]))
    assert written[0] == pytest.approx(pose[0] + math.copysign(BOUNDS.step[0], position))
    assert sim.joint(0)['max_goal_step_ticks'] <= math.ceil(BOUNDS.step[0] / TICK)


def test_command_reaches_no_servo_that_this_program_has_not_put_under_torque(
        sim: SimulatedArm, arm: So101Arm) -> None:
    for prepare in (lambda: None, arm.arm, lambda: (arm.arm(BOUNDS), arm.torque_off())):
        prepare()
        since_ns = sim.control.mark()
        with pytest.raises(ServoFault, match='Activate the driver first'):
            arm.command(arm.read().position)
        assert sim.writes(since_ns) == []


# Arming


def test_arming_order_can_not_move_the_arm(sim: SimulatedArm, arm: So101Arm) -> None:
    since_ns = sim.control.mark()
    before = [sim.joint(k)['position_ticks'] for k in range(6)]
    pose = arm.arm()
    writes = sim.writes(since_ns)
    for servo_id in ALL:
        of = [(w.address, w.value) for w in writes if w.servo_id == servo_id
              and w.address in (LIMIT, GOAL, TORQUE)]
        assert of == [(LIMIT, 0), (GOAL, before[servo_id - 1]), (TORQUE, 1),
                      (LIMIT, STRENGTH[servo_id - 1])]
    # No joint is under torque before all goals are written, and none has its full torque limit
    # before all are under torque.
    at = {what: [w.at_ns for w in writes if (w.address, w.value) in pairs] for what, pairs in (
        ('weak', {(LIMIT, 0)}), ('on', {(TORQUE, 1)}), ('strong', {(LIMIT, 1000), (LIMIT, 500)}))}
    goals = [w.at_ns for w in writes if w.address == GOAL]
    assert max(at['weak']) < min(goals) and max(goals) < min(at['on'])
    assert max(at['on']) < min(at['strong'])
    assert pose == pytest.approx(arm.read().position, abs=1e-9)
    assert arm.has_torque and sim.torque() == [True] * 6
    assert sim.travel() < TICK


def test_arming_sets_the_speed_cap_of_the_servo(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    for servo_id in ALL:
        assert arm.bus.read(servo_id, reg.GOAL_SPEED) == GOAL_SPEED
        assert arm.bus.read(servo_id, reg.ACCELERATION) == GOAL_ACCELERATION
    arm.read()
    assert arm.deviation() is None


def test_speed_cap_is_written_in_the_unit_of_the_servo(sim: SimulatedArm,
                                                       fresh: So101Arm) -> None:
    sim.control.set(id=2, register='phase', value=8)
    fresh.bring_up()
    fresh.arm()
    # In steps of 50 ticks/s: 1650 at the most, not 81500.
    assert fresh.bus.read(2, reg.GOAL_SPEED) in (32, 33)
    fresh.read()
    assert fresh.deviation() is None


def test_joint_under_torque_keeps_its_goal(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm(BOUNDS)
    sim.control.fault('jam')
    command_from(arm, 1, -0.1)
    goals = [sim.joint(k)['goal_ticks'] for k in range(6)]
    since_ns = sim.control.mark()
    pose = So101Arm.arm(arm)
    assert [w.value for w in sim.writes(since_ns, GOAL)] == goals
    assert sim.writes(since_ns, TORQUE) == sim.writes(since_ns, LIMIT) == []
    assert pose[1] == pytest.approx(READY[1] - 0.1, abs=TICK)


def test_joint_that_pushes_towards_a_goal_far_away_is_let_off(
        moving_arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, 'READ_SLICE_S', 0.03)
    moving_arm.reset()
    arm = moving_arm.open()
    arm.bring_up()
    arm.arm()
    moving_arm.control.fault('jam')
    # Another program has sent it against an obstacle: the goal comes back to where the joint is.
    moving_arm.allow_foreign_leap()
    arm.bus.sync_write(reg.GOAL_POSITION, {2: moving_arm.joint(1)['position_ticks'] - 300})
    wait_for(lambda: abs(moving_arm.joint(1)['load']) > 0.2, 'the joint to push')
    moving_arm.control.mark()
    arm.arm()
    arm.close()
    assert abs(moving_arm.joint(1)['goal_ticks'] - moving_arm.joint(1)['position_ticks']) <= 1
    assert moving_arm.travel() < 0.01


@pytest.mark.parametrize('spoil', (
    lambda sim: sim.control.fault('encoder_jump', ids=[2], ticks=400),
    lambda sim: sim.control.set(id=2, register='goal_position', value=2500),
), ids=('position', 'goal'))
def test_joint_under_torque_is_not_sent_where_it_is_wrongly_measured(
        sim: SimulatedArm, arm: So101Arm, spoil: Callable[[SimulatedArm], object]) -> None:
    arm.arm()
    since_ns = sim.control.mark()
    spoil(sim)
    with pytest.raises(ServoFault, match=r'servo 2 \(shoulder_lift\) is under torque, reads .* '
                                         'but does not push'):
        arm.arm()
    sim.control.clear()
    assert sim.writes(since_ns, GOAL) == [] and sim.torque() == [True] * 6


@pytest.mark.parametrize('which', (1, 2))
def test_limp_joint_is_not_held_where_it_was_wrongly_measured_once(
        sim: SimulatedArm, arm: So101Arm, which: int) -> None:
    # With its strength, the joint would leap to the goal that this measurement gave it.
    read, count = arm.read, itertools.count(1)

    def wrong_once(**options: Any) -> JointSample:
        sample = read(**options)
        if next(count) == which:
            sample = replace(sample, position=sample.position + 0.3 * np.eye(6)[1])
        return sample

    arm.read = wrong_once  # type: ignore[method-assign]
    since_ns = sim.control.mark()
    with pytest.raises(ServoFault, match=r'shoulder_lift\) has moved by 17 deg between two'):
        arm.arm()
    assert sim.writes(since_ns, GOAL) == [] and sim.torque() == [False] * 6
    arm.arm()
    assert sim.travel() < TICK and sim.torque() == [True] * 6


def test_joint_under_torque_outside_its_range_is_not_led_in_at_full_speed(
        sim: SimulatedArm) -> None:
    fresh = sim.open(accepts_range=True)
    # The servo would clamp the goal to its range.
    low = sim.joint(1)['position_ticks'] + 60
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='torque_enable', value=1)
    sim.control.set(id=2, register='min_position_limit', value=low)
    fresh.bring_up()
    since_ns = sim.control.mark()
    with pytest.raises(ServoFault, match=r'servo 2 \(shoulder_lift\) is outside its calibrated'):
        fresh.arm()
    fresh.close()
    assert sim.writes(since_ns, GOAL) == []


def test_only_the_limp_joint_is_armed_anew(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    sim.control.fault('torque_dropped', ids=[4])
    since_ns = sim.control.mark()
    arm.arm()
    assert {w.servo_id for w in sim.writes(since_ns) if w.address in (TORQUE, LIMIT)} == {4}
    assert sim.torque() == [True] * 6


def test_torque_limit_is_that_of_eeprom_and_profile(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.set(id=2, register='max_torque', value=700)
    fresh.bring_up()
    fresh.arm()
    assert [fresh.bus.read(k, reg.TORQUE_LIMIT) for k in ALL] == [1000, 700, 1000, 1000, 1000, 500]


def test_joint_under_torque_gets_its_torque_limit_too(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    sim.control.set(id=6, register='torque_limit', value=1000)
    since_ns = sim.control.mark()
    arm.arm()
    assert [(w.servo_id, w.value) for w in sim.writes(since_ns, LIMIT)] == [(6, 500)]
    assert sim.writes(since_ns, TORQUE) == []


def test_joint_that_rests_a_little_beyond_its_limit_can_be_armed(sim: SimulatedArm,
                                                                 arm: So101Arm) -> None:
    # Backlash: the closed jaw reads 5 ticks less than when it was calibrated.
    sim.control.fault('encoder_jump', ids=[6], ticks=-5)
    sim.control.set(pose=[*READY[:5], math.radians(-10)])
    arm.arm()
    assert sim.joint(5)['goal_ticks'] == CALIBRATION[5][0]
    assert sim.torque() == [True] * 6


def test_joint_far_beyond_its_limit_is_not_armed(sim: SimulatedArm, arm: So101Arm) -> None:
    sim.control.fault('encoder_jump', ids=[6], ticks=-200)
    sim.control.set(pose=[*READY[:5], math.radians(-10)])
    since_ns = sim.control.mark()
    with pytest.raises(ServoFault, match=r'servo 6 \(gripper\) is outside .* by hand'):
        arm.arm()
    assert sim.torque() == [False] * 6
    assert sim.writes(since_ns, GOAL) == []


@pytest.mark.parametrize('spoil, error, text', (
    (lambda sim: sim.control.fault('error_bits', ids=[2], bits=0x20), ServoFault,
     r'servo 2 \(shoulder_lift\) reports error bits 0x20: overload: .* Take the load off'),
    (lambda sim: set_supply(sim, 9.0), ServoFault, 'allowed 10 to 13.5 V'),
    (lambda sim: sim.control.fault('silent', ids=[3]), BusTimeout, 'servo 3'),
))
def test_arm_that_is_not_healthy_is_not_armed(
        sim: SimulatedArm, arm: So101Arm, spoil: Callable[[SimulatedArm], object],
        error: type[Exception], text: str) -> None:
    spoil(sim)
    since_ns = sim.control.mark()
    with pytest.raises(error, match=text):
        arm.arm()
    assert sim.writes(since_ns) == []
    assert not arm.has_torque


def test_goal_that_did_not_arrive_leaves_the_arm_limp(sim: SimulatedArm, arm: So101Arm) -> None:
    sim.control.fault('goal_ignored', ids=[2])
    with pytest.raises(ServoFault, match=r'servo 2 \(shoulder_lift\) holds 0 in goal_position'):
        arm.arm()
    sim.control.clear()
    assert sim.torque() == [False] * 6 and not arm.has_torque
    assert tuple(arm.bus.read(k, reg.TORQUE_LIMIT) for k in ALL) == STRENGTH
    assert sim.travel() < TICK


class Interruption:
    """Disconnects one servo at a chosen write of the bus, for a chosen time."""

    def __init__(self, sim: SimulatedArm, arm: So101Arm, address: int, value: int,
                 servo_id: int) -> None:
        self._write = arm.bus.write
        self._wanted = (servo_id, address, value)
        self._sim = sim
        arm.bus.write = self.write  # type: ignore[method-assign]

    def write(self, servo_id: int, register: reg.Register, value: int) -> Any:
        if (servo_id, register.address, value) == self._wanted:
            self._sim.control.fault('silent', ids=[servo_id])
        return self._write(servo_id, register, value)


@pytest.mark.parametrize('address, value', ((LIMIT, 0), (41, GOAL_ACCELERATION), (TORQUE, 1),
                                            (LIMIT, 1000)))
def test_servo_lost_while_arming_leaves_no_joint_half_armed(
        sim: SimulatedArm, arm: So101Arm, address: int, value: int) -> None:
    Interruption(sim, arm, address, value, servo_id=3)
    with pytest.raises(BusTimeout) as caught:
        arm.arm()
    assert caught.value.servo_ids == (3,)
    assert not arm.has_torque
    sim.control.clear()
    joints = sim.control.state()['joints'].values()
    # The others are as before; the disconnected joint has no torque limit.
    assert [joint['torque'] for joint in joints][:2] == [False] * 2
    assert [joint['torque'] for joint in joints][3:] == [False] * 3
    assert all(joint['torque_limit'] * 1000 in (1000, STRENGTH[joint['id'] - 1])
               for joint in joints if joint['id'] != 3)
    lost = sim.joint(2)
    assert not (lost['torque'] and lost['torque_limit'] > 0.0)
    assert sim.travel() < TICK
    del arm.bus.write  # type: ignore[method-assign]
    arm.arm()
    assert [(j['torque'], j['torque_limit'] * 1000)
            for j in sim.control.state()['joints'].values()] == [(True, own) for own in STRENGTH]


def test_joint_with_torque_and_no_strength_is_armed_anew(sim: SimulatedArm,
                                                         arm: So101Arm) -> None:
    # This is the state after a driver was killed while arming.
    arm.arm()
    sim.control.set(id=3, register='torque_limit', value=0)
    arm.arm()
    assert sim.joint(2)['torque_limit'] == 1.0 and sim.torque() == [True] * 6


@pytest.mark.parametrize('latches', (False, True))
def test_stale_goal_moves_nothing_whatever_the_firmware_does(latches: bool) -> None:
    options = ['--fast', '--model', 'instant'] + ['--latch-goal-on-torque'] * latches
    with simulated_arm(*options) as running:
        running.reset()
        for servo_id in ALL:
            running.control.set(id=servo_id, register='goal_position', value=1500)
        running.control.mark()
        opened = running.open()
        opened.bring_up()
        opened.arm()
        opened.close()
        assert running.travel() < TICK and running.torque() == [True] * 6


# Deviations and torque off


@pytest.mark.parametrize('register, value, code, text', (
    ('torque_enable', 0, FaultCode.SERVO_REBOOT, 'its torque is 0, expected 1'),
    ('acceleration', 0, FaultCode.SERVO_REBOOT, 'acceleration and speed cap are 0, 1630'),
    ('goal_speed', 0, FaultCode.SERVO_REBOOT, 'acceleration and speed cap are 254, 0'),
    ('torque_limit', 700, FaultCode.FOREIGN_WRITE, 'its torque limit is 700, 1000 was written'),
    ('goal_position', 1000, FaultCode.FOREIGN_WRITE, 'its goal is 1000, 2048 was written'),
))
def test_order_that_changed_by_itself_is_noticed(sim: SimulatedArm, arm: So101Arm, register: str,
                                                 value: int, code: str, text: str) -> None:
    pose = arm.arm(BOUNDS)
    pose[4] = arm.calibration[4].to_rad(2048)
    arm.command(pose)
    sim.control.set(id=5, register=register, value=value)
    arm.read()
    found = arm.deviation()
    assert found is not None
    assert (found.index, found.code) == (4, code) and text in found.text
    assert arm.confirm(found) == found
    sim.control.set(id=5, register=register, value={
        'torque_enable': 1, 'acceleration': GOAL_ACCELERATION, 'goal_speed': GOAL_SPEED,
        'torque_limit': 1000, 'goal_position': 2048}[register])
    assert arm.confirm(found) is None


def test_goal_of_a_moment_ago_is_a_lost_command_and_no_foreign_one(sim: SimulatedArm,
                                                                   arm: So101Arm) -> None:
    pose = arm.arm(BOUNDS)
    for step in range(10):
        arm.read()
        arm.command(pose + 0.01 * step)
    held = [own.to_ticks(position) for own, position in
            zip(arm.calibration, pose + 0.01 * 4, strict=True)]
    for servo_id, goal in zip(ALL, held, strict=True):
        sim.control.set(id=servo_id, register='goal_position', value=goal)
    arm.read()
    assert arm.deviation() is None
    sim.control.set(id=1, register='goal_position', value=arm.calibration[0].to_ticks(pose[0]))
    arm.read()
    assert arm.deviation() is not None


# Protection registers


# Servo, register, a value that protects too little, the value that is written instead.
LAX = (
    (2, reg.MAX_TEMPERATURE, 85, 70),
    (3, reg.UNLOADING_CONDITION, 0b000101, 0b101101),
    (6, reg.PROTECTION_CURRENT, 400, 250),
    (1, reg.PROTECTION_CURRENT, 511, 500),
    (4, reg.OVERLOAD_TORQUE, 95, 80),
    (5, reg.RETURN_DELAY, 250, 0),
    (5, reg.RESPONSE_LEVEL, 0, 1),
)


def test_lax_protection_is_tightened_in_memory_and_read_back(
        sim: SimulatedArm, fresh: So101Arm) -> None:
    for servo_id, register, lax, _ in LAX:
        sim.control.set(id=servo_id, register=register.name, value=lax)
        sim.control.set(id=servo_id, register='lock', value=0)
    fresh.bring_up()
    for servo_id, register, _, held in LAX:
        assert fresh.bus.read(servo_id, register) == held, register.name
        assert fresh.bus.read(servo_id, reg.LOCK) == 1, servo_id
    sim.control.fault('reboot', ids=[1, 2, 3, 4, 5, 6])
    wait_for(lambda: all(answers(fresh, servo_id) for servo_id in range(1, 7)),
             'the servos to be back')
    # Nothing was written permanently: the EEPROM wears out, and its settings belong to the user.
    for servo_id, register, lax, held in LAX:
        assert fresh.bus.read(servo_id, register) == lax, register.name
        sim.control.set(id=servo_id, register=register.name, value=held)


class Deaf(SerialPort):
    """A port that loses the first writes of the lock."""

    lost = 0

    def write(self, data: bytes) -> None:
        if data[4:6] == bytes((0x83, reg.LOCK.address)) and self.lost:
            self.lost -= 1
        else:
            super().write(data)


@pytest.mark.parametrize('lost', (1, 99))
def test_nothing_is_tightened_before_the_lock_is_seen(sim: SimulatedArm, lost: int) -> None:
    sim.control.set(id=6, register='protection_current', value=400)
    sim.control.set(id=6, register='lock', value=0)
    since_ns = sim.control.mark()
    line = Deaf(str(sim.link))
    line.lost = lost
    opened = So101Arm(Bus(line))
    try:
        if lost > 1:
            with pytest.raises(ServoFault, match='stays unlocked'):
                opened.bring_up()
            assert sim.writes(since_ns) == []
        else:
            opened.bring_up()
            assert [write.address for write in sim.writes(since_ns)] == [
                reg.LOCK.address, reg.PROTECTION_CURRENT.address]
    finally:
        opened.close()


def answers(arm: So101Arm, servo_id: int) -> bool:
    try:
        return arm.bus.ping(servo_id).servo_id == servo_id
    except BusTimeout:
        return False


def test_protection_that_is_stricter_is_left_alone(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.set(id=2, register='max_temperature', value=60)
    sim.control.set(id=2, register='unloading_condition', value=0b101111)
    since_ns = sim.control.mark()
    fresh.bring_up()
    assert sim.writes(since_ns) == []


@pytest.mark.parametrize('change', (
    {'register': 'homing_offset', 'value': 500},
    {'register': 'max_position_limit', 'value': 3000},
    {'register': 'p_coefficient', 'value': 90},
))
def test_arm_that_changed_since_bring_up_is_not_armed(sim: SimulatedArm, arm: So101Arm,
                                                      change: dict[str, Any]) -> None:
    sim.control.set(id=3, **change)
    since_ns = sim.control.mark()
    with pytest.raises(ServoFault, match=rf'servo 3 \(elbow_flex\): its {change["register"]} is '
                       rf'{change["value"]}, it was .*Configure this driver again'):
        arm.arm()
    assert sim.writes(since_ns) == []


def test_servo_that_is_too_warm_is_not_put_under_torque(sim: SimulatedArm, arm: So101Arm) -> None:
    sim.control.set(temperature_c=58.0, ids=[2])
    with pytest.raises(ServoFault, match=r'servo 2 \(shoulder_lift\) is at 5\d degC. Let it cool'):
        arm.arm()
    assert sim.torque() == [False] * 6


def test_weak_supply_moves_nothing_but_is_measured(sim: SimulatedArm, fresh: So101Arm) -> None:
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='max_input_voltage', value=80)
    set_supply(sim, 4.4)
    fresh.bring_up()
    with pytest.raises(ServoFault, match=r'servo [1-6] \(\w+\) has only 4.\d V'):
        # The registers flicker by one count: any of them may be the lowest.
        fresh.arm()
    assert sim.torque() == [False] * 6


@pytest.mark.parametrize('register, value', (('angular_resolution', 2), ('endianness', 1)))
def test_servo_that_counts_otherwise_is_refused(sim: SimulatedArm, fresh: So101Arm, register: str,
                                                value: int) -> None:
    sim.control.set(id=2, register=register, value=value)
    with pytest.raises(ConfigurationError, match=r'servo 2 \(shoulder_lift\) has endianness'):
        fresh.bring_up()


def test_two_servos_with_one_id_are_suspected() -> None:
    with simulated_arm('--fast', '--model', 'instant') as running:
        running.control.set(id=2, register='id', value=1)
        opened = running.open()
        with pytest.raises(BusTimeout, match='servo 2 .*does not answer.*'
                                             'check whether two servos have id 1'):
            opened.bring_up()
        opened.close()


def test_answer_that_comes_twice_is_a_second_servo(sim: SimulatedArm, fresh: So101Arm) -> None:
    sim.control.fault('duplicate', ids=[4])
    with pytest.raises(ConfigurationError, match=r'more than one servo answers to id 4 '
                       r'\(wrist_flex\)'):
        fresh.bring_up()


def test_different_firmware_is_said_and_borne(sim: SimulatedArm, fresh: So101Arm,
                                              caplog: pytest.LogCaptureFixture) -> None:
    sim.control.set(id=4, register='firmware_minor', value=9)
    fresh.bring_up()
    assert 'different firmware' in caplog.text and '4: 3.9' in caplog.text


def test_bring_up_knows_how_fast_the_bus_is(sim: SimulatedArm, arm: So101Arm) -> None:
    assert 0.0 < arm.cycle_s < 0.1
    assert arm.max_rate_hz < 1.0 / arm.cycle_s


def test_leader_is_measured_and_never_armed(sim: SimulatedArm, fresh: So101Arm) -> None:
    leader = So101Arm(fresh.bus, build=LEADER)
    leader.bring_up()
    assert leader.read().position == pytest.approx(fresh_position(fresh), abs=TICK)
    since_ns = sim.control.mark()
    with pytest.raises(ConfigurationError, match='a leader arm is moved by hand'):
        leader.arm()
    assert sim.writes(since_ns) == []


def fresh_position(arm: So101Arm) -> Any:
    arm.bring_up()
    return arm.read().position


def test_effort_follows_the_gear(sim: SimulatedArm, fresh: So101Arm) -> None:
    # A load of 500 counts, whatever the joint does.
    sim.control.fault('value', offset=20, value=500)
    fresh.bring_up()
    assert fresh.read().effort == pytest.approx([0.5 * 2.94] * 6)
    leader = So101Arm(fresh.bus, build=LEADER)
    leader.bring_up()
    gears = np.array([191, 345, 191, 147, 147, 147])
    assert leader.read().effort == pytest.approx(0.5 * 2.94 * gears / 345)


def test_torque_off_lets_every_joint_go(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    arm.torque_off()
    assert sim.torque() == [False] * 6 and not arm.has_torque


def test_torque_off_does_not_mind_error_bits(sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    sim.control.fault('error_bits', bits=0x3F)
    arm.torque_off()
    assert sim.torque() == [False] * 6


def test_torque_off_lets_a_servo_go_that_acknowledges_nothing(sim: SimulatedArm,
                                                              arm: So101Arm) -> None:
    arm.arm()
    sim.control.set(id=3, register='response_level', value=0)
    arm.torque_off()
    assert sim.torque() == [False] * 6 and not arm.has_torque


def test_torque_off_lets_the_others_go_when_one_is_silent(sim: SimulatedArm,
                                                          arm: So101Arm) -> None:
    arm.arm()
    sim.control.fault('silent', ids=[2])
    with pytest.raises(ServoFault, match='servo 2 keeps its torque'):
        arm.torque_off()
    assert sim.torque() == [False, True, False, False, False, False]
    assert arm.has_torque


def test_torque_off_goes_on_when_a_servo_falls_silent_after_its_write(
        sim: SimulatedArm, arm: So101Arm) -> None:
    arm.arm()
    read = arm.bus.read

    def lost_at_first(servo_id: int, register: reg.Register) -> int:
        arm.bus.read = read  # type: ignore[method-assign]
        raise BusTimeout('lost', [servo_id])

    arm.bus.read = lost_at_first  # type: ignore[method-assign]
    arm.torque_off()
    assert sim.torque() == [False] * 6 and not arm.has_torque


def test_arm_may_be_closed_twice(fresh: So101Arm) -> None:
    fresh.close()
    fresh.close()
    with pytest.raises(ReflexError):
        fresh.read()
