# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex view``: a page in the browser that shows the running graph, with its buttons."""

from __future__ import annotations

import importlib.util

import click

from reflex_ros.bringup import packages
from reflex_ros.bringup.process_table import Process
from reflex_ros.cli.graph import become, find_graph, graph_options
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.errors import ConfigurationError


@local_command('reflex view', 'reflex view --port 9000 --namespace left')
@click.option('--port', type=click.IntRange(0, 65535), default=8765, show_default=True,
              help='Port of the page; 0 is any free one.')
@click.option('--host', default='127.0.0.1', show_default=True,
              help='Address of the page. Another one lets other machines look and drive the arm.')
@graph_options
def view(common: CommonOptions, port: int, host: str, domain: int | None,
         namespace: str | None) -> None:
    """
    Serve a page that shows the running graph.

    It shows the arm, what the policy wants, the cameras, the gate and the link. Its buttons stop,
    promote, demote, reset and park. Only who has the printed address can use it: the part behind
    # is a token. --json prints it too.
    """
    packages.check_packages(sim=False)
    if importlib.util.find_spec('aiohttp') is None:
        raise ConfigurationError("the page needs the library aiohttp. Install it: pip install "
                                 "'reflex_ros[view]'")
    become(Process('view', 'reflex_ros.nodes.view_node', 'view_node',
                   parameters={'port': port, 'host': host, 'as_json': common.as_json}),
           find_graph(domain, namespace))
