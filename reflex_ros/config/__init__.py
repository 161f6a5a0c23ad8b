# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a user sets: parameters of the nodes, and the file robot.yaml; without ROS."""
