# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated service, arm and camera: shipped to users, imported statically by nobody."""
