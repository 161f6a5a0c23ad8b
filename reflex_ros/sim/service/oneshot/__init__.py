# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Inference without a stream: ``/v1/infer`` and the edge server."""
