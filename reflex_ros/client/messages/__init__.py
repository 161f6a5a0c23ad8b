# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Answers of the service as pydantic models; pydantic is used nowhere else.

This module has the common models and those of sessions; the modules beside it have one noun each.
Unknown fields are ignored and optional ones may be missing, because only the clients of the real
service are known, not the service itself (protocol reference, section 0).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from reflex_ros.client.texts import printable
from reflex_ros.errors import ServiceProtocolError


class _Escaped(str):
    """An escaped text that keeps the original in ``sent``."""

    __slots__ = ('sent',)
    sent: str


def _escape(text: str) -> str:
    escaped = _Escaped(printable(text))
    escaped.sent = text
    return escaped


Text = Annotated[str, AfterValidator(_escape),
                 PlainSerializer(lambda text: getattr(text, 'sent', text), return_type=str)]
"""Type of every text of the service: escaped for people, unchanged in JSON output."""


class Message(BaseModel):
    """Base class of all messages; ignores unknown fields."""

    # hide_input_in_errors: a value that does not fit may be a new API key.
    # defer_build: a command uses a few of the models, and building one takes a millisecond.
    model_config = ConfigDict(defer_build=True, extra='ignore', frozen=True, populate_by_name=True,
                              allow_inf_nan=False, hide_input_in_errors=True)


class Row(Message):
    """
    Base class of messages that are listed or shown; keeps unknown fields.

    Known texts are escaped. A caller that shows an unknown field must escape it.
    """

    model_config = ConfigDict(extra='allow')

    def as_sent(self) -> dict[str, Any]:
        """Return the fields that the service sent, for JSON: original names, NaN as null."""
        return self.model_dump(mode='json', by_alias=True, exclude_unset=True)

    def first_text(self, *names: str) -> str:
        """Return the first of these fields that is a text, escaped; empty if none is."""
        fields = self.as_sent()
        return next((printable(value) for name in names
                     if isinstance(value := fields.get(name), str) and value), '')

    def first_number(self, *names: str) -> float | None:
        """Return the first of these fields that is a finite number; None if none is."""
        fields = self.as_sent()
        return next((value for name in names
                     if isinstance(value := fields.get(name), (int, float))
                     and not isinstance(value, bool) and math.isfinite(value)), None)


class Envelope(Message):
    """Outer envelope of every RPC answer."""

    status: Text
    value: Any = None
    error_message: Text | None = Field(None, alias='errorMessage')


class Outcome(Message):
    """Inner envelope of an RPC answer: ``ok``, and the reason if it is false."""

    ok: bool = True
    reason: Text | None = None
    message: Text | None = None


class Organization(Row):
    """The organization that owns an API key."""

    id: Text | None = None
    name: Text | None = None
    slug: Text | None = None


class Account(Row):
    """Answer of ``publicApi:whoami``."""

    organization: Organization | None = None
    org_id: Text | None = Field(None, alias='orgId')
    key_name: Text | None = Field(None, alias='keyName')
    key_id: Text | None = Field(None, alias='keyId')
    email: Text | None = None


class Grant(Row):
    """
    Answer of ``publicApi:authorizeSession``.

    :param expires_at: end of the session [ms since 1970].
    """

    session_id: Text = Field('', validation_alias=AliasChoices('sessionId', 'id', '_id'),
                             serialization_alias='sessionId')
    expires_at: int | float | None = Field(None, alias='expiresAt')
    model: Text | None = None
    token: str | None = Field(None, repr=False)


class Session(Row):
    """One row of ``publicApi:listInferenceSessions``."""

    session_id: Text = Field('', validation_alias=AliasChoices('sessionId', 'id', '_id'),
                             serialization_alias='sessionId')
    status: Text = ''
    mode: Text = ''
    deployment_id: Text | None = Field(None, alias='deploymentId')
    expires_at: int | float | None = Field(None, alias='expiresAt')


class SessionList(Row):
    """Answer of ``publicApi:listInferenceSessions``."""

    sessions: tuple[Session, ...] = Field(
        (), validation_alias=AliasChoices('sessions', 'inferenceSessions'),
        serialization_alias='sessions')


class Check(Row):
    """One readiness check of a deployment."""

    name: Text = '?'
    status: Text = ''
    message: Text = ''


class Readiness(Row):
    """Answer of ``publicApi:runReadinessCheck``."""

    status: Text = ''
    passed: bool = False
    checks: tuple[Check, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.status == 'failed')


class Deployment(Row):
    """A deployment; ``ready`` is the status that allows ``apply_actions``."""

    deployment_id: Text = Field('', validation_alias=AliasChoices('deploymentId', 'id', '_id'),
                                serialization_alias='deploymentId')
    name: Text = ''
    status: Text = ''
    model_id: Text | None = Field(None, alias='modelId')


Model = TypeVar('Model', bound=Message)


def parse(model: type[Model], value: object, what: str) -> Model:
    """
    Make a message from decoded JSON.

    :param what: name of the function that answered, for the error text.
    :raises ServiceProtocolError: if a field does not fit the model; names the first one.
    """
    if not isinstance(value, dict):
        raise ServiceProtocolError(f'{what} response must be a JSON object.')
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        field = '.'.join(map(str, first['loc']))
        raise ServiceProtocolError(f'{what} answered with an invalid {field}: '
                                   f'{first["msg"]}') from exc
