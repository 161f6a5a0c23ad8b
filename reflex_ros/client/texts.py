# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texts of the service, made fit for a terminal or a log; imports nothing, because all use it."""

from __future__ import annotations

MAX_TEXT = 1000


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """Cut and escape a text of the service, so that a terminal or a log can show it."""
    cut = text if len(text) <= limit else text[:limit] + '...'
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in cut)
