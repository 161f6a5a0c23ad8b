# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The texts of the graph in ``doc/errors.md``: entries of the vendor's error reference, provoked.

To write them from what was seen, run this file with ``WRITE_ERRORS=1``.
"""

import os
import re
import socket

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from reflex_ros.nodes.so101_driver_node import So101DriverNode  # noqa: E402

from ..unit.cli.test_error_table import ENTRIES, PAGE, plain  # noqa: E402
from ..unit.conftest import no_settings  # noqa: E402, F401
from .node_rig import made  # noqa: E402
from .test_stream_node import (  # noqa: E402, F401
    running_service,
    service,
    set_parameters,
    set_up,
    use,
    world,
)

BEGIN, END = '<!-- Begin of the graph. -->\n', '<!-- End of the graph. -->\n'
HEAD = '| entry | what | text of the node |\n| --- | --- | --- |\n'


def no_key(world, monkeypatch):  # noqa: F811
    monkeypatch.delenv('REFLEX_API_KEY')
    assert not world.rig.trigger('configure')
    return world.rig.node.problem


def refused_key(world, monkeypatch):  # noqa: F811
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_rotated')
    assert not world.rig.trigger('configure')
    return world.rig.node.problem


def unreachable(world, monkeypatch):  # noqa: F811
    with socket.socket() as closed:
        # Bound and not listening: nobody else gets this port, and nobody answers.
        closed.bind(('127.0.0.1', 0))
        use(world, rpc_url=f'http://127.0.0.1:{closed.getsockname()[1]}')
        assert not world.rig.trigger('configure')
    return world.rig.node.problem


def no_bus(ros, monkeypatch):
    with made(ros, So101DriverNode, '-p', 'port:=/dev/ttyUSB77') as rig:
        assert not rig.trigger('configure')
        return rig.node.problem


def unready(world, monkeypatch):  # noqa: F811
    _, deployment = set_up(world.service, 'far', paired=False)
    use(world, deployment=deployment, robot='far')
    world.configure()
    return world.until(lambda: world.beat().unready, 'failed checks')['robot_paired']


def fault(name, value=None):
    """Make a way to provoke a fault of the service while actions are applied."""
    def provoke(world, monkeypatch):  # noqa: F811
        world.open()
        world.apply()
        world.service.fault(name, value)
        world.until(lambda: world.beat().fault is not None, 'beat with the fault')
        return f'{world.beat().fault.code.name}: {world.beat().fault.text}'

    return provoke


CASES = {1: (no_key, 'API key is required'), 2: (refused_key, 'API key is not valid'),
         3: (fault('reset'), 'NET_CLOSED: '), 4: (fault('silence'), 'NET_SILENT: '),
         5: (unreachable, 'Cannot reach the Reflex backend'),
         6: (unready, 'reflex robots pair'), 7: (fault('close', '1:1011'), 'SERVER_ERROR: '),
         9: (no_bus, '/dev/ttyUSB77 does not exist'),
         13: (fault('expire', 1), 'SESSION_EXPIRED: ')}
"""Entry -> how it is provoked, and words that show that it was."""


@pytest.fixture(scope='module')
def seen():
    """Collect the rows of this run; write the page when that is wanted and all were seen."""
    rows = {}
    yield rows
    if os.environ.get('WRITE_ERRORS') and len(rows) == len(CASES):
        head, _, rest = PAGE.read_text(encoding='utf-8').partition(BEGIN)
        body = ''.join(rows[entry] for entry in sorted(rows))
        PAGE.write_text(head + BEGIN + HEAD + body + END + rest.partition(END)[2],
                        encoding='utf-8')


@pytest.mark.parametrize('entry', CASES)
def test_text_of_the_page_is_what_the_node_says(request, monkeypatch, seen, entry):
    provoke, says = CASES[entry]
    # Each node has a context of its own: the driver needs no world around the stream.
    place = request.getfixturevalue('ros' if provoke is no_bus else 'world')
    text = provoke(place, monkeypatch)
    assert says in text
    text = re.sub(r'\b(robot|schema)_[0-9a-f]{8,}', r'\1_...', plain(text))
    text = re.sub(r'for \d+\.\d+ s', 'for T s', text)
    text = re.sub(r'in \d+\.\d+ ms', 'in N ms', text)
    seen[entry] = f'| {entry} | {ENTRIES[entry]} | {text} |\n'
    if not os.environ.get('WRITE_ERRORS'):
        assert seen[entry] in PAGE.read_text(encoding='utf-8'), 'doc/errors.md is older'
