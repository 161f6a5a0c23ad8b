# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The transport of a node that is started by itself, as its sockets and its memory show it."""

import os
from pathlib import Path

import pytest

from .conftest import running, wait_for

pytest.importorskip('rclpy')
pytestmark = pytest.mark.xdist_group('ros nodes')

ANY, LOOPBACK = '00000000', '0100007F'
CHOICES = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'FASTDDS_BUILTIN_TRANSPORTS', 'ROS_STATIC_PEERS',
           'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


def udp_addresses(pid):
    """Return the local addresses of a process's UDP sockets, as /proc writes them."""
    sockets = set()
    for descriptor in Path(f'/proc/{pid}/fd').iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    lines = [line.split() for line in Path('/proc/net/udp').read_text().splitlines()[1:]]
    return {line[1].partition(':')[0] for line in lines if f'socket:[{line[9]}]' in sockets}


def shared_memory(pid):
    return [line for line in Path(f'/proc/{pid}/maps').read_text().splitlines()
            if any(name in line for name in ('/dev/shm/fastdds', '/dev/shm/fastrtps'))]


@pytest.mark.parametrize('range_, is_open', [('', False), ('LOCALHOST', False), ('SUBNET', True)])
def test_node_uses_no_shared_memory_and_stays_on_this_machine(domain, monkeypatch, range_,
                                                              is_open):
    for name in CHOICES:
        monkeypatch.delenv(name, raising=False)
    env = {'ROS_DOMAIN_ID': domain['ROS_DOMAIN_ID'],
           **({'ROS_AUTOMATIC_DISCOVERY_RANGE': range_} if range_ else {})}
    with running(env=env, module='reflex_ros.nodes.supervisor_node') as node:
        addresses = wait_for(lambda: len(found := udp_addresses(node.pid)) and found, 20,
                             'UDP sockets')
        addresses = wait_for(
            lambda: (found := udp_addresses(node.pid)) & {ANY, LOOPBACK} and found, 20, 'a port')
        assert (ANY in addresses) == is_open
        assert not shared_memory(node.pid)
