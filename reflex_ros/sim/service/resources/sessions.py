# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Inference sessions: the state machine of protocol section i.2, and their receipts (c.4, i.3).

Expiry is an event like the others; it is noticed when a session is next looked at. Each event of
a session that runs under a deployment leaves a receipt; the fields of receipts are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import secrets
from typing import Annotated

from pydantic import AfterValidator

from reflex_ros.sim.service.calls import ABSENT, Json, rpc, WireRow
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.deployments import Deployments, Mode, ModeName
from reflex_ros.sim.service.storage.table import new_id

PRODUCT_MODEL = 'pi0.5'
MOST_RECEIPTS = 1000
# Faults that happen to a session, not to its stream.
SESSION_FAULTS = ('expire', 'fail', 'demote')


class Status(str, Enum):
    """Where a session is in its life; only ``ACTIVE`` can be left, and all others end it."""

    ACTIVE = 'active'
    CLOSED = 'closed'
    EXPIRED = 'expired'
    FAILED = 'failed'


StatusName = Annotated[str, AfterValidator(lambda name: Status(name))]
ENDED: dict[Status, Reason] = {
    Status.CLOSED: Reason.SESSION_CLOSED,
    Status.EXPIRED: Reason.SESSION_EXPIRED,
    Status.FAILED: Reason.SESSION_FAILED,
}


@dataclass
class Session(WireRow):
    """
    One session, as the service remembers it; empty texts were not sent.

    :param token: the grant's bearer token.
    :param close_reason: what ended it, empty while active.
    :param prompt: the latest one; ``chunks_sent`` counts over all its streams.
    """

    ID_NAME = 'sessionId'
    PRIVATE = ('token', 'prompt', 'chunks_sent')

    id: str
    token: str
    status: Status
    mode: Mode
    created_at: int
    expires_at: int
    base_model: str
    robot_type: str = ''
    model_id: str = ''
    deployment_id: str = ''
    robot_id: str = ''
    runtime: str = ''
    client_session_id: str = ''
    close_reason: str = ''
    ended_at: int | None = None
    prompt: str = ''
    chunks_sent: int = 0


@dataclass(frozen=True)
class Receipt(WireRow):
    """
    One event of a session under a deployment.

    :param event: authorized, promoted, demoted, promotion_refused, closed, expired or failed.
    :param mode: of the session after the event.
    :param reason: why it was refused or has ended, empty otherwise.
    """

    ID_NAME = 'receiptId'

    id: str
    event: str
    deployment_id: str
    session_id: str
    mode: Mode
    created_at: int
    reason: str
    robot_id: str = ''


class Sessions:
    """
    Every session, oldest first, and the latest receipts.

    What needs an active session raises ``Refusal``: ``session_not_found``, or what ended it.
    """

    def __init__(self, context: Context, deployments: Deployments) -> None:
        self._context = context
        self._deployments = deployments
        self.table = context.add_table('sessions', Session, Reason.SESSION_NOT_FOUND)
        self.receipts = context.add_table('receipts', Receipt, limit=MOST_RECEIPTS)

    @rpc('publicApi:authorizeSession')
    def authorize(
        self, *, base_model: str, robot_type: str = '', client_region: str = '',
        action_adapter: str = '', mode: ModeName = ABSENT, model_id: str = '',
        deployment_id: str = '', robot_id: str = '', runtime: str = '',
        client_session_id: str = '',
    ) -> Json:
        """
        Open a session and grant a token for it.

        The product form differs from the connect form by its ``mode``; it knows one base model.
        """
        wanted = Mode(mode or Mode.DRY_RUN)
        if mode is not ABSENT and base_model != PRODUCT_MODEL:
            raise invalid(f'Only base model {PRODUCT_MODEL} is supported.')
        if self._context.is_balance_low():
            raise Refusal(Reason.BALANCE_TOO_LOW)
        if not base_model or not self._context.has_worker(base_model):
            raise Refusal(Reason.NO_INFERENCE_NODE)
        if deployment_id:
            self._deployments.table.get(deployment_id)
        if wanted is Mode.APPLY_ACTIONS and not self._deployments.is_ready(deployment_id):
            raise Refusal(Reason.DEPLOYMENT_NOT_READY)
        session = self.open(
            base_model, wanted, robot_type=robot_type, model_id=model_id,
            deployment_id=deployment_id, robot_id=robot_id, runtime=runtime,
            client_session_id=client_session_id)
        url = self._context.base_url
        return session.ids('status', 'mode') | {
            'token': session.token, 'primeUrl': url, 'workerUrl': url,
            'expiresAt': session.expires_at, 'model': base_model,
        }

    @rpc('publicApi:listInferenceSessions')
    def list_rows(self, *, status: StatusName = ABSENT) -> Json:
        """Return the sessions, newest last, or those in one status."""
        return {'sessions': [session.to_json() for session in self.all(status)]}

    @rpc('publicApi:promoteSession')
    def promote_row(self, *, session_id: str, mode: ModeName) -> Json:
        """Set the mode, in either direction; up only when the deployment is ready."""
        wanted = Mode(mode)
        session = self.get(session_id)
        if wanted is Mode.APPLY_ACTIONS and (reason := self._promotion_refusal(session)):
            self._record(session, 'promotion_refused', reason.value)
            raise Refusal(reason)
        self.promote(session_id, wanted)
        self._context.notify()
        return session.ids('status', 'mode')

    @rpc('publicApi:closeSession')
    def close(self, session_id: str, reason: str) -> Json:
        """End an active session; a stream that runs on it ends too."""
        session = self._active(session_id)
        self._end(session, Status.CLOSED, reason)
        self._context.notify()
        return session.ids('status', 'mode')

    @rpc('publicApi:listDeploymentReceipts')
    def list_receipts(self, *, deployment_id: str = '') -> Json:
        """Return the receipts of one deployment or of all, oldest first."""
        if deployment_id:
            self._deployments.table.get(deployment_id)
        # Notices the sessions that have expired, which leaves receipts.
        self.all()
        return {'receipts': [
            receipt.to_json() for receipt in self.receipts.all()
            if deployment_id in ('', receipt.deployment_id)]}

    def open(self, base_model: str, mode: Mode = Mode.DRY_RUN, **fields: str) -> Session:
        """Start a session, as long as the settings say; ``fields`` are those of ``Session``."""
        now_ms = self._context.clock.now_ms()
        expires_at = now_ms + round(self._context.settings.expiry_s * 1e3)
        session = self.table.add(Session(
            new_id('sess'), secrets.token_hex(24), Status.ACTIVE, mode, now_ms, expires_at,
            base_model, **fields))  # type: ignore[arg-type]
        self._record(session, 'authorized')
        return session

    def find(self, session_id: str) -> Session | None:
        """Return the session with its status up to date, or None."""
        session = self.table.find(session_id)
        return None if session is None else self._updated(session)

    def get(self, session_id: str) -> Session:
        """Return the session with its status up to date; refuse an unknown id."""
        return self._updated(self.table.get(session_id))

    def all(self, status: str | None = None) -> list[Session]:
        """Return the sessions in a status, or all."""
        sessions = [self._updated(session) for session in self.table.all()]
        return [session for session in sessions if status in (None, session.status)]

    def promote(self, session_id: str, mode: Mode) -> Session:
        """Set the mode of an active session; repeating a mode is no error."""
        session = self._active(session_id)
        if session.mode is not mode:
            session.mode = mode
            self._record(session, 'promoted' if mode is Mode.APPLY_ACTIONS else 'demoted')
        return session

    def apply_fault(self, session: Session, name: str) -> bool:
        """End or demote a session as a fault does; False when there was nothing to do."""
        if self._updated(session).status is not Status.ACTIVE:
            return False
        if name == 'expire':
            session.expires_at = self._context.clock.now_ms()
            self._end(session, Status.EXPIRED, 'expired')
        elif name == 'fail':
            self._end(session, Status.FAILED, 'worker lost')
        elif session.mode is Mode.DRY_RUN:
            return False
        else:
            # Without a receipt: nobody is told.
            session.mode = Mode.DRY_RUN
        return True

    def has_token(self, token: str) -> bool:
        """Return whether the token is the grant of a session that is active now."""
        asked = token.encode(errors='surrogatepass')
        return any(
            secrets.compare_digest(session.token.encode(), asked)
            for session in self.all(Status.ACTIVE))

    def _promotion_refusal(self, session: Session) -> Reason | None:
        """Return why a session cannot be promoted, None when it can."""
        if session.status is not Status.ACTIVE:
            return ENDED[session.status]
        if not self._deployments.is_ready(session.deployment_id):
            return Reason.DEPLOYMENT_NOT_READY
        if self._context.faults.consume('session_dry_run'):
            return Reason.SESSION_DRY_RUN
        return None

    def _updated(self, session: Session) -> Session:
        """Expire the session when its time is over."""
        is_over = self._context.clock.now_ms() >= session.expires_at
        if session.status is Status.ACTIVE and is_over:
            self._end(session, Status.EXPIRED, 'expired')
        return session

    def _active(self, session_id: str) -> Session:
        session = self.get(session_id)
        if session.status is not Status.ACTIVE:
            raise Refusal(ENDED[session.status])
        return session

    def _end(self, session: Session, status: Status, reason: str) -> None:
        session.status, session.close_reason = status, reason
        session.ended_at = self._context.clock.now_ms()
        self._record(session, status.value, reason)

    def _record(self, session: Session, event: str, reason: str = '') -> None:
        """Add a receipt; a session without a deployment has none."""
        if session.deployment_id:
            self.receipts.add(Receipt(
                new_id('receipt'), event, session.deployment_id, session.id, session.mode,
                self._context.clock.now_ms(), reason, session.robot_id))
