# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Functions that call the service; each module has the calls about one noun."""
