# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault that can be switched on, and what each does."""
