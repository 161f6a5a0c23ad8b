# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Action chunks, and the checks that each one passes before its first row is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector

MAX_HORIZON = 1000
MOVING_JUMPS = 2.0
"""Distance of a chunk's start from a moving arm, in units of what a resting one allows: policies
scatter by some degrees, and a fade bounds speed and acceleration whatever the distance."""
MAX_AGE_S = 2.5
"""Oldest observation that may ever move the arm [s] (design, decision 17)."""
NONSENSE_SPEED = 3.0
"""Times its limit: a faster row is no motion. Below, the player stretches the path in time."""


@dataclass(frozen=True, slots=True)
class ActionChunk:
    """
    The rows of one inference.

    :param seq: number of the observation that it answers.
    :param rows: (horizon, joints) [rad]; row k is the target at ``observed_at + k / rate_hz``.
    :param rate_hz: rows per second.
    :param observed_at: monotonic instant of the observation [s].
    :param epoch: epoch of the permit under which it was requested; 0 outside ``apply_actions``.
    :param joint_names: names of the columns of ``rows``.
    :param is_scripted: whether the rows follow from no observation (a park, a move by hand): then
        its age does not count while they are played.
    :param prompt: the task that was sent with the observation; empty when nobody knows it.
    """

    seq: int
    rows: NDArray[np.float64]
    rate_hz: float
    observed_at: float
    epoch: int = 0
    joint_names: tuple[str, ...] = field(kw_only=True)
    is_scripted: bool = field(default=False, kw_only=True)
    prompt: str = field(default='', kw_only=True)

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

    :param arm: joints and limits. Its grippers may jump: a gripper that holds something is never
        where it is told to be. The player bounds their speed and their lead all the same.
    :param max_age_s: oldest observation that may still be answered [s].
    :param max_jump_rad: largest distance from the reference pose to the first due row [rad]
        (the vendor's own relative limit is 10 degrees).
    :param range_tolerance_rad: how far outside its limits a row may lie and still be brought
        to the limit: an arm that rests on a limit measures up to its backlash (about 1 degree)
        beyond it, and a policy starts from what was measured [rad].
    :param clamp: bring rows that lie further out to the limit instead of refusing the chunk.
    """

    arm: ArmDescription
    max_age_s: float = MAX_AGE_S
    max_jump_rad: float = math.radians(10.0)
    range_tolerance_rad: float = 0.035
    clamp: bool = False


def check_chunk(chunk: ActionChunk, bounds: ChunkBounds, now: float,
                reference: Sequence[float] | Vector, *, reference_at: float | None = None,
                last_seq: int = -1, epoch: int | None = None,
                is_moving: bool = False) -> ActionChunk:
    """
    Return the chunk as it may be played, with rows inside the limits.

    Finite, shape, identity, age, range, jump, rate: in this order, and the first failure
    refuses the whole chunk.

    :param now: monotonic instant [s].
    :param reference: pose that the rows must come near: where the arm is told to be while it
        plays, else where it was measured (joints,) [rad].
    :param reference_at: monotonic instant by which the rows must come near [s]; ``now`` when
        None. An arm that rests while the policy already moves is still where the rows began.
    :param last_seq: newest sequence number accepted so far.
    :param epoch: the only epoch that may command, or None when nothing is commanded.
    :param is_moving: whether the arm plays another chunk: then the player fades over, and the
        start may lie twice as far away.
    :raises ChunkRejected: with the fault code of the first check that failed.
    """
    arm, rows = bounds.arm, np.asarray(chunk.rows)
    if rows.dtype.kind != 'f' or not np.isfinite(rows).all() or not math.isfinite(chunk.rate_hz):
        raise ChunkRejected(FaultCode.BAD_NUMBER,
                            f'chunk {chunk.seq}: a value is not a finite number')
    if (rows.ndim != 2 or rows.shape[1] != len(arm.joints)
            or not 2 <= len(rows) <= MAX_HORIZON or not 1.0 <= chunk.rate_hz <= 1000.0):
        raise ChunkRejected(
            FaultCode.BAD_SHAPE, f'chunk {chunk.seq}: shape {rows.shape} at {chunk.rate_hz:g} Hz, '
            f'expected 2 to {MAX_HORIZON} rows of {len(arm.joints)} joints at 1 to 1000 Hz')
    if chunk.joint_names != arm.joint_names:
        raise ChunkRejected(
            FaultCode.BAD_SHAPE, f'chunk {chunk.seq}: joints {", ".join(chunk.joint_names)}, '
            f'expected {", ".join(arm.joint_names)}')
    if epoch is not None and chunk.epoch != epoch:
        raise ChunkRejected(FaultCode.SEQ_EPOCH, f'chunk {chunk.seq}: requested under epoch '
                            f'{chunk.epoch}, the permit names {epoch}')
    if chunk.seq <= last_seq:
        raise ChunkRejected(FaultCode.SEQ_OLD,
                            f'chunk {chunk.seq}: chunk {last_seq} was accepted before')
    age = now - chunk.observed_at
    if not -0.05 <= age <= bounds.max_age_s or now >= chunk.ends_at:
        raise ChunkRejected(FaultCode.CHUNK_STALE,
                            f'chunk {chunk.seq}: its observation is {age:.3f} s '
                            f'old, allowed {bounds.max_age_s:g} s; its rows last '
                            f'{chunk.duration_s:.3f} s')
    rows = _inside_limits(chunk, rows, bounds)
    instant = now if reference_at is None else reference_at
    place, jump = nearest_row(rows, (instant - chunk.observed_at) * chunk.rate_hz, reference,
                              arm.grippers)
    # A reference that is not a number refuses too.
    allowed = bounds.max_jump_rad * (MOVING_JUMPS if is_moving else 1.0)
    if not jump.max() <= allowed:
        raise ChunkRejected(
            FaultCode.JUMP, f'chunk {chunk.seq}: {arm.joint_names[int(jump.argmax())]} would '
            f'start {math.degrees(jump.max()):.1f} deg away at row {place:.0f}, allowed '
            f'{math.degrees(allowed):.1f} deg')
    speed = np.abs(np.diff(rows, axis=0)).max(axis=0) * chunk.rate_hz / arm.velocity
    # A gripper that is asked for more just closes as fast as it can.
    speed[list(arm.grippers)] = 0.0
    # The rate of a chunk that came as a message was computed from whole nanoseconds.
    if speed.max() > NONSENSE_SPEED + 1e-6:
        worst = int(speed.argmax())
        raise ChunkRejected(
            FaultCode.RATE, f'chunk {chunk.seq}: {arm.joint_names[worst]} would move at '
            f'{speed[worst] * arm.velocity[worst]:.2f} rad/s, more than {NONSENSE_SPEED:g} times '
            f'its limit of {arm.velocity[worst]:.2f} rad/s')
    return replace(chunk, rows=rows)


def _inside_limits(chunk: ActionChunk, rows: NDArray[np.float64],
                   bounds: ChunkBounds) -> NDArray[np.float64]:
    arm = bounds.arm
    inside = np.clip(rows, arm.lower, arm.upper)
    excess = np.abs(rows - inside)
    if not bounds.clamp and excess.max() > bounds.range_tolerance_rad:
        row, joint = np.unravel_index(int(excess.argmax()), excess.shape)
        raise ChunkRejected(
            FaultCode.RANGE, f'chunk {chunk.seq}: row {row} asks {arm.joint_names[joint]} for '
            f'{rows[row, joint]:.3f} rad, allowed {arm.lower[joint]:.3f} to '
            f'{arm.upper[joint]:.3f} rad')
    return inside


def nearest_row(rows: NDArray[np.float64], due: float,
                pose: Sequence[float] | Vector, ignored: Sequence[int] = ()
                ) -> tuple[float, Vector]:
    """
    Find where the path up to the row that is due comes nearest to a pose.

    :param due: place on the path, counted in rows; may lie between two rows.
    :param pose: (joints,) [rad].
    :param ignored: joints whose distance is left out, unless it is not a number.
    :returns: the nearest place, counted in rows, and the distance of each joint there [rad].
    """
    due = min(max(due, 0.0), len(rows) - 1.0)
    places = np.append(np.arange(int(due) + 1.0), due)
    before = np.minimum(places.astype(int), len(rows) - 2)
    weights = (places - before)[:, None]
    path = rows[before] * (1.0 - weights) + rows[before + 1] * weights
    distances = np.abs(path - np.asarray(pose))
    # NaN * 0 is NaN: a distance that is not a number counts for every joint.
    distances[:, list(ignored)] *= 0.0
    best = int(distances.max(axis=1).argmin())
    nearest: Vector = distances[best]
    return float(places[best]), nearest


def row_at(rows: NDArray[np.float64], position: float) -> Vector:
    """Interpolate between rows at a place counted in rows; first and last row are the ends."""
    position = min(max(position, 0.0), len(rows) - 1.0)
    index = min(int(position), len(rows) - 2)
    weight = position - index
    result: Vector = rows[index] * (1.0 - weight) + rows[index + 1] * weight
    return result
