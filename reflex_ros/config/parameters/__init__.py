# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes: one table per node."""
