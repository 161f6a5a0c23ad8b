# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How often the properties are tried: in full by ``make test``, in part by ``make check``."""

from __future__ import annotations

from hypothesis import settings

# No deadline: cores are shared. No database: it would make runs on two machines differ.
THOROUGH = settings(deadline=None, database=None)
QUICK = settings(THOROUGH, max_examples=10)
FEWEST = 6


def examples(count: int) -> settings:
    """Try a property that often in the thorough profile, and in the quick one as much less."""
    share = settings().max_examples / THOROUGH.max_examples
    return settings(max_examples=max(round(count * share), min(count, FEWEST)), deadline=None)
