# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything over HTTP except inference: RPC, REST, uploads, dashboard, admin endpoint."""
