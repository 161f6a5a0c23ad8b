# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The description of the processes."""

from __future__ import annotations

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.errors import ConfigurationError


@pytest.mark.parametrize(('text', 'expected'), [
    ('', ('',)), ('left', ('left',)), ('/left/', ('left',)), ('left, right', ('left', 'right')),
    ('cell/a,cell/b', ('cell/a', 'cell/b'))])
def test_namespaces_are_a_robot_each(text: str, expected: tuple[str, ...]) -> None:
    assert process_table.namespaces(text) == expected


@pytest.mark.parametrize('text', ['left,', 'left,left', '1left', 'le-ft', 'a b', 'a//b', 'ärm'])
def test_namespace_that_is_no_ros_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match='such as left,right'):
        process_table.namespaces(text)


