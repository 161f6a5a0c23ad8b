# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The generated pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
FOLDER = Path(__file__).parents[2] / 'doc'


def load():
    spec = importlib.util.spec_from_file_location('generate', FOLDER / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('name', ['parameters.md', 'cli.md', 'faults.md'])
def test_page_is_up_to_date(name):
    written = (FOLDER / name).read_text(encoding='utf-8')
    assert written == load().PAGES[name](), 'run `make docs`'


def test_every_state_and_node_is_documented():
    from reflex_ros.domain.safe_stop import State
    page = (FOLDER / 'interfaces.md').read_text(encoding='utf-8')
    assert not [state.value for state in State if f'{state.value}' not in page
                and state is not State.SHUTDOWN]
