# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The two modes of sessions and deployments (protocol reference, section i.2)."""

from __future__ import annotations

from reflex_ros.errors import ConfigurationError

MODES = ('dry_run', 'apply_actions')


def require_mode(mode: str, option: str) -> str:
    """
    Check a mode, and return it.

    :param option: name of the setting, for the error text.
    :raises ConfigurationError: if there is no such mode.
    """
    if mode not in MODES:
        raise ConfigurationError(f'{option} must be dry_run or apply_actions.')
    return mode
