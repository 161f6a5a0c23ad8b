# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the joints follow their goals; time is an argument, no test sleeps."""

from __future__ import annotations

import math

import pytest

from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.joints import gravity_nm, JOINTS, parse_pose, POSES, TICKS_PER_RAD
from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.trapezoid import Profile

MS = 1_000_000
S = 1_000_000_000


class Arm:
    """An arm under torque at its pose, and its clock."""

    def __init__(self, model: Model = Model.IDENTIFIED, pose: str = 'zero') -> None:
        self.bus = ArmBus(Settings(model=model, fast=True, dither=False, pose=parse_pose(pose)))
        self.now = 0
        for servo in self.bus.servos:
            servo.write(42, servo.present_ticks(0).to_bytes(2, 'little'), 0)
            servo.write(40, b'\x01', 0)
        self.wait(2000)

    def wait(self, ms: int) -> None:
        self.now += ms * MS
        self.bus.advance(self.now)

    def position(self, joint: int) -> float:
        return self.bus.servos[joint].motion.angle - JOINTS[joint].offset_ticks

    def goal(self, joint: int, ticks: int) -> None:
        self.bus.servos[joint].write(42, ticks.to_bytes(2, 'little'), self.now)

    def curve(self, joint: int, ms: int) -> list[float]:
        """Return the position after each of the next `ms` milliseconds."""
        positions = []
        for _ in range(ms):
            self.wait(1)
            positions.append(self.position(joint))
        return positions


@pytest.mark.parametrize('model', (Model.IDENTIFIED, Model.PHYSICAL))
def test_nothing_moves_before_the_dead_time_of_85_ms(model: Model) -> None:
    arm = Arm(model)
    start = arm.position(4)
    arm.goal(4, round(start) + 300)
    curve = arm.curve(4, 95)
    assert all(position == start for position in curve[:84])
    assert curve[-1] > start


def test_position_follows_a_streamed_ramp_with_dead_time_and_lag() -> None:
    arm = Arm()
    start, speed = arm.position(4), 1.0 * TICKS_PER_RAD
    behind_s = 0.0
    for k in range(100):
        goal = start + speed * k * 0.01
        arm.goal(4, round(goal))
        arm.wait(10)
        behind_s = (goal + speed * 0.01 - arm.position(4)) / speed
    # Half a cycle on average, because the goal only changes every 10 ms.
    assert behind_s == pytest.approx(0.085 + 0.030 + 0.005, abs=0.006)


def test_lag_is_first_order_with_30_ms() -> None:
    arm = Arm()
    start = arm.position(4)
    arm.goal(4, round(start) + 10)
    curve = [position - start for position in arm.curve(4, 400)]
    # The profile needs 3 ms for ten ticks.
    reached = next(k for k, distance in enumerate(curve) if distance > 10 * (1 - math.exp(-1)))
    assert reached == pytest.approx(85 + 1.5 + 30, abs=2)
    assert curve[-1] == pytest.approx(10, abs=0.1)


def test_speed_has_decayed_90_ms_after_the_last_change_took_effect() -> None:
    arm = Arm()
    start = arm.position(4)
    for k in range(60):
        arm.goal(4, round(start + TICKS_PER_RAD * k * 0.01))
        arm.wait(10)
    stopped_ns = arm.now - 10 * MS
    arm.wait(1000)
    rest_ms = (arm.bus.servos[4].motion.last_fast_ns - stopped_ns) / MS
    assert rest_ms == pytest.approx(85 + 90, abs=8)


def test_half_a_radian_at_acceleration_150_takes_0_3_s() -> None:
    profile = Profile(0.0)
    profile.target, profile.max_speed, profile.acceleration = 326.0, 3400.0, 15_000.0
    steps, peak = 0, 0.0
    while profile.is_running:
        profile.step()
        peak, steps = max(peak, profile.speed), steps + 1
    assert steps == pytest.approx(295, abs=4)
    assert peak == pytest.approx(3.39 * TICKS_PER_RAD, rel=0.02)


@pytest.mark.parametrize('acceleration', (100.0, 2000.0, 25_400.0))
@pytest.mark.parametrize('distance', (-1.0, 1.0, 7.0, 300.0, -2000.0))
@pytest.mark.parametrize('limit', (50.0, 1000.0, 3400.0))
def test_profile_arrives_in_the_vendor_s_time_without_overshoot(
        acceleration: float, distance: float, limit: float) -> None:
    profile = Profile(0.0)
    profile.target, profile.max_speed, profile.acceleration = distance, limit, acceleration
    way = abs(distance)
    expected_s = way / limit + limit / acceleration
    if way < limit * limit / acceleration:
        expected_s = 2 * math.sqrt(way / acceleration)
    steps, furthest = 0, 0.0
    while profile.is_running and steps < 100_000:
        profile.step()
        steps += 1
        furthest = max(furthest, profile.setpoint * math.copysign(1, distance))
    assert steps / 1000 == pytest.approx(expected_s, rel=0.05, abs=0.004)
    assert furthest <= way + 0.5


def test_speed_register_is_a_ceiling() -> None:
    arm = Arm()
    arm.bus.servos[4].write(42, (3000).to_bytes(2, 'little') + bytes.fromhex('00 00 64 00'),
                            arm.now)
    arm.wait(1000)
    assert arm.bus.servos[4].motion.velocity == pytest.approx(100, abs=1)


def test_loaded_joints_droop_a_little_and_unloaded_ones_do_not() -> None:
    arm = Arm()
    droop = [arm.position(k) - arm.bus.servos[k].memory.live[42]
             - 256 * arm.bus.servos[k].memory.live[43] for k in range(6)]
    # 0.54 N m less 0.2 of friction over 7.8 N m/rad: about 2.5 degrees.
    assert droop[1] == pytest.approx(0.044 * TICKS_PER_RAD, rel=0.15)
    assert droop[2] > 5
    assert droop[0] == droop[4] == pytest.approx(0, abs=0.6)
    load = arm.bus.servos[1].motion.duty
    assert -0.23 < load < -0.08


@pytest.mark.parametrize('model', (Model.IDENTIFIED, Model.PHYSICAL))
def test_models_agree_about_the_end_of_a_move(model: Model) -> None:
    arm = Arm(model)
    arm.goal(0, 2400)
    arm.wait(3000)
    # A real arm parks within about 12 ticks of its goal; the physical model has the friction.
    assert arm.position(0) == pytest.approx(2400, abs=17)
    assert arm.bus.servos[0].motion.velocity == 0.0


def test_instant_model_is_there_within_a_step() -> None:
    arm = Arm(Model.INSTANT)
    arm.goal(0, 2400)
    arm.wait(1)
    assert arm.position(0) == 2400


def test_rest_pose_stays_without_torque_and_zero_pose_falls() -> None:
    for pose, falls in (('rest', False), ('zero', True)):
        arm = Arm(pose=pose)
        for servo in arm.bus.servos:
            servo.write(40, b'\x00', arm.now)
        before = [arm.position(k) for k in range(6)]
        arm.wait(1000)
        fallen = arm.position(1) - before[1]
        assert (fallen > 100) == falls
        assert abs(fallen) < 1.0 * TICKS_PER_RAD


def test_arm_falls_when_the_power_is_cut_and_stays_off_afterwards() -> None:
    arm = Arm()
    arm.bus.set_power(False, arm.now)
    before = arm.position(1)
    arm.wait(1000)
    assert arm.position(1) > before + 100
    arm.bus.set_power(True, arm.now)
    arm.wait(2000)
    assert not any(servo.torque_on for servo in arm.bus.servos)


def test_joints_stop_at_their_mechanical_end() -> None:
    arm = Arm()
    lift = arm.bus.servos[1]
    lift.write(9, bytes(4), arm.now)
    arm.goal(1, 4000)
    arm.wait(2000)
    assert arm.position(1) == JOINTS[1].max_ticks
    assert lift.motion.duty > 0.9


def test_push_moves_a_joint_and_it_comes_back() -> None:
    arm = Arm()
    roll = arm.bus.servos[4]
    before = arm.position(4)
    roll.disturbance.external_nm = 1.0
    arm.wait(1000)
    assert arm.position(4) - before > 50
    roll.disturbance.external_nm = 0.0
    arm.wait(1000)
    assert arm.position(4) == pytest.approx(before, abs=1)


def test_low_supply_lets_heavy_joints_sag() -> None:
    arm = Arm(pose='stretched')
    before = arm.position(1)
    arm.bus.plant.supply_v = 4.5
    arm.wait(3000)
    assert arm.position(1) > before + 50


def test_long_idle_time_is_advanced_cheaply_and_lands_on_the_same_pose() -> None:
    arm = Arm()
    before = [arm.position(k) for k in range(6)]
    arm.wait(60_000)
    assert [arm.position(k) for k in range(6)] == pytest.approx(before, abs=0.5)


def test_gravity_matches_the_link_table() -> None:
    assert gravity_nm(0, 0, 0) == pytest.approx((0.54, 0.45, 0.12), abs=0.01)
    assert gravity_nm(*POSES['stretched'][1:4])[0] == pytest.approx(0.86, abs=0.06)
    assert gravity_nm(*POSES['rest'][1:4])[0] == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize('pose', ('upside', '1,2,3', '0,0,0,0,0,nan', ''))
def test_bad_pose_is_refused_by_name(pose: str) -> None:
    with pytest.raises(ValueError, match='rest, zero'):
        parse_pose(pose)
