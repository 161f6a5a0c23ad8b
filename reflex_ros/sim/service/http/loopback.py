# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Who may throw switches and approve logins: programs on this machine, but no foreign web page.

A page of any site can make the browser of this machine send requests to 127.0.0.1. It cannot
read the answers, and it cannot hide where it comes from: browsers put ``Origin`` on every POST.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def refusal_reason(request: web.Request) -> str | None:
    """Return why a request must be refused, or None when it is one of ours."""
    if not _is_loopback(request.remote or ''):
        return 'loopback only'
    # A name of somebody else that leads here (DNS rebinding) would make his pages ours.
    name = _host_name(request.host)
    if name != 'localhost' and not _is_loopback(name):
        return 'the Host must be 127.0.0.1'
    origin = request.headers.get('Origin')
    if origin is not None and origin != f'http://{request.host}':
        return 'not from a web page'
    return None


def _host_name(host: str) -> str:
    # Not request.url.host: aiohttp 3.8 cannot build that URL with a newer yarl.
    try:
        return urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return ''


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
