# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The names that ``from reflex_ros.runner import`` offers."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

from reflex_ros import runner

ROOT = Path(runner.__file__).parent
PAGE = (ROOT.parents[1] / 'doc' / 'python.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', runner.__all__)
def test_public_name_exists_and_says_what_it_is(name):
    value = getattr(runner, name)
    assert value.__doc__.strip() and value.__name__ == name
    assert name in dir(runner)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / '__init__.py').read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert {alias.name for node in block.body for alias in node.names} == set(runner.__all__)


def test_every_public_name_but_values_is_on_the_page():
    assert not [name for name in set(runner.__all__) - {'RobotAction', 'RunResult'}
                if f'`{name}' not in PAGE and f'import {name}' not in PAGE
                and f'{name}(' not in PAGE]


def test_other_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        runner.nonsense  # noqa: B018


def test_names_are_imported_when_they_are_used():
    code = ('import sys, reflex_ros.runner as r; before = set(sys.modules); '
            'assert not {"httpx", "websockets", "pydantic", "numpy"} & before, before; '
            'r.run_session; assert "pydantic" not in sys.modules; '
            'r.run_from_config; assert not {"PIL", "av", "rclpy", "serial"} & set(sys.modules), '
            'sorted(sys.modules)')
    subprocess.run([sys.executable, '-c', code], check=True, timeout=30)
