# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The names that ``from reflex_ros.client import`` offers."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

from reflex_ros import client

ROOT = Path(client.__file__).parent


@pytest.mark.parametrize('name', client.__all__)
def test_public_name_exists_and_says_what_it_is(name):
    value = getattr(client, name)
    assert value.__doc__.strip()
    assert name in dir(client)


def test_every_resource_is_public():
    modules = {path.stem for path in (ROOT / 'resources').glob('*.py')}
    # Modules that others share are not public.
    assert modules - {'__init__', 'storage'} <= set(client.__all__)


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / '__init__.py').read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert {alias.name for node in block.body for alias in node.names} == set(client.__all__)


def test_other_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        client.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        from reflex_ros.client import nonsense  # noqa: F401


def test_names_are_imported_when_they_are_used():
    code = ('import sys, reflex_ros.client as c; before = set(sys.modules); '
            'assert not {"httpx", "websockets", "pydantic", "numpy"} & before, before; '
            'c.AsyncReflex; assert "httpx" in sys.modules and "websockets" not in sys.modules')
    subprocess.run([sys.executable, '-c', code], check=True, timeout=30)
