# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The six joints: calibration, mechanical travel, gravity load, named poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

TICKS_PER_RAD = 4096 / (2 * math.pi)
GRIPPER_CLOSED_RAD = -0.174533


@dataclass(frozen=True, slots=True)
class JointSpec:
    """
    One joint of a calibrated arm.

    :param servo_id: id on the bus.
    :param min_ticks: calibrated lower end (register 9); also the mechanical stop.
    :param max_ticks: calibrated upper end (register 11); also the mechanical stop.
    :param offset_ticks: homing offset (register 31).
    :param inertia: of links and rotor about the axis [kg m^2].
    :param has_stops: whether the travel ends mechanically.
    :param zero_ticks: position that reads 0 rad in the URDF.
    """

    name: str
    servo_id: int
    min_ticks: int
    max_ticks: int
    offset_ticks: int
    inertia: float
    zero_ticks: float
    has_stops: bool = True

    def to_ticks(self, position_rad: float) -> float:
        """Convert a URDF angle [rad] to calibrated ticks, clamped to the travel."""
        ticks = self.zero_ticks + position_rad * TICKS_PER_RAD
        return min(max(ticks, self.min_ticks), self.max_ticks)

    def to_rad(self, ticks: float) -> float:
        """Convert calibrated ticks to a URDF angle [rad]."""
        return (ticks - self.zero_ticks) / TICKS_PER_RAD


def _arm(name: str, servo_id: int, low: int, high: int, offset: int, inertia: float,
         has_stops: bool = True) -> JointSpec:
    return JointSpec(name, servo_id, low, high, offset, inertia, (low + high) / 2, has_stops)


# Widths of travel: means over 15 real arms. Inertia: links at mid reach plus 0.028 of the rotor.
JOINTS: tuple[JointSpec, ...] = (
    _arm('shoulder_pan', 1, 691, 3416, 412, 0.045),
    _arm('shoulder_lift', 2, 879, 3229, -731, 0.045),
    _arm('elbow_flex', 3, 930, 3152, 1204, 0.036),
    _arm('wrist_flex', 4, 884, 3213, -87, 0.029),
    _arm('wrist_roll', 5, 0, 4095, 356, 0.028, has_stops=False),
    # In the URDF, the closed jaw is at -10 degrees; 0 is not the middle of its travel.
    JointSpec('gripper', 6, 1318, 2793, -1290, 0.028, 1318 - GRIPPER_CLOSED_RAD * TICKS_PER_RAD),
)

# URDF radians in joint order. In `rest` the arm can lose torque without falling.
POSES: dict[str, tuple[float, ...]] = {
    'rest': tuple(math.radians(d) for d in (0, -100, 90, 50, 0, -10)),
    'zero': (0.0,) * 6,
    'ready': tuple(math.radians(d) for d in (0, -45, 45, 45, 0, 20)),
    'stretched': (0.0, 1.37, -1.30, 0.0, 0.0, 0.0),
}


def parse_pose(pose: str | Sequence[float]) -> tuple[float, ...]:
    """
    Return six URDF angles [rad] from the name of a pose, comma-separated text, or numbers.

    :raises ValueError: when `pose` is neither a known name nor six finite numbers.
    """
    if isinstance(pose, str) and pose in POSES:
        return POSES[pose]
    parts: Sequence[str | float] = pose.split(',') if isinstance(pose, str) else pose
    try:
        values = tuple(float(part) for part in parts)
    except (TypeError, ValueError):
        values = ()
    if len(values) != len(JOINTS) or not all(map(math.isfinite, values)):
        raise ValueError(f'pose {pose!r}: expected {", ".join(POSES)} or six angles in radians')
    return values


# Gravity torques [N m], fitted to the link table of the URDF: they give 0.54, 0.45 and 0.12 N m
# at lift, elbow and wrist in the zero pose, and 0.82 N m at the lift of the stretched arm.
_UPPER_NM, _FORE_NM, _HAND_NM = 0.373, 0.33, 0.12
_UPPER_TILT_RAD = 0.244
_FOLDED_LIFT_RAD, _FOLDED_ELBOW_RAD = math.radians(-85), math.radians(80)


def gravity_nm(lift_rad: float, elbow_rad: float, wrist_rad: float) -> tuple[float, float, float]:
    """Return the load at lift, elbow and wrist_flex [N m]; positive pulls forward and down."""
    fore = lift_rad + elbow_rad
    wrist = _HAND_NM * math.cos(fore + wrist_rad)
    elbow = wrist + _FORE_NM * math.cos(fore)
    return elbow + _UPPER_NM * math.sin(lift_rad + _UPPER_TILT_RAD), elbow, wrist


def is_folded(lift_rad: float, elbow_rad: float) -> bool:
    """Whether the arm is folded onto itself, so that nothing falls when torque goes off."""
    return lift_rad <= _FOLDED_LIFT_RAD and elbow_rad >= _FOLDED_ELBOW_RAD
