# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Inference sessions: the state machine of protocol section i.2, and the table of all sessions.

Expiry is an event like the others; it is noticed when a session is next looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import secrets

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.receipts import Receipts
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.storage.table import new_id, Row, Table


class Status(str, Enum):
    """Where a session is in its life; only ``ACTIVE`` can be left."""

    ACTIVE = 'active'
    CLOSED = 'closed'
    EXPIRED = 'expired'
    FAILED = 'failed'


class Mode(str, Enum):
    """What the robot's owner allows the actions to do."""

    DRY_RUN = 'dry_run'
    APPLY_ACTIONS = 'apply_actions'


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
    """What the client asked for; empty texts were not given."""

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

    def to_json(self) -> dict[str, object]:
        """Return the row of ``listInferenceSessions``; what is unknown is left out."""
        row = ids('sessionId', self.id) | {
            'status': self.status.value,
            'mode': self.mode.value, 'createdAt': self.created_ms, 'expiresAt': self.expires_ms,
        }
        return row | given({
            'baseModel': self.request.base_model, 'robotType': self.request.robot_type,
            'modelId': self.request.model_id, 'deploymentId': self.request.deployment_id,
            'robotId': self.request.robot_id, 'runtime': self.request.runtime,
            'clientSessionId': self.request.client_session_id,
            'closeReason': self.end_reason, 'endedAt': self.ended_ms,
        })


class Sessions:
    """
    Every session, oldest first.

    :param clock: decides about expiry.
    :param receipts: where it is written what happens under a deployment.
    """

    def __init__(self, clock: ServiceClock, receipts: Receipts) -> None:
        """Start without any."""
        self._clock = clock
        self._receipts = receipts
        self.table = Table(Session, Reason.SESSION_NOT_FOUND)

    def open(self, request: SessionRequest, expiry_s: float) -> Session:
        """Start an active session that lives ``expiry_s`` seconds."""
        now_ms = self._clock.now_ms()
        session = self.table.add(Session(
            id=new_id('sess'), token=secrets.token_hex(24), request=request,
            created_ms=now_ms, expires_ms=now_ms + round(expiry_s * 1e3), mode=request.mode,
        ))
        self._write(session, 'authorized')
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
        Set the mode of an active session; the same mode again is no error.

        :raises Refusal: ``session_not_found``, or what ended the session.
        """
        session = self.get(session_id)
        self._apply(session, Event.PROMOTE)
        if session.mode is not mode:
            session.mode = mode
            self._write(session, 'promoted' if mode is Mode.APPLY_ACTIONS else 'demoted')
        return session

    def refuse_promotion(self, session: Session, reason: Reason) -> Refusal:
        """Write down that a session was not promoted, and return the refusal to raise."""
        self._write(session, 'promotion_refused', reason.value)
        return Refusal(reason)

    def close(self, session_id: str, reason: str) -> Session:
        """
        End an active session because its client says so.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        session = self.get(session_id)
        self._apply(session, Event.CLOSE, reason)
        return session

    def expire(self, session_id: str) -> Session:
        """
        End an active session as if its time were over.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        session = self.get(session_id)
        self._apply(session, Event.EXPIRE, 'expired')
        session.expires_ms = min(session.expires_ms, self._clock.now_ms())
        return session

    def fail(self, session_id: str, reason: str) -> Session:
        """
        End an active session because its worker is gone.

        :raises Refusal: ``session_not_found``, or what ended the session before.
        """
        session = self.get(session_id)
        self._apply(session, Event.FAIL, reason)
        return session

    def has_token(self, token: str) -> bool:
        """Say whether the token is the grant of a session that is active now."""
        given = token.encode(errors='surrogatepass')
        return any(
            secrets.compare_digest(session.token.encode(), given)
            for session in self.all(Status.ACTIVE)
        )

    def _updated(self, session: Session) -> Session:
        """Notice that the session's time is over."""
        if session.status is Status.ACTIVE and self._clock.now_ms() >= session.expires_ms:
            self._apply(session, Event.EXPIRE, 'expired')
        return session

    def _apply(self, session: Session, event: Event, reason: str = '') -> None:
        following = TRANSITIONS.get((session.status, event))
        if following is None:
            raise Refusal(ENDED[session.status])
        session.status = following
        if following is not Status.ACTIVE:
            session.end_reason = reason
            session.ended_ms = self._clock.now_ms()
            self._write(session, following.value, reason)

    def _write(self, session: Session, event: str, reason: str = '') -> None:
        self._receipts.write(
            session.request.deployment_id, session.id, event, session.mode.value, reason)
