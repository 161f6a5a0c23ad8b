# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of rows, and the file that keeps them over a restart."""


class StateError(Exception):
    """The state directory cannot be used; the text names the file, the reason and what to do."""
