# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An open session on a connection: answer its observations, and notice when it is over.

One inference at a time, as one worker would do it: an observation that comes while another is
being answered waits for its turn, and ``total_ms`` shows it.
"""

from __future__ import annotations

import random
import time

from reflex_ros.sim.service.faults import corruption
from reflex_ros.sim.service.faults.switches import Fault
from reflex_ros.sim.service.resources.deployments import Mode
from reflex_ros.sim.service.resources.sessions import ENDED, Session, SESSION_FAULTS, Status
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream import messages
from reflex_ros.sim.service.stream.connection import Connection
from reflex_ros.sim.service.stream.inference import Inference
from reflex_ros.sim.service.stream.messages import Observation, StreamEnd


class Answering:
    """Serve the observations of one session, until its key or the session ends."""

    def __init__(
        self, state: ServiceState, connection: Connection, session: Session,
        inference: Inference, key: str,
    ) -> None:
        self.session = session
        self._state = state
        self._faults = state.faults
        self._connection = connection
        self._inference = inference
        self._key = key
        # The jitter is the same for the same seed and the same number of connections before.
        self._random = random.Random(f'{state.settings.seed}:{state.counters["connections"]}')
        self._next_seq = 0
        self._answers = 0
        self._chunks_sent = 0
        # Serial of a fault -> chunks sent when this stream first saw it.
        self._chunks_before: dict[int, int] = {}
        self._held: list[corruption.Frame] = []

    async def answer(self, observation: Observation, received_s: float) -> None:
        """
        Infer, wait for as long as an inference takes, and send the chunk.

        :param received_s: monotonic time of receipt.
        :raises StreamEnd: when the stream is over before or after it.
        :raises ConnectionError: when the client is gone.
        """
        started_s = time.monotonic()
        if self.session.mode is Mode.DRY_RUN and self._faults.consume('session_dry_run'):
            raise StreamEnd(messages.POLICY_VIOLATION, (
                'session_dry_run', 'the session is still in dry_run'))
        seq = self._next_seq if observation.seq is None else observation.seq
        self._next_seq = max(self._next_seq, seq + 1)
        adapter, rows = self._inference.infer(observation, received_s)
        self.session.prompt = self._inference.prompt
        if self._is_dropped():
            self._state.counters['observations_dropped'] += 1
            return
        done_s = started_s + self._latency_s()
        while time.monotonic() < done_s:
            await self._connection.pause(done_s)
            self.check()
        now_s = time.monotonic()
        infer_ms = round((now_s - started_s) * 1e3, 3)
        total_ms = round((now_s - received_s) * 1e3, 3)
        frame: corruption.Frame = {
            'type': 'action_chunk', 'seq': seq, 'session_id': self.session.id,
            'action_shape': [len(rows), adapter.action_dim],
            'infer_ms': infer_ms, 'total_ms': total_ms,
            'timing': {'server_infer_ms': infer_ms, 'server_total_ms': total_ms},
            'model_id': self._inference.model_id,
        }
        if observation.request_id is not None:
            frame['request_id'] = observation.request_id
        corruption.corrupt_frame(frame, {'actions': rows, adapter.twin: rows}, self._faults)
        frames = [frame]
        if fault := self._faults.consume('wrong_seq'):
            frames = corruption.renumber(frame, seq, fault.text, self._held)
        for each in frames:
            await self._connection.deliver(each)
            self._chunks_sent += 1
            self.session.chunks_sent += 1
            self._state.counters['chunks_sent'] += 1
        self.check()

    def check(self) -> None:
        """Let the faults happen that are due; ``StreamEnd`` when the session does not go on."""
        if self._consume_due('revoke_key_after'):
            self._state.key_revoked = True
            self._state.notify()
        for name in SESSION_FAULTS:
            if self._is_due(name) and self._state.sessions.apply_fault(self.session, name):
                self._faults.consume(name)
        self._check_session()
        if self._consume_due('reset'):
            raise StreamEnd(None)
        if fault := self._consume_due('error_frame'):
            raise StreamEnd(1011, ('internal_error', fault.text))
        if fault := self._consume_due('close'):
            raise StreamEnd(int(fault.text))

    def _check_session(self) -> None:
        status = self._state.sessions.get(self.session.id).status
        if status is not Status.ACTIVE:
            error = (ENDED[status].value, f'the session is {status.value}')
            raise StreamEnd(messages.POLICY_VIOLATION, error)
        if not self._state.accepts(self._key):
            raise StreamEnd(messages.POLICY_VIOLATION, ('unknown_key', 'the key is not valid'))
        if self._state.is_stopping:
            raise StreamEnd(messages.GOING_AWAY)

    def _is_due(self, name: str) -> bool:
        """Return whether a fault is on, and as many chunks as it names were sent since then."""
        fault = self._faults.get(name)
        if fault is None:
            return False
        before = self._chunks_before.setdefault(fault.serial, self._chunks_sent)
        return self._chunks_sent - before >= fault.number

    def _consume_due(self, name: str) -> Fault | None:
        return self._faults.consume(name) if self._is_due(name) else None

    def _is_dropped(self) -> bool:
        self._answers += 1
        if self._faults.consume('silence'):
            return True
        skip = self._faults.get('skip_one_in')
        is_due = skip is not None and self._answers % max(1, int(skip.number)) == 0
        return is_due and self._faults.consume('skip_one_in') is not None

    def _latency_s(self) -> float:
        latency_s = self._state.settings.latency_s(self._random)
        fault = self._faults.consume('slow')
        return latency_s + (fault.number * 1e-3 if fault else 0.0)
