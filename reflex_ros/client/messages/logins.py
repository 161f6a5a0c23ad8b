# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about the device login (protocol reference, section b.3)."""

from __future__ import annotations

from pydantic import Field

from reflex_ros.client.messages import Message, Text


class LoginRequest(Message):
    """
    Answer of ``cliAuth:createRequest``.

    :param expires_at: end of the time in which a person may approve it [ms since 1970].
    """

    request_id: Text = Field('', alias='requestId')
    expires_at: int | float | None = Field(None, alias='expiresAt')


class LoginStatus(Message):
    """
    Answer of ``cliAuth:poll``.

    :param api_key: the key; sent once, with the status ``approved``.
    """

    status: Text = ''
    api_key: str | None = Field(None, alias='apiKey', repr=False)
