# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dates in HTTP headers; pure (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime


def moment_ms(text: str | None) -> float | None:
    """Read an HTTP date in any of its three forms [ms since 1970]; None if it is not one."""
    try:
        moment = parsedate_to_datetime(text or '')
    except (TypeError, ValueError, IndexError):
        return None
    # The form of asctime names no zone; it is UTC like the others.
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp() * 1e3
