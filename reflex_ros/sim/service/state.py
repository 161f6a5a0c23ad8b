# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that one service process knows, in one place; handlers get this object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
import secrets

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.faults.kinds import HTTP_FAMILIES
from reflex_ros.sim.service.faults.switches import Faults
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.accounts import Accounts
from reflex_ros.sim.service.resources.datasets import Datasets
from reflex_ros.sim.service.resources.deployments import BLOCKED, Deployment, Deployments, READY
from reflex_ros.sim.service.resources.instances import Instances
from reflex_ros.sim.service.resources.keys import Key, Keys, OWN_KEY
from reflex_ros.sim.service.resources.logins import Logins
from reflex_ros.sim.service.resources.models import Models
from reflex_ros.sim.service.resources.receipts import Receipts
from reflex_ros.sim.service.resources.recordings import Recordings
from reflex_ros.sim.service.resources.robots import Robots
from reflex_ros.sim.service.resources.sessions import Mode, Sessions, Status
from reflex_ros.sim.service.resources.step_training import StepRuns
from reflex_ros.sim.service.resources.training import TrainingRuns
from reflex_ros.sim.service.resources.uploads import Blobs, Upload, Uploads
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.storage.store import Store

ORGANISATION = {'id': 'org_sim', 'name': 'Simulated Robotics', 'slug': 'simulated-robotics'}


@dataclass(slots=True)
class Counters:
    """What ``/admin/state`` counts; all since the start of the process."""

    connections: int = 0
    open_connections: int = 0
    handshakes_refused: int = 0
    observations_received: int = 0
    observations_dropped: int = 0
    chunks_sent: int = 0
    errors_sent: int = 0
    rpc_refused: int = 0
    log_lines: int = 0
    telemetry_samples: int = 0
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HTTP_FAMILIES, 0))

    def to_json(self) -> dict[str, object]:
        """Return every counter, the HTTP requests by family: ``rpc_calls`` and so on."""
        counts = asdict(self)
        calls: dict[str, int] = counts.pop('calls')
        return counts | {f'{family}_calls': count for family, count in calls.items()}


class ServiceState:
    """
    The simulated service without its sockets.

    :param settings: the values to start with.
    :param clock: injected in tests.
    :param directory: where the state survives a restart; None keeps it in memory.
    :raises StateError: when the directory cannot be used, or its state not be read.
    """

    def __init__(
        self, settings: Settings, clock: ServiceClock | None = None,
        directory: Path | None = None,
    ) -> None:
        """Set up the presets, or what an earlier service has left."""
        self.settings = settings
        self.clock = clock or ServiceClock()
        self.faults = Faults()
        self.counters = Counters()
        self.accounts = Accounts(self.clock)
        self.logins = Logins(self.clock)
        self.receipts = Receipts(self.clock)
        self.sessions = Sessions(self.clock, self.receipts)
        self.robots = Robots(self.clock)
        self.deployments = Deployments(self.clock)
        self.uploads = Uploads(self.clock, Blobs(directory / 'blobs' if directory else None))
        self.datasets = Datasets(self.clock, self.uploads)
        self.models = Models(self.clock)
        self.keys = Keys(self.clock)
        self.training_runs = TrainingRuns(self.clock)
        self.step_runs = StepRuns(self.clock)
        self.instances = Instances(self.clock)
        self.recordings = Recordings(self.clock, self.uploads)
        self.base_url = ''
        self.key_revoked = False
        self.is_stopping = False
        self._listeners: set[Callable[[], None]] = set()
        self._store = self._open_store(directory) if directory else None

    def accepts(self, key: str) -> bool:
        """Say whether a bearer opens the service: the API key, or the grant of a live session."""
        if self.key_revoked:
            return False
        return self.accepts_key(key) or self.sessions.has_token(key)

    def accepts_key(self, key: str) -> bool:
        """Say whether this is an API key that is valid now."""
        try:
            self.key_of(key)
        except Refusal:
            return False
        return True

    def key_of(self, secret: str) -> Key:
        """
        Return the key that a secret belongs to.

        :raises Refusal: ``unknown_key`` or ``key_revoked``.
        """
        # JSON and HTTP can both carry texts that are no UTF-8.
        given = secret.encode(errors='surrogatepass')
        if not secrets.compare_digest(given, self.settings.key.encode()):
            return self.keys.check(secret)
        if self.key_revoked:
            raise Refusal(Reason.UNKNOWN_KEY)
        return self.keys.table.get(OWN_KEY)

    def upload_url(self, upload: Upload) -> str:
        """Return the address that the bytes of an upload go to."""
        return f'{self.base_url}/uploads/{upload.token}'

    def deployment_status(self, deployment: Deployment) -> str:
        """Return the status that clients see."""
        return BLOCKED if self.faults.is_on('deployment_not_ready') else deployment.status

    def is_ready(self, deployment_id: str) -> bool:
        """
        Say whether the deployment may apply actions; an empty id asks about no deployment.

        :raises Refusal: ``deployment_not_found``.
        """
        if not deployment_id:
            return not self.faults.is_on('deployment_not_ready')
        return self.deployment_status(self.deployments.table.get(deployment_id)) == READY

    def switch_on(
        self, name: str, value: object = None, times: object = None
    ) -> dict[str, object]:
        """
        Switch a fault on; what it does to sessions and key "now" is done at once.

        :returns: the fault, and how many sessions it hit already.
        :raises ValueError: on an unknown name or a bad value.
        """
        fault = self.faults.switch_on(name, value, times)
        hit = 0
        if fault.number == 0.0:
            if name == 'expire':
                hit = self._end_sessions(self.sessions.expire)
            elif name == 'fail':
                hit = self._end_sessions(lambda each: self.sessions.fail(each, 'worker lost'))
            elif name == 'demote':
                hit = self._demote_sessions()
            elif name == 'revoke_key_after':
                self.key_revoked, hit = True, 1
        if hit:
            self.faults.take(name)
        return {'fault': fault.to_json(), 'hit': hit}

    def clear(self, name: str | None = None) -> None:
        """
        Switch one fault off, or all, and take a revoked key back.

        :raises ValueError: on an unknown name.
        """
        self.faults.clear(name)
        if name in (None, 'revoke_key_after'):
            self.key_revoked = False

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener after each change that a stream must notice at once."""
        self._listeners.add(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Undo ``subscribe``."""
        self._listeners.discard(listener)

    def notify(self) -> None:
        """Tell the streams that something changed under them."""
        for listener in tuple(self._listeners):
            listener()

    def save(self) -> None:
        """
        Write down what has changed, when there is a directory for it.

        :raises StateError: when the disk does not take it.
        """
        if self._store is not None:
            self._store.save()

    def close(self) -> None:
        """Give the directory back, and forget uploads without one; may be called twice."""
        self.uploads.blobs.close()
        if self._store is not None:
            self._store.close()

    def to_json(self) -> dict[str, object]:
        """Return the body of ``/admin/state``."""
        return {
            'counters': self.counters.to_json(),
            'faults': self.faults.to_json(),
            'settings': self.settings.to_json(),
            'key_revoked': self.key_revoked,
            'sessions': [
                session.to_json() | {'prompt': session.prompt, 'chunksSent': session.chunks_sent}
                for session in self.sessions.all()
            ],
            'deployments': [
                deployment.to_json(self.deployment_status(deployment))
                for deployment in self.deployments.table.all()
            ],
            'recordings': [recording.to_json() for recording in self.recordings.table.all()],
        }

    def _open_store(self, directory: Path) -> Store:
        """Read what an earlier service has left."""
        return Store(directory, self.clock, {
            'accounts': self.accounts.table,
            'logins': self.logins.table,
            'sessions': self.sessions.table,
            'receipts': self.receipts.table,
            'robot_schemas': self.robots.schemas,
            'robots': self.robots.table,
            'pairing_tokens': self.robots.tokens,
            'deployments': self.deployments.table,
            'uploads': self.uploads.table,
            'datasets': self.datasets.table,
            'models': self.models.table,
            'keys': self.keys.table,
            'training_runs': self.training_runs.table,
            'step_runs': self.step_runs.table,
            'instances': self.instances.table,
            'recordings': self.recordings.table,
        })

    def _end_sessions(self, end: Callable[[str], object]) -> int:
        """End every active session in some way; return how many there were."""
        active = self.sessions.all(Status.ACTIVE)
        for session in active:
            end(session.id)
        return len(active)

    def _demote_sessions(self) -> int:
        """Set every promoted session back to dry_run, telling nobody; return how many."""
        promoted = [
            session for session in self.sessions.all(Status.ACTIVE)
            if session.mode is Mode.APPLY_ACTIONS
        ]
        for session in promoted:
            session.mode = Mode.DRY_RUN
        return len(promoted)
