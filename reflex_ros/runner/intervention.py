# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A person guides the arm for a while, in place of the policy that moves it.

Both command the arm through one object, so that the arm gets one stream of commands with rising
numbers: those of the policy are left out while the person guides, and again until one answers an
observation of where the person has left the arm. Each command passes all checks of the driver; a
stop, a demotion and every fault end the guidance. Times are arguments, monotonic [s].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import threading

import numpy as np

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.guided_motion import GuidedMotion, RATE_HZ
from reflex_ros.domain.heartbeats import Commander
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.permit import Mode, Permit

FRESH_S = 0.2
"""A leader that was heard so long ago is no leader to begin with [s]."""
LOST_S = 1.0
"""Silence of the leader after which the arm is stopped [s]; it rests at the last pose before."""
MAX_SPEED = 1.0
"""Largest speed of a joint that a person guides [rad/s]: that of `reflex so101 teleop`."""
ASTRAY_RAD = 0.15
"""The setpoint comes with a beat, so it is up to 40 ms old (``GuidedMotion``)."""


class Intervention:
    """
    The order of all commands of one arm.

    One lock guards everything: any thread may call any method. None blocks for longer than the
    ``send`` that it is given, which publishes a command; the lock is held, so that numbers rise.
    """

    def __init__(self, arm: ArmDescription) -> None:
        self._arm = arm
        self._lock = threading.Lock()
        self._commander = Commander.POLICY
        self._motion = GuidedMotion(MAX_SPEED)
        self._leader: Vector | None = None
        self._leader_at = 0.0
        self._setpoint: Vector | None = None
        self._target: Vector | None = None
        self._handed_back_at = 0.0
        self._is_lost = False   # nobody commands any more in this epoch
        self._epoch = 0
        self._last = -1         # number of the newest command of this epoch
        self._offset = 0        # of the policy's numbers to those of the commands

    @property
    def commander(self) -> Commander:
        """Who commands the arm."""
        return self._commander

    @property
    def is_guided(self) -> bool:
        """Whether the arm does not follow the policy now."""
        return self._commander is not Commander.POLICY

    def set_arm(self, arm: ArmDescription) -> None:
        """Use another description of the same arm, with the limits that hold now."""
        with self._lock:
            self._arm = arm

    def put_leader(self, pose: Vector, now: float) -> None:
        """Use the newest pose of the leader, in the angles of the arm (joints,) [rad]."""
        with self._lock:
            self._leader, self._leader_at = pose, now

    def put_setpoint(self, setpoint: Vector) -> None:
        """Use the newest setpoint of the driver (joints,) [rad]."""
        if setpoint.shape == (len(self._arm.joints),):
            with self._lock:
                self._setpoint = setpoint

    def take_over(self, permit: Permit, now: float, *, is_applying: bool) -> str:
        """
        Let the person guide the arm from now on.

        :param permit: that holds now.
        :param is_applying: whether the service's session applies actions.
        :returns: why that is refused; then nothing has changed. Else an empty text.
        """
        with self._lock:
            if self._commander is Commander.PERSON:
                return 'the leader was lost, and the arm was stopped' if self._is_lost else (
                    'a person guides the arm already')
            if permit.mode is not Mode.APPLY_ACTIONS or not is_applying:
                return ('the policy does not move the arm now. Run `reflex promote` first, or '
                        'move the arm without a policy: `reflex so101 teleop`')
            if self._leader is None or now - self._leader_at > FRESH_S:
                return ('no leader arm is heard on leader/joint_states. Start it: `ros2 run '
                        'reflex_ros leader_node --ros-args -p port:=PORT`, or start the graph '
                        'with `reflex up --leader PORT`')
            self._follow_epoch(permit.epoch)
            self._commander = Commander.PERSON
            self._motion = GuidedMotion(min(MAX_SPEED, float(self._arm.velocity.min())),
                                        ASTRAY_RAD)
            # The driver says soon where it is now.
            self._setpoint = None
            return ''

    def hand_back(self, now: float) -> str:
        """
        Let the policy go on as soon as it has seen where the arm is.

        :returns: why that is refused, or an empty text.
        """
        with self._lock:
            if self._commander is not Commander.PERSON:
                return 'no person guides the arm'
            self._commander, self._handed_back_at = Commander.RETURNING, now
            return ''

    def relay(self, chunk: ActionChunk, send: Callable[[ActionChunk], None]) -> None:
        """Command a chunk of the policy, unless a person guides the arm."""
        with self._lock:
            self._follow_epoch(chunk.epoch)
            if self._commander is Commander.PERSON:
                return
            if self._commander is Commander.RETURNING:
                if chunk.observed_at < self._handed_back_at:
                    return
                self._commander = Commander.POLICY
            if chunk.seq + self._offset <= self._last:
                # The person's commands came between; the numbers of the policy only rise.
                self._offset = self._last + 1 - chunk.seq
            self._command(replace(chunk, seq=chunk.seq + self._offset), send)

    def turn(self, permit: Permit, now: float,
             send: Callable[[ActionChunk], None]) -> Cause | None:
        """
        Command the next rows of a guided motion; due every 40 ms while ``is_guided``.

        :param permit: that holds now.
        :returns: why the arm must be stopped; mostly None.
        """
        with self._lock:
            if not self.is_guided:
                return None
            if permit.mode is not Mode.APPLY_ACTIONS or permit.epoch != self._epoch:
                # Stopped, demoted or parked: the driver brings the arm to rest.
                self._commander = Commander.POLICY
                return None
            if self._is_lost:
                return None
            silent_s = now - self._leader_at
            if self._commander is Commander.PERSON and silent_s > LOST_S:
                # Not back to the policy: it would move the arm until the stop is heard.
                self._is_lost = True
                return Cause(FaultCode.LEADER_LOST,
                             f'the leader has said nothing for {silent_s:.1f} s')
            if self._setpoint is None:
                return None
            if self._target is None or self._commander is Commander.PERSON:
                assert self._leader is not None
                self._target = np.clip(self._leader, self._arm.lower, self._arm.upper)
            rows = self._motion.lead(self._target, self._setpoint, now)
            self._command(ActionChunk(self._last + 1, rows, RATE_HZ, now, self._epoch,
                                      joint_names=self._arm.joint_names), send)
            return None

    def policy_number(self, number: int) -> int:
        """Return the number of the policy's chunk that a command has, from its own number."""
        return number - self._offset

    # The lock is held by the callers of everything below.

    def _follow_epoch(self, epoch: int) -> None:
        """Begin a new activation: the driver counts anew."""
        if epoch != self._epoch:
            self._epoch, self._last, self._offset = epoch, -1, 0
            self._commander, self._target, self._is_lost = Commander.POLICY, None, False

    def _command(self, chunk: ActionChunk, send: Callable[[ActionChunk], None]) -> None:
        self._last = chunk.seq
        send(chunk)
