# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the service sends, as pydantic models: tolerant in reading, the only place with pydantic.

Unknown fields are ignored and optional ones may be missing: the real service was never seen, only
what its clients read (protocol reference, section 0).
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from reflex_ros.errors import ServiceProtocolError


class Message(BaseModel):
    """Base of all messages."""

    model_config = ConfigDict(extra='ignore', frozen=True, populate_by_name=True)


class Envelope(Message):
    """The outer envelope of every RPC answer."""

    status: str
    value: Any = None
    error_message: str | None = Field(None, alias='errorMessage')


class Outcome(Message):
    """The inner envelope: ``ok``, and the reason when it is false."""

    ok: bool = True
    reason: str | None = None
    message: str | None = None


class Organization(Message):
    """Whom a key belongs to."""

    id: str | None = None
    name: str | None = None
    slug: str | None = None


class Account(Outcome):
    """Answer of ``publicApi:whoami``."""

    organization: Organization | None = None
    org_id: str | None = Field(None, alias='orgId')
    key_name: str | None = Field(None, alias='keyName')
    key_id: str | None = Field(None, alias='keyId')
    email: str | None = None


class Grant(Outcome):
    """
    Answer of ``publicApi:authorizeSession``.

    :param expires_at: end of the session, milliseconds since 1970.
    """

    session_id: str = Field('', validation_alias=AliasChoices('sessionId', 'id', '_id'))
    expires_at: float | None = Field(None, alias='expiresAt')
    model: str | None = None


class Session(Message):
    """One row of ``publicApi:listInferenceSessions``."""

    session_id: str = Field('', validation_alias=AliasChoices('sessionId', 'id', '_id'))
    status: str = ''
    mode: str = ''
    deployment_id: str | None = Field(None, alias='deploymentId')
    expires_at: float | None = Field(None, alias='expiresAt')


class Check(Message):
    """One row of a readiness check."""

    name: str = '?'
    status: str = ''
    message: str = ''


class Readiness(Outcome):
    """Answer of ``publicApi:runReadinessCheck``."""

    status: str = ''
    passed: bool = False
    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.status == 'failed')


class Deployment(Message):
    """A deployment; ``ready`` is the status that allows ``apply_actions``."""

    deployment_id: str = Field('', validation_alias=AliasChoices('deploymentId', 'id', '_id'))
    name: str = ''
    status: str = ''
    model_id: str | None = Field(None, alias='modelId')


Model = TypeVar('Model', bound=Message)


def parse(model: type[Model], value: object, what: str) -> Model:
    """
    Make a message from decoded JSON.

    :param what: the function that answered, for the error text.
    :raises ServiceProtocolError: naming the first field that does not fit.
    """
    if not isinstance(value, dict):
        raise ServiceProtocolError(f'{what} response must be a JSON object.')
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        field = '.'.join(map(str, first['loc']))
        raise ServiceProtocolError(f'{what} answered with a bad {field}: {first["msg"]}') from exc
