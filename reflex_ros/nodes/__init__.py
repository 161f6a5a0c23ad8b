# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: the only package that imports rclpy."""
