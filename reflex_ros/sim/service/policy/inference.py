# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From one observation to the rows of its answer: layout, clock, policy, faults of content."""

from __future__ import annotations

from reflex_ros.sim.service.faults import corruption
from reflex_ros.sim.service.policy import adapters
from reflex_ros.sim.service.policy.motion import Pose
from reflex_ros.sim.service.policy.policies import ObservationClock, Policy
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream.messages import BadInput, Observation, SessionOpen


class PoseInference:
    """
    The policy of one robot, from pose to pose: every way of asking ends here.

    :param state: has the settings and the faults.
    """

    def __init__(self, state: ServiceState) -> None:
        """Start without a motion."""
        self._state = state
        self._policy = Policy(state.settings.seed)
        self._clock = ObservationClock()
        self._first_pose: Pose | None = None

    def rows(
        self, prompt: str, pose: Pose, capture_ns: int | None, receipt_s: float, *,
        hz: float | None = None, count: int | None = None,
    ) -> adapters.Rows:
        """
        Return the rows for an observed pose, bent by the faults that are on.

        :param capture_ns: the client's time of the observation, if it says.
        :param receipt_s: monotonic time of receipt.
        :param hz: rate of the rows, and ``count`` their number; the settings' when None.
        :returns: (count, 6) degrees and percent.
        """
        settings = self._state.settings
        self._first_pose = self._first_pose or pose
        rows = self._policy.rows(
            prompt, pose, self._clock.tick(capture_ns, receipt_s),
            hz=hz or settings.hz, count=count or settings.chunk_size,
        )
        return corruption.bend_rows(rows, self._state.faults, self._first_pose)


class Inference:
    """
    The policy of one stream, in the layout that its client speaks.

    :param opened: what the client asked for.
    :raises ValueError: on an unknown action adapter.
    """

    def __init__(self, state: ServiceState, opened: SessionOpen) -> None:
        """Choose the layout; nothing is inferred yet."""
        self._opened = opened
        self._adapter = adapters.find(opened.action_adapter, opened.robot)
        self._poses = PoseInference(state)
        self.prompt = opened.prompt

    @property
    def model_id(self) -> str:
        """What the chunks name as their model."""
        return self._opened.lora or self._opened.model or 'pi0.5'

    def infer(
        self, observation: Observation, receipt_s: float
    ) -> tuple[adapters.Adapter, adapters.Rows]:
        """
        Return the layout and the rows, bent by the faults that are on.

        :param receipt_s: monotonic time of receipt.
        :raises BadInput: when the state has the wrong length.
        """
        if self._adapter is None:
            self._adapter = adapters.for_state(len(observation.state))
        adapter = self._adapter
        check_length(observation.state, adapter)
        if observation.prompt is not None:
            self.prompt = observation.prompt
        rows = self._poses.rows(
            self.prompt, adapter.to_pose(observation.state), observation.capture_time_ns,
            receipt_s, hz=self._opened.hz, count=self._opened.chunk_size,
        )
        return adapter, adapter.to_rows(rows)


def check_length(state: tuple[float, ...], adapter: adapters.Adapter) -> None:
    """
    Make sure that a state has as many numbers as its layout.

    :raises BadInput: when it has not.
    """
    if len(state) != adapter.state_dim:
        raise BadInput(
            'invalid_state', f"'state' must hold {adapter.state_dim} numbers for "
            f'{adapter.name}, got {len(state)}'
        )
