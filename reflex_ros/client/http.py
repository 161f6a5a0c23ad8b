# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Import of httpx without its command line, which takes as long as httpx itself.

``httpx`` imports ``httpx._main`` (click, rich, pygments) if it can, and works without it.
"""

from __future__ import annotations

import sys

_COMMAND_LINE = 'httpx._main'

if 'httpx' in sys.modules:
    import httpx
else:
    # None makes the import fail, as if the packages of the command line were not installed.
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        del sys.modules[_COMMAND_LINE]

__all__ = ['httpx']
