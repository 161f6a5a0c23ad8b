# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One noun of the service, one module."""
