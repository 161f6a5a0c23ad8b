# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The control loop without ROS: a session with the service, manual drive, teleoperation."""
