# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From one observation to the rows of its answer: layout, clock, policy, content faults."""

from __future__ import annotations

from reflex_ros.sim.service import adapters, corruption
from reflex_ros.sim.service.messages import BadInput, Observation, SessionOpen
from reflex_ros.sim.service.motion import Pose
from reflex_ros.sim.service.policies import ObservationClock, Policy
from reflex_ros.sim.service.state import ServiceState


class Inference:
    """
    The policy of one stream.

    :param opened: what the client asked for.
    :raises ValueError: on an unknown action adapter.
    """

    def __init__(self, state: ServiceState, opened: SessionOpen) -> None:
        """Choose the layout; nothing is inferred yet."""
        self._state = state
        self._opened = opened
        self._adapter = adapters.find(opened.action_adapter, opened.robot)
        self._policy = Policy(state.settings.seed)
        self._clock = ObservationClock()
        self._first_pose: Pose | None = None
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
        settings, state = self._state.settings, observation.state
        if self._adapter is None:
            self._adapter = adapters.for_state(len(state))
        adapter = self._adapter
        if len(state) != adapter.state_dim:
            raise BadInput(
                'invalid_state', f"'state' must hold {adapter.state_dim} numbers for "
                f'{adapter.name}, got {len(state)}'
            )
        if observation.prompt is not None:
            self.prompt = observation.prompt
        pose = adapter.to_pose(state)
        self._first_pose = self._first_pose or pose
        rows = self._policy.rows(
            self.prompt, pose, self._clock.tick(observation.capture_time_ns, receipt_s),
            hz=self._opened.hz or settings.hz,
            count=self._opened.chunk_size or settings.chunk_size,
        )
        bent = corruption.bend_rows(rows, self._state.faults, self._first_pose)
        return adapter, adapter.to_rows(bent)
