# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The health of an SO-101's bus and servos, for people: levels, messages, figures."""

from __future__ import annotations

from reflex_ros.domain.component_status import ComponentStatus, Level
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.servo_health import FAULT_BITS, OVERHEAT_C, WARM_C
from reflex_ros.hardware.so101 import JOINT_NAMES

BAD_SHARE_WARN = 0.01
"""Share of cycles with damaged answers from which the bus is reported."""
LATE_MS_WARN = 60.0
"""Delay of a cycle from which the bus is reported [ms]."""


def diagnose(arm: So101Arm, report: ConnectorReport,
             sample: JointSample) -> list[ComponentStatus]:
    """Return the health of the bus, then of each servo in joint order. Any thread."""
    return [_bus_status(arm, report),
            *(_servo_status(index, sample, arm) for index in range(len(JOINT_NAMES)))]


def _bus_status(arm: So101Arm, report: ConnectorReport) -> ComponentStatus:
    counters, port = arm.bus.counters, arm.bus.port.name
    level, message = _bus_level(report)
    return ComponentStatus(
        'bus', level, message, {
            'port': port, 'rate_hz': report.rate_hz, 'target_hz': report.target_hz,
            'rows_left': report.rows_left, 'holds': report.holds, 'pace': report.pace,
            'cycle_ms_p99': report.cycle_ms_p99,
            'late_ms_max': report.late_ms_max, 'cycles': report.cycles,
            'missed_cycles': report.missed_cycles, 'late_cycles': report.late_cycles,
            'refused_samples': report.refused_samples, 'bad_share': report.bad_share,
            'max_rate_hz': arm.max_rate_hz, 'exchanges': counters.exchanges,
            'retries': counters.retries, 'timeouts': counters.timeouts,
            'damaged': counters.damaged, 'bad_checksums': counters.bad_checksums,
            'discarded_bytes': counters.discarded_bytes},
        hardware_id=port)


def _bus_level(report: ConnectorReport) -> tuple[Level, str]:
    if report.cause is not None:
        return Level.ERROR, str(report.cause)
    if report.bad_share > BAD_SHARE_WARN:
        return Level.WARN, f'{report.bad_share:.0%} of the last cycles had damaged answers'
    if report.late_ms_max > LATE_MS_WARN:
        return Level.WARN, f'a cycle came {report.late_ms_max:.0f} ms late'
    return Level.OK, report.state.value


def _servo_status(index: int, sample: JointSample, arm: So101Arm) -> ComponentStatus:
    servo = arm.servos[index]
    volts, heat = float(sample.voltage[index]), float(sample.temperature[index])
    low, high = servo.supply.usual
    level, message = Level.OK, 'ok'
    if sample.errors[index] & FAULT_BITS:
        level, message = Level.ERROR, f'error bits 0x{sample.errors[index]:02X}'
    elif heat >= OVERHEAT_C:
        level, message = Level.ERROR, (
            f'{heat:.0f} degC: the servo switches its torque off at 70. Run `reflex park` '
            '(first `reflex reset`, if latched)')
    elif heat >= WARM_C:
        level, message = Level.WARN, f'warm: {heat:.0f} degC'
    elif not low <= volts <= high:
        level, message = Level.WARN, (
            f'supply of {volts:.1f} V, usual are {low:g} to {high:g} V'
            f'{": heavy joints are weak" if volts < low else ""}')
    return ComponentStatus(
        f'servo_{JOINT_NAMES[index]}', level, message, {
            'position_rad': float(sample.position[index]),
            'velocity_rad_s': float(sample.velocity[index]),
            'effort_nm': float(sample.effort[index]), 'load': float(sample.load[index]),
            'current_a': float(sample.current[index]), 'voltage_v': volts,
            'temperature_c': heat, 'error_bits': sample.errors[index],
            'firmware': servo.firmware, 'supply': servo.supply.name,
            'gear': arm.build.gears[index]},
        hardware_id=arm.bus.port.name)
