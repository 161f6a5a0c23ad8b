# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy allows what a running graph uses, and nothing else."""

import json
import os
import subprocess
import sys

from reflex_ros.bringup import sros2

from .conftest import running

LISTER = """
import json, time
import rclpy
rclpy.init()
node = rclpy.create_node('lister', enable_rosout=False, start_parameter_services=False)
deadline, changed_at, found = time.monotonic() + 40.0, time.monotonic(), {}
# Ends become known one after the other: all are there when nothing new comes for a while.
while time.monotonic() < deadline and (
        time.monotonic() - changed_at < 4.0
        or '/so101/_plan' not in found.get('action_stream', {}).get('reads', ())):
    rclpy.spin_once(node, timeout_sec=0.2)
    for name, space in node.get_node_names_and_namespaces():
        try:
            ends = [method(name, space) for method in (
                node.get_publisher_names_and_types_by_node,
                node.get_subscriber_names_and_types_by_node,
                node.get_service_names_and_types_by_node,
                node.get_client_names_and_types_by_node)]
        except rclpy.node.NodeNameNonExistentError:
            continue
        for key, each in zip(('publishes', 'reads', 'serves', 'calls'), ends):
            known = found.setdefault(name, {}).setdefault(key, [])
            new = [topic for topic, _ in each if topic not in known]
            if new:
                known += new
                changed_at = time.monotonic()
print(json.dumps(found))
"""
# Only while somebody looks, or only on some distributions, or of cameras that are not there.
SOMETIMES = {
    'reads': {'/clock', '/front/image_raw', '/front/image_raw/compressed', '/joint_states',
              '/policy/joint_states', '/safety/locks/*'},
    'publishes': {'/front/image_raw', '/tf', '/tf_static'},
    'serves': {'~/get_type_description'}, 'calls': set()}


def absolute(names, node):
    return {name if name[0] == '/' else f'/{name.replace("~", node)}' for name in names}


def listed(domain):
    done = subprocess.run(
        [sys.executable, '-c', LISTER], env={**os.environ, **domain}, capture_output=True,
        text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differences(found, nodes):
    """Return what the graph uses and may not, and what it may use and does not."""
    for node in nodes:
        access = sros2.allowed(node, ['front'])
        for right, sometimes in SOMETIMES.items():
            may = absolute(getattr(access, right), node)
            does = {*found.get(node, {}).get(right, ())}
            yield from ((node, right, 'not allowed', each) for each in does - may)
            yield from ((node, right, 'not used', each)
                        for each in may - does - absolute(sometimes, node))


def test_policy_allows_what_the_graph_uses_and_nothing_else(domain):
    nodes = {node for node in sros2.NODES if '{' not in node} - {'episodes', 'view'}
    with running('up', '--sim', '--description', '--leader', 'sim', env=domain):
        for _ in range(3):
            # On a busy machine a looker may never hear of some ends: another one does.
            left = [*differences(listed(domain), nodes)]
            if not left:
                break
    assert not left
