# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Action chunks, and the checks that each one passes before its first row is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import GRIPPER, JOINT_NAMES, JointLimits, SO101_JOINTS, Vector

MAX_HORIZON = 1000


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """
    The rows of one inference.

    :param seq: number of the observation that it answers.
    :param epoch: of the permit under which it was requested; 0 outside ``apply_actions``.
    :param rows: (horizon, joints) [rad]; row k is the target at ``observed_at + k / rate_hz``.
    :param rate_hz: rows per second.
    :param observed_at: monotonic instant of the observation [s].
    """

    seq: int
    rows: NDArray[np.float64]
    rate_hz: float
    observed_at: float
    epoch: int = 0
    joint_names: tuple[str, ...] = JOINT_NAMES

    @property
    def duration_s(self) -> float:
        """Time from the first row to the last [s]."""
        return (len(self.rows) - 1) / self.rate_hz

    @property
    def ends_at(self) -> float:
        """Monotonic instant of the last row [s]."""
        return self.observed_at + self.duration_s


@dataclass(frozen=True, slots=True)
class ChunkBounds:
    """
    What a chunk must satisfy.

    :param joints: limits in joint order.
    :param max_age_s: oldest observation that may still be answered [s].
    :param max_jump_rad: largest distance from the reference pose to the first due row [rad]
        (the vendor's own relative limit is 10 degrees).
    :param range_tolerance_rad: how far outside its limits a row may lie and still be brought
        to the limit: an arm that rests on a limit measures up to its backlash (about 1 degree)
        beyond it, and a policy starts from what was measured [rad].
    :param clamp: bring rows that lie further out to the limit instead of refusing the chunk.
    :param free: joints that the jump does not count for: a gripper that holds something is never
        where it is told to be. The player bounds their speed and their lead all the same.
    """

    joints: tuple[JointLimits, ...] = field(
        default_factory=lambda: tuple(joint.limits for joint in SO101_JOINTS))
    max_age_s: float = 1.0
    max_jump_rad: float = math.radians(10.0)
    range_tolerance_rad: float = 0.035
    clamp: bool = False
    free: tuple[int, ...] = (GRIPPER,)

    @property
    def lower(self) -> Vector:
        """Lower limits (joints,) [rad]."""
        return np.array([limits.lower for limits in self.joints])

    @property
    def upper(self) -> Vector:
        """Upper limits (joints,) [rad]."""
        return np.array([limits.upper for limits in self.joints])

    @property
    def velocity(self) -> Vector:
        """Largest speeds (joints,) [rad/s]."""
        return np.array([limits.velocity for limits in self.joints])


def check_chunk(chunk: ActionChunk, bounds: ChunkBounds, now: float,
                reference: Sequence[float] | Vector, *, reference_at: float | None = None,
                last_seq: int = -1, epoch: int | None = None) -> ActionChunk:
    """
    Return the chunk as it may be played; its rows lie inside the limits.

    Finite, shape, identity, age, range, jump, rate: in this order, and the first failure
    refuses the whole chunk.

    :param now: monotonic instant [s].
    :param reference: pose that the rows must come near: where the arm is told to be while it
        plays, else where it was measured (joints,) [rad].
    :param reference_at: instant by which they must (monotonic) [s]; ``now`` when None. An arm
        that rests while the policy already moves is still where the rows began.
    :param last_seq: newest sequence number accepted so far.
    :param epoch: the only epoch that may command, or None when nothing is commanded.
    :raises ChunkRejected: with the fault code of the first check that failed.
    """
    rows = np.asarray(chunk.rows)
    if rows.dtype.kind != 'f' or not np.isfinite(rows).all() or not math.isfinite(chunk.rate_hz):
        raise ChunkRejected(FaultCode.BAD_NUMBER,
                            f'chunk {chunk.seq}: a value is not a finite number')
    if (rows.ndim != 2 or rows.shape[1] != len(bounds.joints)
            or not 2 <= len(rows) <= MAX_HORIZON or not 1.0 <= chunk.rate_hz <= 1000.0):
        raise ChunkRejected(
            FaultCode.BAD_SHAPE, f'chunk {chunk.seq}: shape {rows.shape} at {chunk.rate_hz:g} Hz, '
            f'expected 2 to {MAX_HORIZON} rows of {len(bounds.joints)} joints at 1 to 1000 Hz')
    if chunk.joint_names != JOINT_NAMES:
        raise ChunkRejected(FaultCode.BAD_SHAPE, f'chunk {chunk.seq}: joints {chunk.joint_names}, '
                            f'expected {JOINT_NAMES}')
    if epoch is not None and chunk.epoch != epoch:
        raise ChunkRejected(FaultCode.SEQ_EPOCH, f'chunk {chunk.seq}: of epoch {chunk.epoch}, '
                            f'the permit names {epoch}')
    if chunk.seq <= last_seq:
        raise ChunkRejected(FaultCode.SEQ_OLD,
                            f'chunk {chunk.seq}: {last_seq} was accepted before')
    age = now - chunk.observed_at
    if not -0.05 <= age <= bounds.max_age_s or now >= chunk.ends_at:
        raise ChunkRejected(FaultCode.CHUNK_STALE,
                            f'chunk {chunk.seq}: its observation is {age:.3f} s '
                            f'old, allowed {bounds.max_age_s:g} s; it lasts '
                            f'{chunk.duration_s:.3f} s')
    rows = _inside_limits(chunk, rows, bounds)
    instant = now if reference_at is None else reference_at
    place, jump = nearest_row(rows, (instant - chunk.observed_at) * chunk.rate_hz, reference,
                              bounds.free)
    if not jump.max() <= bounds.max_jump_rad:   # NaN, of a reference without a value, refuses
        raise ChunkRejected(
            FaultCode.JUMP, f'chunk {chunk.seq}: {JOINT_NAMES[int(jump.argmax())]} would start '
            f'{math.degrees(jump.max()):.1f} deg away at row {place:.0f}, allowed '
            f'{math.degrees(bounds.max_jump_rad):.1f} deg')
    speed = np.abs(np.diff(rows, axis=0)).max(axis=0) * chunk.rate_hz / bounds.velocity
    # The rate of a chunk that came as a message was computed from whole nanoseconds.
    if speed.max() > 1.0 + 1e-6:
        worst = int(speed.argmax())
        raise ChunkRejected(
            FaultCode.RATE, f'chunk {chunk.seq}: {JOINT_NAMES[worst]} would move at '
            f'{speed[worst] * bounds.velocity[worst]:.2f} rad/s, allowed '
            f'{bounds.velocity[worst]:.2f} rad/s')
    return replace(chunk, rows=rows)


def _inside_limits(chunk: ActionChunk, rows: NDArray[np.float64],
                   bounds: ChunkBounds) -> NDArray[np.float64]:
    inside = np.clip(rows, bounds.lower, bounds.upper)
    excess = np.abs(rows - inside)
    if not bounds.clamp and excess.max() > bounds.range_tolerance_rad:
        row, joint = np.unravel_index(int(excess.argmax()), excess.shape)
        raise ChunkRejected(
            FaultCode.RANGE, f'chunk {chunk.seq}: row {row} asks {JOINT_NAMES[joint]} for '
            f'{rows[row, joint]:.3f} rad, allowed {bounds.lower[joint]:.3f} to '
            f'{bounds.upper[joint]:.3f} rad')
    return inside


def nearest_row(rows: NDArray[np.float64], due: float,
                pose: Sequence[float] | Vector, free: Sequence[int] = ()
                ) -> tuple[float, Vector]:
    """
    Find where the path up to the row that is due comes nearest to a pose.

    :param due: counts rows, may lie between two.
    :param pose: (joints,) [rad].
    :param free: joints whose distance does not count, as long as it is a number.
    :returns: the place, counted in rows, and the distance of each joint there [rad].
    """
    due = min(max(due, 0.0), len(rows) - 1.0)
    places = [*range(int(due) + 1), due]
    distances = np.abs(np.array([row_at(rows, place) for place in places]) - np.asarray(pose))
    # What is not a number stays so: it counts everywhere.
    distances[:, list(free)] *= 0.0
    best = int(distances.max(axis=1).argmin())
    nearest: Vector = distances[best]
    return float(places[best]), nearest


def row_at(rows: NDArray[np.float64], position: float) -> Vector:
    """Interpolate between rows: ``position`` counts rows, and is held at both ends."""
    position = min(max(position, 0.0), len(rows) - 1.0)
    index = min(int(position), len(rows) - 2)
    weight = position - index
    result: Vector = rows[index] * (1.0 - weight) + rows[index + 1] * weight
    return result
