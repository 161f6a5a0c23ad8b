# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reply to the control channel's `state`: the true joints, the registers, the figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.dynamics import REST_TICKS_S
from reflex_ros.sim.arm.joints import TICKS_PER_RAD
from reflex_ros.sim.arm.journal import GoalFigures
from reflex_ros.sim.arm.servo import Servo

# JSON for the client.
Json = dict[str, Any]


def describe(bus: ArmBus, now_ns: int) -> Json:
    """Return the full state of the arm at `now_ns`; joints in the order of the chain."""
    journal = bus.journal
    figures = journal.bus
    joints = {servo.spec.name: {**_joint(servo, now_ns),
                                **_figures(servo, figures.goals[servo.spec.name])}
              for servo in bus.servos}
    rests = [joint['at_rest_since_ns'] for joint in joints.values()]
    changes = [g.last_change_ns for g in figures.goals.values() if g.last_change_ns is not None]
    settings = bus.settings
    return {
        'model': settings.model.value, 'dead_time_ms': settings.dead_time_s * 1e3,
        'lag_ms': settings.lag_s * 1e3, 'seed': settings.seed, 'fast': settings.fast,
        'speed': settings.speed,
        'powered': bus.plant.is_powered, 'supply_v': bus.plant.supply_v, 'baud': bus.baud,
        'mark_ns': journal.mark_ns,
        'goal_last_change_ns': max(changes, default=None),
        'at_rest_since_ns': None if None in rests else max(rests),
        'max_goal_step_ticks': max(g.max_step_ticks for g in figures.goals.values()),
        'joints': joints,
        'bus': {key: value for key, value in asdict(figures).items() if key != 'goals'} | {
            'bad_checksums': bus.parser.bad_checksums, 'noise_bytes': bus.parser.noise_bytes,
            'dropped_half_frames': bus.parser.dropped_half_frames},
        'faults': [{'name': f.name, 'ids': sorted(f.ids) if f.ids is not None else None,
                    'probability': f.probability, 'end_ns': f.end_ns, **f.params}
                   for f in bus.faults.active],
    }


def _joint(servo: Servo, now_ns: int) -> Json:
    memory, motion = servo.memory, servo.motion
    return {
        'id': servo.servo_id,
        'position_rad': servo.position_rad,
        'velocity_rad_s': motion.velocity / TICKS_PER_RAD,
        'position_ticks': servo.present_ticks(now_ns),
        'goal_ticks': memory.get(reg.GOAL_POSITION),
        'goal_rad': servo.spec.to_rad(memory.get(reg.GOAL_POSITION)),
        'torque': servo.torque_on,
        'torque_limit': memory.get(reg.TORQUE_LIMIT) / 1000,
        'load': motion.duty,
        'current_a': motion.current_a,
        'voltage_v': servo.sensors.voltage,
        'temperature_c': servo.sensors.temperature_c,
        'error_bits': servo.error_bits,
        'zero_ticks': servo.spec.zero_ticks,
        'min_ticks': memory.get(reg.MIN_POSITION_LIMIT),
        'max_ticks': memory.get(reg.MAX_POSITION_LIMIT),
        'eeprom_commits': memory.commits,
    }


def _figures(servo: Servo, goals: GoalFigures) -> Json:
    motion = servo.motion
    moving = abs(motion.velocity) > REST_TICKS_S
    return {
        'goal_last_change_ns': goals.last_change_ns,
        'max_goal_step_ticks': goals.max_step_ticks,
        'max_goal_lead_ticks': goals.max_lead_ticks,
        'goal_writes': goals.writes,
        'goals_outside_limits': goals.outside_limits,
        'at_rest_since_ns': None if moving else motion.last_fast_ns,
        'travel_rad': (motion.highest - motion.lowest) / TICKS_PER_RAD,
        'max_abs_velocity_rad_s': motion.peak_speed / TICKS_PER_RAD,
    }
