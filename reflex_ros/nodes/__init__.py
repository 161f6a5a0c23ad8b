# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: the only package that imports rclpy."""

import os

# numpy reads this when it is loaded. The control loop solves systems of about 100 unknowns; with
# threads that takes 12 times as long, and 50 ms now and then when the cores are busy.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')
