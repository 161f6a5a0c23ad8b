# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex sim camera``: a rendered camera for a graph whose arm is simulated."""

from __future__ import annotations

import re

import click

from reflex_ros.bringup import packages
from reflex_ros.bringup.process_table import Process
from reflex_ros.cli.graph import become, find_graph, graph_options
from reflex_ros.cli.options import CommonOptions, local_command


@local_command('reflex sim camera --name front')
@click.option('--name', default='front', show_default=True,
              help='Name of the camera. Its images are on the topic NAME/image_raw/compressed.')
@click.option('--rate-hz', type=click.FloatRange(1.0, 60.0), default=15.0, show_default=True,
              help='Frames per second.')
@graph_options
def camera(common: CommonOptions, name: str, rate_hz: float, domain: int | None,
           namespace: str | None) -> None:
    """
    Simulate a camera that shows the pose of the arm.

    The command needs ROS 2. It prints one line of JSON when the camera publishes. `reflex up
    --sim` starts simulated cameras by itself.
    """
    if not re.fullmatch(r'[A-Za-z]\w*', name, re.ASCII):
        raise click.UsageError(f'--name {name!r}: expected letters, digits and _, beginning with '
                               'a letter, such as front')
    packages.check_packages(sim=False)
    become(Process('sim_camera', 'reflex_ros.nodes.sim_camera_node', 'sim_camera_node',
                   node=f'sim_camera_{name}', parameters={'camera': name, 'rate_hz': rate_hz}),
           find_graph(domain, namespace))
