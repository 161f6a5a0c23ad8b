# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who asks over HTTP: the bearer of a request."""

from __future__ import annotations

from aiohttp import web


def bearer(request: web.Request) -> str:
    """Return what follows ``Authorization: Bearer``; empty when there is none."""
    scheme, _, key = request.headers.get('Authorization', '').partition(' ')
    return key.strip() if scheme.lower() == 'bearer' else ''
