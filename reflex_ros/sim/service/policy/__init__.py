# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an observation to the rows of its answer."""
