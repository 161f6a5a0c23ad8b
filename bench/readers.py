# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Count how often a program that looks at the running arm stops it, as version 0.1.0's graph did.

Each reader is a process of its own with the default transport of ROS 2 (shared memory too): it
joins, reads one joint state, and leaves. REFLEX_BENCH_READERS sets their number (default: 200).
"""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

from bench.system import busy
from reflex_ros.bringup import dds
from reflex_ros.bringup.demo import Demo
from reflex_ros.domain.safe_stop import State

READERS = int(os.environ.get('REFLEX_BENCH_READERS', '200'))
READER = """
import sys, time
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState
rclpy.init()
node = rclpy.create_node('reader')
heard = []
if sys.argv[1] == 'joints':
    node.create_subscription(JointState, 'joint_states', heard.append, 10)
else:
    node.create_subscription(DiagnosticArray, '/diagnostics', lambda message: heard.extend(
        pair.value for status in message.status if status.name.endswith('driver/leases')
        for pair in status.values), 10)
until = time.monotonic() + 20.0
while not heard and time.monotonic() < until:
    rclpy.spin_once(node, timeout_sec=0.1)
print(*heard[:2] if sys.argv[1] != 'joints' else ())
sys.exit(not heard)
"""


def readers() -> Iterator[dict[str, Any]]:
    """Let readers come and go, on an otherwise quiet machine."""
    yield from _counted('')


def readers_busy() -> Iterator[dict[str, Any]]:
    """Let them come and go while four processes keep the machine busy."""
    with busy():
        yield from _counted(', busy')


def _counted(suffix: str) -> Iterator[dict[str, Any]]:
    demo = Demo(Path(tempfile.mkdtemp(prefix='reflex-bench-')))
    env = {name: value for name, value in os.environ.items()
           if name not in (*dds.PROFILES, dds.TRANSPORTS, dds.RANGE)}
    env['ROS_DOMAIN_ID'] = demo.environment['ROS_DOMAIN_ID']
    stops = deaf = 0
    try:
        demo.start()
        demo.bring_to_motion()
        for _ in range(READERS):
            deaf += subprocess.run([sys.executable, '-c', READER, 'joints'], env=env,
                                   check=False).returncode
            if demo.system.view.state is not State.ACTIVE:
                stops += 1
                print('stopped:', demo.system.view.safety.why, file=sys.stderr)
                demo.system.call('reset')
                demo.bring_to_motion()
        last = subprocess.run([sys.executable, '-c', READER, 'leases'], env=env, check=False,
                              capture_output=True, text=True).stdout.split()
    finally:
        demo.close()
    yield {'figure': f'stops{suffix}', 'value': stops, 'unit': 'stops', 'n': READERS}
    yield {'figure': f'readers that heard nothing{suffix}', 'value': deaf, 'unit': 'readers',
           'n': READERS}
    for name, value in zip(('permits', 'signs of work from the stream'), last, strict=False):
        yield {'figure': f'longest time between two {name}{suffix}', 'value': float(value),
               'unit': 'ms', 'n': READERS}
