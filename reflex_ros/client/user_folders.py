# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of the user, by the XDG rules: a relative value is ignored, as the rules say."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path

from reflex_ros.errors import ConfigurationError


def base(environment: Mapping[str, str], name: str, default: str) -> Path:
    """
    Return a base folder.

    :param name: its variable, e.g. ``XDG_CONFIG_HOME``.
    :param default: the folder without that variable, e.g. ``~/.config``.
    :raises ConfigurationError: if neither is known; names the variables to set.
    """
    value = os.path.expanduser(environment.get(name, ''))
    if os.path.isabs(value):
        return Path(value)
    return expanded(default, name)


def expanded(path: str, name: str) -> Path:
    """
    Expand ``~`` at the beginning of a path.

    :param name: the variable that a person can set instead.
    :raises ConfigurationError: if the folder of the user is not known.
    """
    found = os.path.expanduser(path)
    # Without HOME and without an entry in the list of users, the path stays as it is, and would
    # make a folder with the name "~".
    if found.startswith('~') and path[:2] in ('~', '~/'):
        raise ConfigurationError(f'The home folder of this user is not known, so {path} cannot be '
                                 f'used. Set HOME or {name} to a folder of yours')
    return Path(found)
