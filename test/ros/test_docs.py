# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of parameters is up to date; ``test/unit/test_docs.py`` compares the other pages."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('rclpy')
ROOT = Path(__file__).resolve().parents[2]


def test_page_of_parameters_is_up_to_date():
    spec = importlib.util.spec_from_file_location('generate', ROOT / 'doc' / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / 'doc' / 'parameters.md').read_text(encoding='utf-8')
    assert written == module.PAGES['doc/parameters.md'](), 'run `make docs`'
