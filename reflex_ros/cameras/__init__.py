# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera frames, without ROS: from the bytes of a message to the picture that a policy gets."""
