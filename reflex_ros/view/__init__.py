# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of ``reflex view``: the model of the arm, the web server, the files of the page."""
