# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arms that can be named in a parameter. A new arm is one row here and one module beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.hardware.so101 import SO101

ARMS: Mapping[str, ArmDescription] = {arm.name: arm for arm in (SO101,)}


def wire_names(width: int) -> Sequence[str]:
    """Return the joints of the first arm with so many values on the wire; empty for none."""
    return next(([value.joint for value in arm.wire.values] for arm in ARMS.values()
                 if len(arm.wire.values) == width), ())
