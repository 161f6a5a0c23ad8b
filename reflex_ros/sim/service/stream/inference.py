# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy of one stream, in the row layout that its client speaks."""

from __future__ import annotations

from collections.abc import Sequence

from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.policy import adapters
from reflex_ros.sim.service.policy.inference import PoseInference
from reflex_ros.sim.service.so101 import Pose, Rows
from reflex_ros.sim.service.stream.messages import BadInput, Observation, SessionOpen


class Inference:
    """Answer the observations of one stream; ``ValueError`` on an unknown action adapter."""

    def __init__(self, context: Context, opened: SessionOpen) -> None:
        self._context = context
        self._opened = opened
        self._adapter = adapters.find(opened.action_adapter, opened.robot)
        self._poses = PoseInference(context)
        self.prompt = opened.prompt

    @property
    def model_id(self) -> str:
        """What the chunks name as their model."""
        return self._opened.lora or self._opened.model or 'pi0.5'

    @property
    def layout(self) -> dict[str, object]:
        """What ``session.ready`` says of states and rows; empty until an adapter is chosen."""
        adapter = self._adapter
        return {} if adapter is None else {
            'action_adapter': adapter.name, 'action_dim': adapter.action_dim}

    def infer(self, observation: Observation, receipt_s: float) -> tuple[adapters.Adapter, Rows]:
        """Return layout and rows, faults included; ``BadInput`` when a length is wrong."""
        if self._adapter is None:
            self._adapter = adapters.for_state(len(observation.state))
        adapter = self._adapter
        check_length(observation.state, adapter)
        if observation.prompt is not None:
            self.prompt = observation.prompt
        rows = self._poses.rows(
            self.prompt, adapter.to_pose(observation.state), observation.capture_time_ns,
            receipt_s, hz=self._opened.hz, count=self._opened.chunk_size,
            prefix=self._prefix(observation, adapter), frozen=observation.prefix_rows)
        return adapter, adapter.to_rows(rows, observation.state)

    def _prefix(self, observation: Observation, adapter: adapters.Adapter) -> list[Pose]:
        """Return what the client will execute; empty when it does not say or it is not wanted."""
        rows = observation.action_prefix or []
        if any(len(row) != len(observation.state) for row in rows):
            raise BadInput('invalid_action_prefix', "the rows of 'action_prefix' must hold "
                           f'{len(observation.state)} numbers, as the state')
        if not rows or not self._context.settings.inpaint:
            return []
        self._context.counters['prefixes_used'] += 1
        return [adapter.to_pose(row) for row in rows]


def check_length(state: Sequence[float], adapter: adapters.Adapter) -> None:
    """Check that a state has as many numbers as its layout; ``BadInput`` when not."""
    if len(state) not in adapter.state_dims:
        raise BadInput(
            'invalid_state', f"'state' must hold {' or '.join(map(str, adapter.state_dims))} "
            f'numbers for {adapter.name}, got {len(state)}')
