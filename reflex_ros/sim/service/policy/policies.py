# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The policy: prompts, and the motions that they ask for.

A pattern is a function of time that gives the wanted pose; ``motion.follow`` leads the observed
arm into it. Angles in degrees about mid travel, gripper in percent, times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
import random
import re

from reflex_ros.sim.service.policy.motion import follow, into_range, Reference
from reflex_ros.sim.service.so101 import Pose

# pan, lift, elbow, wrist_flex, wrist_roll, gripper; all keep the tool above the table.
READY = (0.0, -30.0, 40.0, 30.0, 0.0, 30.0)
WAVING = (0.0, -50.0, 20.0, -30.0, 0.0, 40.0)
LOOKING = (0.0, -35.0, 45.0, 35.0, 0.0, 30.0)

# [deg/s] peak of a move between two poses, and [s] the shortest move.
MOVE_SPEED = 40.0
SHORTEST_MOVE_S = 0.8
# [s] for the arm to come near the first pose before a sequence moves on.
LEAD_IN_S = 2.0
# [s] over which a swing grows to its full size.
SWELL_S = 2.0


def hold(start: Pose, rng: random.Random) -> Reference:
    """Keep the pose at which the prompt began, moved into the limits."""
    target = into_range(start)
    return lambda t_s: target


def idle(start: Pose, rng: random.Random) -> Reference:
    """Sway around the pose at which the prompt began: +-4 deg roll, +-2 deg pan."""
    return _swing(into_range(start, margin=5.0), 0.2, pan=2.0, roll=4.0)


def wave(start: Pose, rng: random.Random) -> Reference:
    """Raise the hand and wave: roll +-35 deg (peak 0.77 rad/s), pan +-12 deg, at 0.2 Hz."""
    return _swing(WAVING, 0.2, pan=12.0, roll=35.0)


def sweep(start: Pose, rng: random.Random) -> Reference:
    """Look from side to side: pan +-60 deg in 10 s (peak 0.66 rad/s)."""
    return _swing(LOOKING, 0.1, pan=60.0)


def hurry(start: Pose, rng: random.Random) -> Reference:
    """Swing from side to side, almost at the speed limit: pan +-40 deg (peak 0.97 rad/s)."""
    return _swing(LOOKING, 0.22, pan=40.0)


def reach(start: Pose, rng: random.Random) -> Reference:
    """Go to five places in front of the arm, one after the other, and around again."""
    places = [
        (rng.uniform(-45.0, 45.0), rng.uniform(-25.0, 10.0), rng.uniform(0.0, 20.0),
         rng.uniform(0.0, 20.0), rng.uniform(-40.0, 40.0), rng.uniform(20.0, 60.0))
        for _ in range(5)
    ]
    return _visit([READY, *places], dwell_s=0.5)


def pick_and_place(start: Pose, rng: random.Random) -> Reference:
    """Pick something up on one side and put it down on the other, and around again."""
    left, right = rng.uniform(-40.0, -25.0), rng.uniform(25.0, 40.0)

    def at(pan: float, *, low: bool, gripper: float) -> Pose:
        lift, elbow, wrist = (15.0, 15.0, 25.0) if low else (-10.0, 30.0, 30.0)
        return (pan, lift, elbow, wrist, 0.0, gripper)

    return _visit([
        at(left, low=False, gripper=70.0), at(left, low=True, gripper=70.0),
        at(left, low=True, gripper=15.0), at(left, low=False, gripper=15.0),
        at(right, low=False, gripper=15.0), at(right, low=True, gripper=15.0),
        at(right, low=True, gripper=70.0), at(right, low=False, gripper=70.0),
    ], dwell_s=0.2)


# The first row with a word of the prompt counts; a prompt without any of them means idle.
PATTERNS: tuple[tuple[frozenset[str], Callable[[Pose, random.Random], Reference]], ...] = (
    (frozenset({'hold', 'stay', 'still', 'freeze'}), hold),
    (frozenset({'pick', 'place', 'grasp', 'grab', 'put'}), pick_and_place),
    (frozenset({'wave', 'waving', 'hello'}), wave),
    (frozenset({'sweep', 'scan', 'wipe', 'look'}), sweep),
    (frozenset({'hurry', 'fast'}), hurry),
    (frozenset({'reach', 'point', 'touch'}), reach),
)


def choose(prompt: str) -> Callable[[Pose, random.Random], Reference]:
    """Return the pattern for the words of a prompt."""
    words = set(re.findall('[a-z]+', prompt.lower()))
    return next((pattern for keys, pattern in PATTERNS if keys & words), idle)


class Policy:
    """
    Closed loop: the observed pose, the prompt and the time give the next chunk.

    The same seed and the same observations give the same rows.

    :param seed: of the places to reach and of the sides to pick from.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pattern: Callable[[Pose, random.Random], Reference] | None = None
        self._reference: Reference | None = None
        self._began_s = 0.0

    def rows(
        self, prompt: str, state: Pose, t_s: float, *, hz: float, count: int
    ) -> list[list[float]]:
        """
        Infer one chunk.

        :param prompt: any text; another motion begins at the observation that first asks for it.
        :param state: (6,) degrees and percent, finite.
        :param t_s: time of the observation.
        :returns: (count, 6) as ``motion.follow`` makes them.
        """
        pattern = choose(prompt)
        if self._reference is None or pattern is not self._pattern:
            rng = random.Random(f'{self._seed}:{pattern.__name__}')
            self._pattern, self._reference, self._began_s = pattern, pattern(state, rng), t_s
        return follow(self._reference, state, t_s - self._began_s, hz=hz, count=count)


class ObservationClock:
    """Seconds since the first observation; never runs backwards."""

    def __init__(self) -> None:
        self._t_s = 0.0
        self._capture_ns: int | None = None
        self._receipt_s: float | None = None

    def tick(self, capture_ns: int | None, receipt_s: float) -> float:
        """
        Return the time of an observation.

        :param capture_ns: the client's capture time, if any; only differences count.
        :param receipt_s: monotonic time of receipt, used where a capture time is missing.
        """
        if capture_ns is not None and self._capture_ns is not None:
            self._t_s += max(0.0, (capture_ns - self._capture_ns) * 1e-9)
        elif self._receipt_s is not None:
            self._t_s += max(0.0, receipt_s - self._receipt_s)
        self._capture_ns, self._receipt_s = capture_ns, receipt_s
        return self._t_s


def _swing(centre: Pose, hz: float, *, pan: float = 0.0, roll: float = 0.0) -> Reference:
    """Swing pan and roll around a pose, in step, growing from nothing."""
    def reference(t_s: float) -> Pose:
        size = _ease(t_s / SWELL_S) * math.sin(2.0 * math.pi * hz * t_s)
        return (centre[0] + pan * size, *centre[1:4], centre[4] + roll * size, centre[5])

    return reference


def _visit(poses: Sequence[Pose], *, dwell_s: float) -> Reference:
    """Go round a list of poses, at rest in each for ``dwell_s``."""
    legs: list[tuple[float, Pose, Pose]] = []
    for here, there in zip(poses, [*poses[1:], poses[0]], strict=True):
        farthest = max(abs(b - a) for a, b in zip(here, there, strict=True))
        # 1.5 is the peak of the slope of _ease.
        legs.append((max(SHORTEST_MOVE_S, 1.5 * farthest / MOVE_SPEED), here, there))
    round_s = sum(move_s + dwell_s for move_s, _, _ in legs)

    def reference(t_s: float) -> Pose:
        left_s = max(0.0, t_s - LEAD_IN_S) % round_s
        for move_s, here, there in legs:
            if left_s < move_s + dwell_s:
                part = _ease(left_s / move_s)
                return tuple(a + (b - a) * part for a, b in zip(here, there, strict=True))
            left_s -= move_s + dwell_s
        return poses[0]

    return reference


def _ease(part: float) -> float:
    """Go from 0 to 1 and stay there, at rest on both ends."""
    part = min(max(part, 0.0), 1.0)
    return part * part * (3.0 - 2.0 * part)
