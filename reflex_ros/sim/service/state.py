# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that one service process knows: the context and all resources, wired together."""

from __future__ import annotations

from pathlib import Path

from reflex_ros.sim.service.calls import Call, calls_of
from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import Refusal
from reflex_ros.sim.service.resources.accounts import Accounts
from reflex_ros.sim.service.resources.datasets import Datasets
from reflex_ros.sim.service.resources.deployments import Deployments
from reflex_ros.sim.service.resources.instances import Instances
from reflex_ros.sim.service.resources.keys import Keys
from reflex_ros.sim.service.resources.logins import Logins
from reflex_ros.sim.service.resources.models import Models
from reflex_ros.sim.service.resources.recordings import Recordings
from reflex_ros.sim.service.resources.robots import Robots
from reflex_ros.sim.service.resources.sessions import SESSION_FAULTS, Sessions
from reflex_ros.sim.service.resources.step_training import StepRuns
from reflex_ros.sim.service.resources.telemetry import Telemetry
from reflex_ros.sim.service.resources.training import TrainingRuns
from reflex_ros.sim.service.resources.uploads import Uploads
from reflex_ros.sim.service.settings import Settings


class ServiceState(Context):
    """The simulated service without its sockets; a bad directory is a ``StateError``."""

    def __init__(
        self, settings: Settings, clock: ServiceClock | None = None,
        directory: Path | None = None,
    ) -> None:
        super().__init__(settings, clock)
        self.accounts = Accounts(self)
        self.logins = Logins(self)
        self.keys = Keys(self)
        self.uploads = Uploads(self, directory / 'blobs' if directory else None)
        self.datasets = Datasets(self, self.uploads)
        self.models = Models(self, self.uploads, self.keys)
        self.robots = Robots(self)
        self.deployments = Deployments(self, self.models, self.robots)
        self.sessions = Sessions(self, self.deployments)
        self.recordings = Recordings(self, self.uploads)
        self.training_runs = TrainingRuns(self, self.datasets, self.models)
        self.step_runs = StepRuns(self, self.datasets, self.models)
        self.instances = Instances(self)
        self.calls: tuple[Call, ...] = tuple(
            call for resource in (*vars(self).values(), Telemetry(self))
            for call in calls_of(resource))
        self._store = None
        if directory is not None:
            # Only needed with a directory, and 0.01 s to import.
            from reflex_ros.sim.service.storage.store import Store

            self._store = Store(directory, self.clock, self.tables)

    def accepts(self, key: str) -> bool:
        """Return whether a bearer is valid: an API key, or the grant of an active session."""
        if self.key_revoked:
            return False
        try:
            self.keys.find(key)
        except Refusal:
            return self.sessions.has_token(key)
        return True

    def switch_on(
        self, name: str, value: object = None, times: object = None
    ) -> dict[str, object]:
        """
        Switch a fault on; a fault that is due after 0 chunks happens at once.

        :returns: the fault, and how many sessions or keys it has hit already.
        :raises ValueError: on an unknown name or a bad value.
        """
        fault = self.faults.switch_on(name, value, times)
        hit = 0
        if name == 'revoke_key_after' and fault.number == 0.0:
            self.key_revoked, hit = True, 1
        elif name in SESSION_FAULTS and fault.number == 0.0:
            hit = sum(self.sessions.apply_fault(each, name) for each in self.sessions.all())
        if hit:
            self.faults.consume(name)
        return {'fault': fault.to_json(), 'hit': hit}

    def clear(self, name: str | None = None) -> None:
        """Switch one fault off, or all; the key of the settings is then no longer revoked."""
        self.faults.clear(name)
        if name in (None, 'revoke_key_after'):
            self.key_revoked = False

    def advance(self) -> None:
        """
        Do what is due by now on the service's clock.

        Nothing runs on a timer: this is called before and after each call, so that every answer
        shows what the clock says.
        """
        self.models.advance()
        self.training_runs.advance()
        self.recordings.advance()

    def save(self) -> None:
        """Write what has changed, if there is a directory; ``StateError`` on a full disk."""
        if self._store is not None:
            self._store.save()

    def close(self) -> None:
        """Release the directory, and delete uploads without one; may be called twice."""
        self.uploads.blobs.close()
        if self._store is not None:
            self._store.close()

    def to_json(self) -> dict[str, object]:
        """Return the body of ``/admin/state``."""
        return {
            'counters': self.counters,
            'faults': self.faults.to_json(),
            'settings': self.settings.to_json(),
            'key_revoked': self.key_revoked,
            'sessions': [
                session.to_json() | {'prompt': session.prompt, 'chunksSent': session.chunks_sent}
                for session in self.sessions.all()
            ],
            'deployments': self.deployments.list_rows()['deployments'],
            'recordings': [recording.to_json() for recording in self.recordings.table.all()],
        }
