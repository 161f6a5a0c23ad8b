# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arms that can be named in a parameter. A new arm is one row here and one module beside."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.so101 import SO101

ARMS: Mapping[str, ArmDescription] = {arm.name: arm for arm in (SO101,)}


def find_arm_description(name: str) -> ArmDescription:
    """
    Return the arm of a name.

    :raises ConfigurationError: for an unknown name, with the nearest known one.
    """
    if name in ARMS:
        return ARMS[name]
    nearest = get_close_matches(name, ARMS, 1)
    raise ConfigurationError(
        f'unknown arm {name!r}{f"; did you mean {nearest[0]!r}?" if nearest else "."} Known arms: '
        f'{", ".join(ARMS)}')
