# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``so101``: the SO-101 arm as a managed node.

Inactive it measures and cannot move the arm; active it may, under a permit. All motion happens in
the bus thread (``hardware.arm_driver``); this file only connects it to topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
import gc
import os
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, StreamBeat
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import BUILDS
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm, gripper_travel
from reflex_ros.hardware.discovery import find_arm
from reflex_ros.hardware.lerobot_file import find, load, Role
from reflex_ros.hardware.port import latency_warning, SerialPort
from reflex_ros.hardware.port_identity import stable_name
from reflex_ros.hardware.servo_health import FAULT_BITS, OVERHEAT_C, WARM_C
from reflex_ros.hardware.so101 import JOINT_NAMES
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.parameters import Spec
from reflex_ros.nodes.process import run

TABLE = (
    Spec('port', '', 'serial port of the arm, e.g. /dev/serial/by-id/...; empty looks for the arm '
         'as `reflex so101 find` does, at REFLEX_SO101_PORT first'),
    Spec('baud', 1_000_000, "speed of the servo bus; found out when 'port' is empty", 'bit/s',
         38_400, 1_000_000),
    Spec('rate_hz', 100.0, 'rate of the bus cycle', 'Hz', 20.0, 200.0),
    Spec('profile', 'follower', 'build of the arm; a leader is measured, and never moved',
         choices=tuple(BUILDS)),
    Spec('calibration_file', '', 'LeRobot calibration that the servos must agree with, as a path '
         "(.json) or as LeRobot's id of the arm; empty takes what they hold"),
    *(Spec(f'trim.{name}', 0.0, f'added to every angle of {name}: how far its zero is off the '
           "model's", 'rad', -0.35, 0.35) for name in JOINT_NAMES),
    Spec('limits.velocity', 2.0, 'largest speed of a commanded joint', 'rad/s', 0.05, 2.0),
    Spec('limits.jump', 0.1745, 'largest distance from where the arm is to the first row of a '
         'chunk; not for the gripper, which may hold something', 'rad', 0.01, 0.35),
    Spec('limits.lead', 0.1745, 'largest distance between goal and measured position', 'rad',
         0.02, 0.1745),
    Spec('limits.chunk_age_s', 1.0, 'oldest observation that a chunk may answer', 's', 0.1, 2.0),
    Spec('limits.clamp', False, 'bring rows outside the joint limits to the limit instead of '
         'refusing the chunk'),
    Spec('stop.acceleration', 10.0, 'of the ramp to rest', 'rad/s^2', 2.0, 10.0),
    Spec('stop.soft_s', 0.06, 'silence of supervisor or stream after which the arm slows down',
         's', 0.04, 0.2),
    Spec('stop.hard_s', 0.2, 'silence after which it stops for good', 's', 0.1, 0.5),
    Spec('stop.starved_s', 2.0, 'how long there may be nothing to play', 's', 0.2, 10.0),
)
BEAT_HZ = 20.0
BAD_SHARE_WARN = 0.01


class So101DriverNode(ReflexNode):
    """The connector of an SO-101."""

    def __init__(self) -> None:
        super().__init__('so101', TABLE, BEAT_HZ)
        self._driver: ArmDriver | None = None
        self._arm: So101Arm | None = None
        self._guard = MotionGuard(GuardBounds())
        self._latest: JointSample | None = None
        self._refused: Counter[FaultCode] = Counter()
        self._foreign_at: float | None = None
        self._port_names: dict[str, str] = {}
        self._joint_states = self.create_publisher(JointState, 'joint_states', qos.JOINT_STATES)
        self.create_subscription(DiagnosticStatus, 'safety/permit', self._on_permit, qos.LEASE)
        self.create_subscription(DiagnosticStatus, 'beat/action_stream', self._on_beat, qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self.create_subscription(JointTrajectory, 'so101/command', self._on_command, qos.CHUNK)

    def _setup(self, settings: Mapping[str, Any]) -> None:
        soft, hard = settings['stop.soft_s'], settings['stop.hard_s']
        if soft >= hard:
            raise ConfigurationError(f"parameter 'stop.soft_s' is {soft:g}, it must be below "
                                     f"'stop.hard_s' ({hard:g}). Fix one of them")
        name, baud = ((settings['port'], settings['baud']) if settings['port']
                      else find_arm(os.environ))
        if warning := latency_warning(name):
            self.get_logger().warning(warning)
        role = Role(settings['profile'])
        reference = (load(find(settings['calibration_file'], os.environ, role))
                     if settings['calibration_file'] else None)
        trim = {joint: settings[f'trim.{joint}'] for joint in JOINT_NAMES}
        # After a replug the name that was asked for may be another arm's.
        port = SerialPort(self._port_names.get(name, name), baud)
        self._port_names.setdefault(name, stable_name(name))
        self._arm = So101Arm(Bus(port), reference, build=BUILDS[settings['profile']],
                             trim=trim)
        self._arm.bring_up()
        if settings['rate_hz'] > self._arm.max_rate_hz:
            raise ConfigurationError(
                f"parameter 'rate_hz' is {settings['rate_hz']:g}, this bus carries at most "
                f'{self._arm.max_rate_hz:.0f} Hz: one measurement takes '
                f'{self._arm.cycle_s * 1e3:.1f} ms. Set it lower')
        bounds = ChunkBounds(
            calibrated_arm(self._arm.calibration, settings['limits.velocity']),
            max_age_s=settings['limits.chunk_age_s'], max_jump_rad=settings['limits.jump'],
            clamp=settings['limits.clamp'])
        motion = Motion(period_s=1.0 / settings['rate_hz'], max_lead_rad=settings['limits.lead'],
                        stop_acceleration=settings['stop.acceleration'])
        self._guard = MotionGuard(GuardBounds(
            permit_soft_s=soft, permit_hard_s=hard, beat_soft_s=soft, beat_hard_s=hard,
            starved_s=settings['stop.starved_s']))
        self._driver = ArmDriver(self._arm, self._guard, bounds, motion)
        # What exists now stays: the collector need not look at it again while the arm moves.
        gc.collect()
        gc.freeze()
        self._driver.start(self._on_sample)

    def _start(self) -> None:
        assert self._driver is not None
        if self._guard.mode is Mode.PARK:
            self._driver.park()
        else:
            self._driver.activate()

    def _stop(self) -> None:
        assert self._driver is not None
        if not self._driver.hold():
            self.get_logger().error('no standstill was seen before the driver became inactive')

    def _teardown(self) -> None:
        if self._driver is not None:
            self._driver.close()
        elif self._arm is not None:
            self._arm.close()
        self._driver = self._arm = self._latest = None

    def _on_sample(self, sample: JointSample) -> None:
        # In the bus thread: rcl publishers may be used from any thread.
        self._latest = sample
        age_ns = int((time.monotonic() - sample.taken_at) * 1e9)
        stamp = convert.to_time(self.get_clock().now().nanoseconds - age_ns)
        self._joint_states.publish(convert.to_joint_state(sample, JOINT_NAMES, stamp))

    def _on_permit(self, message: DiagnosticStatus) -> None:
        permit = status_codec.decode_complete(Permit, message)
        if permit is not None:
            self._guard.renew_permit(permit, time.monotonic())

    def _on_beat(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(StreamBeat, message)
        # A message that names no progress proves no work, whoever sent it.
        if beat.progress >= 0:
            self._guard.renew_beat(beat.progress, beat.fault, time.monotonic())

    def _on_stop(self, message: String) -> None:
        self._guard.fail(convert.from_stop(message).cause)

    def _on_command(self, message: JointTrajectory) -> None:
        try:
            chunk = convert.from_command(message, time.monotonic())
        except ChunkRejected as exc:
            self._foreign_at = time.monotonic()
            # Somebody else's command, or one that we cannot date: it must not disturb ours.
            self._refused[exc.code] += 1
            self.get_logger().warning(f'command refused: {exc}', throttle_duration_sec=5.0)
            return
        if self._driver is not None and self.lifecycle is Lifecycle.ACTIVE:
            self._driver.command(chunk)

    def beat(self) -> DriverBeat:
        """Tell what the bus thread does."""
        if self._driver is None or self._arm is None:
            return DriverBeat(*self.identity())
        report = self._driver.report()
        travel = gripper_travel(self._arm.calibration)
        return DriverBeat(
            *self.identity(),
            gripper_closed_rad=travel.closed, gripper_open_rad=travel.opened,
            motion=report.state, torque=report.has_torque, epoch=report.epoch,
            at_rest=report.at_rest, parked=report.is_parked, cause=report.cause,
            port_lost=report.link_lost, cycles=report.cycles,
            missed_cycles=report.missed_cycles, late_cycles=report.late_cycles,
            refused_samples=report.refused_samples, degraded=report.is_degraded,
            rate_hz=report.rate_hz, cycle_ms_p50=report.cycle_ms_p50,
            cycle_ms_p99=report.cycle_ms_p99, late_ms_p99=report.late_ms_p99,
            late_ms_max=report.late_ms_max, max_step_rad=report.max_step_rad,
            playback_rate=report.playback_rate, starved=report.is_starved,
            lead_slowdowns=report.lead_slowdowns, accepted=report.accepted,
            foreign_s=-1.0 if self._foreign_at is None else time.monotonic() - self._foreign_at,
            rejected=self._refused + Counter(report.rejected), setpoint=report.setpoint)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report bus, servos and power."""
        if self._driver is None or self._latest is None or self._arm is None:
            level = DiagnosticStatus.ERROR if self.problem else DiagnosticStatus.OK
            return [status_codec.entry('so101: driver', {}, level=level,
                                      message=self.problem or self.lifecycle.value)]
        report, sample = self._driver.report(), self._latest
        counters = self._arm.bus.counters
        level, message = _bus_health(report)
        port = self._arm.bus.port.name
        bus = status_codec.entry(
            'so101: driver/bus', {
                'port': port, 'rate_hz': report.rate_hz, 'cycle_ms_p99': report.cycle_ms_p99,
                'late_ms_max': report.late_ms_max, 'cycles': report.cycles,
                'missed_cycles': report.missed_cycles, 'late_cycles': report.late_cycles,
                'refused_samples': report.refused_samples, 'bad_share': report.bad_share,
                'max_rate_hz': self._arm.max_rate_hz, 'exchanges': counters.exchanges,
                'retries': counters.retries, 'timeouts': counters.timeouts,
                'damaged': counters.damaged, 'bad_checksums': counters.bad_checksums,
                'discarded_bytes': counters.discarded_bytes},
            level=level, message=message, hardware_id=port)
        servos = [_servo_status(index, sample, self._arm, port)
                  for index in range(len(JOINT_NAMES))]
        return [bus, *servos]


def _servo_status(index: int, sample: JointSample, arm: So101Arm, port: str) -> DiagnosticStatus:
    servo = arm.servos[index]
    volts, heat = float(sample.voltage[index]), float(sample.temperature[index])
    low, high = servo.supply.usual
    level, message = DiagnosticStatus.OK, 'ok'
    if sample.errors[index] & FAULT_BITS:
        level, message = DiagnosticStatus.ERROR, f'error bits 0x{sample.errors[index]:02X}'
    elif heat >= OVERHEAT_C:
        level, message = DiagnosticStatus.ERROR, (
            f'{heat:.0f} degC: the servo lets go at 70. Call supervisor/park (first '
            'supervisor/reset, if latched)')
    elif heat >= WARM_C:
        level, message = DiagnosticStatus.WARN, f'warm: {heat:.0f} degC'
    elif not low <= volts <= high:
        level, message = DiagnosticStatus.WARN, (
            f'supply of {volts:.1f} V, usual are {low:g} to {high:g} V')
    return status_codec.entry(
        f'so101: driver/servo_{JOINT_NAMES[index]}', {
            'position_rad': float(sample.position[index]),
            'velocity_rad_s': float(sample.velocity[index]),
            'effort_nm': float(sample.effort[index]), 'load': float(sample.load[index]),
            'current_a': float(sample.current[index]), 'voltage_v': volts,
            'temperature_c': heat, 'error_bits': sample.errors[index],
            'firmware': servo.firmware, 'supply': servo.supply.name,
            'gear': arm.build.gears[index]},
        level=level, message=message, hardware_id=port)


def _bus_health(report: ConnectorReport) -> tuple[bytes, str]:
    if report.cause is not None:
        return DiagnosticStatus.ERROR, str(report.cause)
    if report.bad_share > BAD_SHARE_WARN:
        return DiagnosticStatus.WARN, (f'{report.bad_share:.0%} of the last cycles had damaged '
                                       'answers')
    if report.late_ms_max > 60.0:
        return DiagnosticStatus.WARN, f'a cycle came {report.late_ms_max:.0f} ms late'
    return DiagnosticStatus.OK, report.state.value


def main() -> None:
    """Run the node."""
    # The bus thread waits for the interpreter's lock at most this long.
    sys.setswitchinterval(0.0005)
    sys.exit(run(So101DriverNode))


if __name__ == '__main__':
    main()
