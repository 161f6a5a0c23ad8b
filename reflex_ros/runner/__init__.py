# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What starts and watches our processes, without ROS; used by the CLI and the launch file."""
