# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What an operator asks a running graph for, and the service that answers.

Imports nothing: a stop must not wait for imports.
"""

from __future__ import annotations

SUPERVISED = ('demote', 'gate', 'park', 'promote', 'reset', 'stop')
"""Requests to the supervisor."""
GUIDED = ('hand_back', 'take_over')
"""Requests to the transport: who commands while actions are applied."""
NODES = {**dict.fromkeys(SUPERVISED, 'supervisor'), **dict.fromkeys(GUIDED, 'action_stream')}
"""Name of each request -> node with the service of that name."""
SERVICES = {name: f'{node}/{name}' for name, node in NODES.items()}
"""Name of each request -> service, relative to the namespace of the robot."""
