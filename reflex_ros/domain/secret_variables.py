# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which variables of an environment hold secrets: a process that needs none gets none; pure."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = frozenset({'REFLEX_API_KEY', 'RFX_API_KEY', 'REFLEX_ACTIONS_URL', 'REFLEX_PROXY'})
"""The URLs among them may hold a token or a password."""
KEY_BEGINS = 'rfx_'


def found(environment: Mapping[str, str]) -> frozenset[str]:
    """Name the variables that hold a secret; an API key counts under every name."""
    return frozenset(name for name, value in environment.items()
                     if name in NAMES or value.startswith(KEY_BEGINS))


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without its secrets."""
    secrets = found(environment)
    return {name: value for name, value in environment.items() if name not in secrets}
