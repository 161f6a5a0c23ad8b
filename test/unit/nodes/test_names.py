# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
No node hides what rclpy keeps under the same name.

A ``self._timers`` of the supervisor once replaced rclpy's own: its beat and its diagnostics were
never published, and no error said so.
"""

import ast
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

NODES = Path(__file__).parents[3] / 'reflex_ros' / 'nodes'
MEANT = {'destroy_node', 'on_configure', 'on_activate', 'on_deactivate', 'on_cleanup',
         'on_shutdown', 'on_error', '_LifecycleNodeMixin__change_state'}


def names_in(source):
    """Return the names that the node classes of a file give to attributes and methods."""
    names = set()
    for kind in ast.walk(ast.parse(source)):
        if isinstance(kind, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id.endswith('Node') for base in kind.bases):
            names |= {node.name for node in kind.body if isinstance(node, ast.FunctionDef)}
            names |= {node.attr for node in ast.walk(kind)
                      if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                      and isinstance(node.value, ast.Name) and node.value.id == 'self'}
    return names


def test_no_node_hides_an_attribute_of_rclpy(monkeypatch):
    from rclpy.lifecycle import LifecycleNode
    context = rclpy.Context()
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    rclpy.init(context=context)
    node = LifecycleNode('plain', context=context)
    try:
        taken = {name for name in {*vars(node), *dir(LifecycleNode)} if not name.startswith('__')}
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    found = {file.name: names_in(file.read_text()) for file in NODES.glob('*.py')}
    assert sum(map(bool, found.values())) >= 6, 'the nodes were not found'
    hidden = {file: names & taken - MEANT for file, names in found.items()}
    assert not {file: names for file, names in hidden.items() if names}
