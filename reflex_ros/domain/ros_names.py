# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names that ROS 2 accepts, checked before a node would refuse them with a text of its own."""

from __future__ import annotations

import re

_NAME = re.compile(r'[A-Za-z_]\w*', re.ASCII)
_NAMESPACE = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


def is_name(text: str) -> bool:
    """Tell whether a text is a ROS name without a slash."""
    return _NAME.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Tell whether a text is a ROS namespace, without the slash at its beginning."""
    return _NAMESPACE.fullmatch(text) is not None
