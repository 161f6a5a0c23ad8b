# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that has the API key writes no core dump: the key would be in it, in a file."""

from __future__ import annotations

import resource

TOO_SMALL = 1
"""
Largest dump [bytes]. The kernel writes none that is smaller than a page. Where it pipes dumps into
a program (systemd-coredump, apport), it ignores every limit but this one.
"""


def forbid() -> None:
    """Forbid core dumps of this process and of all that it starts, for good."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = TOO_SMALL if hard == resource.RLIM_INFINITY else min(hard, TOO_SMALL)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
