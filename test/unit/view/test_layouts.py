# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The layouts for desktop programs: their form, and topics that exist."""

import json
from pathlib import Path
import re
from xml.etree import ElementTree

import pytest
import yaml

from reflex_ros.hardware.so101 import JOINT_NAMES

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / 'config'


def test_files_have_their_form():
    assert yaml.safe_load((CONFIG / 'reflex.rviz').read_text())['Visualization Manager']
    layout = json.loads((CONFIG / 'foxglove.json').read_text())

    def panels(node):
        return [node] if isinstance(node, str) else panels(node['first']) + panels(node['second'])
    assert set(panels(layout['layout'])) == set(layout['configById'])
    root = ElementTree.parse(CONFIG / 'plotjuggler.xml').getroot()  # noqa: S314  # our own file
    assert [curve.get('name') for curve in root.iter('curve')] == [
        f'{topic}/{joint}/position' for joint in JOINT_NAMES
        for topic in ('/joint_states', '/so101/goals')]


def texts(value):
    """Yield every text in a document."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, str):
        yield value
    elif not isinstance(value, (int, float, bool, type(None))):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize(('name', 'read'), [
    ('reflex.rviz', yaml.safe_load), ('foxglove.json', json.loads),
    ('plotjuggler.xml', lambda text: re.findall('name="([^"]+)"', text))])
def test_topics_are_those_of_the_graph(name, read):
    known = {f'/{topic.replace("<camera>", "front").lstrip("/")}' for topic in re.findall(
        r'`([\w/<>]+)`', (ROOT / 'doc' / 'interfaces.md').read_text())}
    # A field follows after a dot, or in PlotJuggler after the name of a joint.
    used = {re.sub(rf'\..*|/({"|".join(JOINT_NAMES)})/.*', '', text)
            for text in texts(read((CONFIG / name).read_text())) if text.startswith('/')}
    assert used and used <= known
