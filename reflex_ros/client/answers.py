# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What an HTTP answer says that is no answer of the service's functions; pure.

Either the service is busy, or something else answered: a login page, a proxy, another program. The
same words are used for calls, uploads and the handshake of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from urllib.parse import urlsplit

from reflex_ros.client import retry
from reflex_ros.client.endpoints import blame
from reflex_ros.client.texts import printable

LOGIN_PAGE = ('Does the network want a login? Open any web page in a browser here, then '
              'try again')


def asked_wait_s(headers: Mapping[str, str]) -> float:
    """Return how long an answer asks to wait before the next request [s]; 0 if it does not."""
    return retry.retry_after(headers.get('retry-after'), headers.get('date'))


def busy(status: int, headers: Mapping[str, str]) -> str:
    """Return the next step for a service that is overloaded or away for a moment."""
    what = 'Too many requests' if status == 429 else 'The service is overloaded or restarting'
    wait_s = asked_wait_s(headers)
    when = f'wait {wait_s:.0f} s, as the service asks' if wait_s else 'wait a minute'
    return f'{what}: {when}, then try again'


def stranger(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Say what answered instead of the service; empty if it may have been the service."""
    if 300 <= status < 400:
        host = _host(headers.get('location', ''))
        return (f'a redirect to {printable(host, 100) or "another path"} (HTTP {status}), which '
                'is not followed')
    if status == 407:
        return 'a proxy that wants a login (HTTP 407)'
    if status == 511:
        return 'a network that wants a login (HTTP 511)'
    if content.lstrip().startswith((b'{', b'[')):
        return ''    # whatever the headers say: the caller reads it
    kind = headers.get('content-encoding', 'identity').strip().lower()
    if kind not in ('', 'identity'):
        return f'a compressed answer that was not asked for ({printable(kind, 20)})'
    start = content[:1000].lstrip().lower()
    is_page = 'html' in headers.get('content-type', '').lower()
    if is_page or start.startswith((b'<!doctype html', b'<html')):
        title = re.search(rb'<title[^>]*>([^<]{1,200})', content[:20_000], re.IGNORECASE)
        name = printable(' '.join(title[1].decode(errors='replace').split()), 60) if title else ''
        return f'a web page{f" ({name!r})" if name else ""} (HTTP {status})'
    if status == 200 and not content:
        return 'an empty answer (HTTP 200)'
    return ''


def told(url: str, what: str) -> str:
    """
    Make the sentence about a stranger, with the next step.

    :param what: from :func:`stranger`.
    """
    step = blame(url) or LOGIN_PAGE
    if 'proxy' in what:
        step = 'Set REFLEX_PROXY=http://user:password@host:port to go through it'
    return f'not the Reflex service answered, but {what}. {step}'


def _host(location: str) -> str:
    try:
        return urlsplit(location).netloc.rpartition('@')[2]
    except ValueError:
        return ''
