# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Parameters: their page is up to date, and their tables hold what the nodes read.

``test/unit/test_docs.py`` compares the other pages.
"""

import importlib
import importlib.util
from pathlib import Path
import re

import pytest

pytest.importorskip('rclpy')
ROOT = Path(__file__).resolve().parents[2]


def load_generator():
    spec = importlib.util.spec_from_file_location('generate', ROOT / 'doc' / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


def test_page_of_parameters_is_up_to_date():
    written = (ROOT / 'doc' / 'parameters.md').read_text(encoding='utf-8')
    assert written == GENERATOR.PAGES['doc/parameters.md'](), 'run `make docs`'


@pytest.mark.parametrize('name', GENERATOR.NODES.values())
def test_every_setting_that_a_node_reads_is_in_its_table(name):
    module = importlib.import_module(f'reflex_ros.nodes.{name}')
    source = Path(module.__file__).read_text(encoding='utf-8')
    read = set(re.findall(r"settings\['([\w.]+)'\]", source))
    assert read <= {spec.name for spec in module.TABLE}
