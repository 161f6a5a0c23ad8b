# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is fast, what is slow: figures, never tests."""
