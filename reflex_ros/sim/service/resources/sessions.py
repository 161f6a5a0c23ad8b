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

from reflex_ros.sim.service.calls import ABSENT, ids, Json, known, rpc
from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.refusals import invalid, Reason, Refusal
from reflex_ros.sim.service.resources.deployments import Deployments, Mode, parse_mode
from reflex_ros.sim.service.storage.table import new_id, Row

PRODUCT_MODEL = 'pi0.5'
MOST_RECEIPTS = 1000
# Faults that happen to a session, not to its stream.
SESSION_FAULTS = ('expire', 'fail', 'demote')


class Status(str, Enum):
    """Where a session is in its life; only ``ACTIVE`` can be left."""

    ACTIVE = 'active'
    CLOSED = 'closed'
    EXPIRED = 'expired'
    FAILED = 'failed'


class Event(str, Enum):
    """What can happen to a session."""

    PROMOTE = 'promote'
    CLOSE = 'close'
    EXPIRE = 'expire'
    FAIL = 'fail'


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.ACTIVE, Event.PROMOTE): Status.ACTIVE,
    (Status.ACTIVE, Event.CLOSE): Status.CLOSED,
    (Status.ACTIVE, Event.EXPIRE): Status.EXPIRED,
    (Status.ACTIVE, Event.FAIL): Status.FAILED,
}

ENDED: dict[Status, Reason] = {
    Status.CLOSED: Reason.SESSION_CLOSED,
    Status.EXPIRED: Reason.SESSION_EXPIRED,
    Status.FAILED: Reason.SESSION_FAILED,
}


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What the client asked for; empty texts mean that it was not sent."""

    base_model: str
    mode: Mode = Mode.DRY_RUN
    robot_type: str = ''
    model_id: str = ''
    deployment_id: str = ''
    robot_id: str = ''
    runtime: str = ''
    client_session_id: str = ''


@dataclass
class Session(Row):
    """
    One session, as the service remembers it.

    :param token: the grant's bearer token.
    :param created_ms: epoch [ms], as are the other times.
    :param end_reason: what ended it, empty while active.
    :param prompt: the latest one; ``chunks_sent`` counts over all its streams.
    """

    id: str
    token: str
    request: SessionRequest
    created_ms: int
    expires_ms: int
    mode: Mode
    status: Status = Status.ACTIVE
    end_reason: str = ''
    ended_ms: int | None = None
    prompt: str = ''
    chunks_sent: int = 0

    def ids(self) -> Json:
        """Return id, status and mode, the short form of a row."""
        return ids('sessionId', self.id) | {'status': self.status.value, 'mode': self.mode.value}

    def to_json(self) -> Json:
        """Return the row of ``listInferenceSessions``; what is unknown is left out."""
        asked = self.request
        return self.ids() | {'createdAt': self.created_ms, 'expiresAt': self.expires_ms} | known({
            'baseModel': asked.base_model, 'robotType': asked.robot_type,
            'modelId': asked.model_id, 'deploymentId': asked.deployment_id,
            'robotId': asked.robot_id, 'runtime': asked.runtime,
            'clientSessionId': asked.client_session_id, 'closeReason': self.end_reason,
            'endedAt': self.ended_ms,
        })


@dataclass(frozen=True)
class Receipt(Row):
    """
    One event of a session under a deployment.

    :param event: authorized, promoted, demoted, promotion_refused, closed, expired or failed.
    :param mode: of the session after the event.
    :param reason: why it was refused or has ended, empty otherwise.
    """

    id: str
    deployment_id: str
    session_id: str
    event: str
    mode: str
    reason: str
    created_ms: int

    def to_json(self) -> Json:
        """Return the row of ``listDeploymentReceipts``."""
        return ids('receiptId', self.id) | {
            'event': self.event, 'deploymentId': self.deployment_id,
            'sessionId': self.session_id, 'mode': self.mode, 'createdAt': self.created_ms,
        } | known({'reason': self.reason})


class Sessions:
    """Every session, oldest first, and the latest receipts."""

    def __init__(self, context: Context, deployments: Deployments) -> None:
        self._context = context
        self._deployments = deployments
        self.table = context.add_table('sessions', Session, Reason.SESSION_NOT_FOUND)
        self.receipts = context.add_table('receipts', Receipt, limit=MOST_RECEIPTS)

    @rpc('publicApi:authorizeSession')
    def authorize(
        self, *, base_model: str, robot_type: str = '', client_region: str = '',
        action_adapter: str = '', mode: str = ABSENT, model_id: str = '', deployment_id: str = '',
        robot_id: str = '', runtime: str = '', client_session_id: str = '',
    ) -> Json:
        """
        Open a session and grant a token for it.

        The product form differs from the connect form by its ``mode``; it knows one base model.
        """
        wanted = Mode.DRY_RUN if mode is ABSENT else parse_mode(mode)
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
        session = self.open(SessionRequest(
            base_model, wanted, robot_type, model_id, deployment_id, robot_id, runtime,
            client_session_id))
        url = self._context.base_url
        return session.ids() | {
            'token': session.token, 'primeUrl': url, 'workerUrl': url,
            'expiresAt': session.expires_ms, 'model': base_model,
        }

    @rpc('publicApi:listInferenceSessions')
    def list_rows(self, *, status: str = ABSENT) -> Json:
        """Return the sessions, newest last, or those in one status."""
        try:
            wanted = None if status is ABSENT else Status(status)
        except ValueError as exc:
            raise invalid('unknown status') from exc
        return {'sessions': [session.to_json() for session in self.all(wanted)]}

    @rpc('publicApi:promoteSession')
    def promote_row(self, *, session_id: str, mode: str) -> Json:
        """Set the mode, in either direction; up only when the deployment is ready."""
        wanted = parse_mode(mode)
        session = self.get(session_id)
        if wanted is Mode.APPLY_ACTIONS and (reason := self._promotion_refusal(session)):
            self._record(session, 'promotion_refused', reason.value)
            raise Refusal(reason)
        self.promote(session_id, wanted)
        self._context.notify()
        return session.ids()

    @rpc('publicApi:closeSession')
    def close_row(self, *, session_id: str, reason: str) -> Json:
        """End a session; a stream that runs on it ends too."""
        session = self.close(session_id, reason)
        self._context.notify()
        return session.ids()

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

    def open(self, request: SessionRequest) -> Session:
        """Start an active session that lives as long as the settings say."""
        now_ms = self._context.clock.now_ms()
        session = self.table.add(Session(
            new_id('sess'), secrets.token_hex(24), request, now_ms,
            now_ms + round(self._context.settings.expiry_s * 1e3), request.mode))
        self._record(session, 'authorized')
        return session

    def find(self, session_id: str) -> Session | None:
        """Return the session with its status up to date, or None."""
        session = self.table.find(session_id)
        return None if session is None else self._updated(session)

    def get(self, session_id: str) -> Session:
        """
        Return the session with its status up to date.

        :raises Refusal: ``session_not_found``.
        """
        return self._updated(self.table.get(session_id))

    def all(self, status: Status | None = None) -> list[Session]:
        """Return the sessions in a status, or all."""
        sessions = [self._updated(session) for session in self.table.all()]
        return [session for session in sessions if status in (None, session.status)]

    def promote(self, session_id: str, mode: Mode) -> Session:
        """
        Set the mode of an active session; repeating a mode is no error.

        :raises Refusal: ``session_not_found``, or what ended the session.
        """
        session = self._apply(self.get(session_id), Event.PROMOTE)
        if session.mode is not mode:
            session.mode = mode
            self._record(session, 'promoted' if mode is Mode.APPLY_ACTIONS else 'demoted')
        return session

    def close(self, session_id: str, reason: str) -> Session:
        """
        End an active session because its client says so.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        return self._apply(self.get(session_id), Event.CLOSE, reason)

    def expire(self, session_id: str) -> Session:
        """
        End an active session as if its time were over.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        session = self._apply(self.get(session_id), Event.EXPIRE, 'expired')
        session.expires_ms = min(session.expires_ms, self._context.clock.now_ms())
        return session

    def fail(self, session_id: str, reason: str = 'worker lost') -> Session:
        """
        End an active session because its worker is gone.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        return self._apply(self.get(session_id), Event.FAIL, reason)

    def apply_fault(self, session: Session, name: str) -> bool:
        """
        End or demote an active session as a fault of ``SESSION_FAULTS`` does.

        :returns: False when there was nothing to end or to demote.
        """
        if self._updated(session).status is not Status.ACTIVE:
            return False
        if name == 'expire':
            self.expire(session.id)
        elif name == 'fail':
            self.fail(session.id)
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
        if not self._deployments.is_ready(session.request.deployment_id):
            return Reason.DEPLOYMENT_NOT_READY
        if self._context.faults.consume('session_dry_run'):
            return Reason.SESSION_DRY_RUN
        return None

    def _updated(self, session: Session) -> Session:
        """Expire the session when its time is over."""
        is_over = self._context.clock.now_ms() >= session.expires_ms
        if session.status is Status.ACTIVE and is_over:
            self._apply(session, Event.EXPIRE, 'expired')
        return session

    def _apply(self, session: Session, event: Event, reason: str = '') -> Session:
        following = TRANSITIONS.get((session.status, event))
        if following is None:
            raise Refusal(ENDED[session.status])
        session.status = following
        if following is not Status.ACTIVE:
            session.end_reason = reason
            session.ended_ms = self._context.clock.now_ms()
            self._record(session, following.value, reason)
        return session

    def _record(self, session: Session, event: str, reason: str = '') -> None:
        """Add a receipt; a session without a deployment has none."""
        if session.request.deployment_id:
            self.receipts.add(Receipt(
                new_id('receipt'), session.request.deployment_id, session.id, event,
                session.mode.value, reason, self._context.clock.now_ms()))
