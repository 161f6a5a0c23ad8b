# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RPC, REST, uploads, dashboard and admin endpoint: what is served over HTTP but inference."""
