# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calls to the REST endpoints: API key as bearer token, JSON body (section c.5)."""

from __future__ import annotations

from collections.abc import Mapping
import json
import re
from typing import Any
from urllib.parse import urlencode

from reflex_ros.client import retry
from reflex_ros.client.answers import asked_wait_s, busy, stranger, told
from reflex_ros.client.credentials import Secret
from reflex_ros.client.endpoints import advice, blame
from reflex_ros.client.reasons import key_refused, NEXT_STEPS
from reflex_ros.client.texts import printable
from reflex_ros.client.transport import Answer, Request, Transport
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)


def segment(name: str, what: str) -> str:
    """
    Check an id before it becomes a part of a URL path.

    :param what: the kind of thing that has the id, for the error text.
    :raises ConfigurationError: if the id contains characters that would change the path.
    """
    if not re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9._:-]{0,199}', name):
        raise ConfigurationError(f'{printable(name, 80)!r} is not a valid id of a {what}')
    return name


class RestClient:
    """
    A REST host, called with one API key.

    :param url: base URL, from ``endpoints.api_url``.
    :param name: name of the host in error texts.
    """

    def __init__(self, transport: Transport, url: str, key: Secret | None, *,
                 name: str = 'Reflex API') -> None:
        self.url = url
        self._transport = transport
        self._key = key
        self._name = name

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None, *,
                   query: Mapping[str, str] | None = None,
                   is_repeatable: bool | None = None, limit_s: float | None = None
                   ) -> dict[str, Any]:
        """
        Call an endpoint; fields of the body that are None are left out.

        :param path: begins with a slash; ids in it were checked by :func:`segment`.
        :param is_repeatable: whether the request may be repeated; None: only a GET may.
        :param limit_s: limit for the whole exchange [s]; None means 30.
        :returns: the JSON object of the answer; ``{}`` if the answer is empty.
        :raises ServiceUnavailable: if the host cannot be reached or is overloaded.
        :raises AuthenticationError: if the host refuses the key.
        :raises ServiceRefused: for any other error status; carries the reason of the service.
        :raises ServiceProtocolError: if the answer is not a JSON object, or a redirect.
        """
        headers = {} if self._key is None else {'Authorization': f'Bearer {self._key.reveal()}'}
        url = self.url + path + (f'?{urlencode(query)}' if query else '')
        answer = await self._transport.send(Request(
            method, url, headers=headers, limit_s=limit_s,
            json=None if body is None else {
                name: value for name, value in body.items() if value is not None},
            is_repeatable=method == 'GET' if is_repeatable is None else is_repeatable,
            unreachable=f'Failed to reach {self._name} at {self.url}',
            remedy=advice(self.url)))
        return self._open(answer)

    def _open(self, answer: Answer) -> dict[str, Any]:
        text = answer.text if self._key is None else self._key.hide_in(answer.text)
        try:
            content = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError):
            content = None
        if not 200 <= answer.status < 300:
            raise self._failure(answer, text, content)
        if answer.content and (what := stranger(answer.status, answer.headers, answer.content)):
            raise ServiceProtocolError(f'{self._name} at {self.url}: {told(self.url, what)}')
        if not isinstance(content, dict):
            raise ServiceProtocolError(f'Unexpected {self._name} response: '
                                       f'{printable(text, 200)}')
        return content

    def _failure(self, answer: Answer, text: str, content: object) -> Exception:
        status = answer.status
        if isinstance(content, dict) and isinstance(content.get('message'), str):
            # What the service writes for a person, not the JSON around it.
            text = ': '.join(each for each in (
                content.get('error', content.get('reason')), content['message'])
                if each and isinstance(each, str))
        text = f'{self._name} HTTP {status}: {printable(text, 200)}'
        if status in retry.TRANSIENT_READ:
            return ServiceUnavailable(
                f'{text.rstrip(".")}{answer.tried}. {busy(status, answer.headers)}', status,
                asked_wait_s(answer.headers))
        if what := stranger(status, answer.headers, answer.content):
            return ServiceProtocolError(f'{self._name} HTTP {status}: {told(self.url, what)}')
        if status == 401:
            return key_refused('HTTP 401', self._key)
        slug = content.get('error', content.get('reason')) if isinstance(content, dict) else ''
        slug = printable(slug, 100) if isinstance(slug, str) else ''
        # A 404 with a reason is about one thing; without it, the address is no address of theirs.
        step = NEXT_STEPS.get(slug, blame(self.url) if status == 404 and not slug else '')
        return ServiceRefused(text, slug, step)
