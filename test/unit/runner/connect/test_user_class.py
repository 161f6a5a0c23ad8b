# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classes of a user that a configuration names."""

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import user_class


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module next to a configuration; return its folder."""
    monkeypatch.syspath_prepend(tmp_path / 'elsewhere')
    (tmp_path / 'my_own_robot_7.py').write_text("""
class Robot:
    class Inner:
        pass
    def __init__(self, port, speed=1.0):
        self.port, self.speed = port, speed

def broken(**options):
    raise ValueError('no such port')
""")
    return tmp_path


def make(path, arguments, module):
    return user_class.make(path, arguments, 'hardware.kind', module)


def test_class_is_found_next_to_the_configuration(module):
    robot = make('my_own_robot_7:Robot', {'port': 'x'}, module)
    assert (robot.port, robot.speed) == ('x', 1.0)
    assert type(make('my_own_robot_7:Robot.Inner', {}, module)).__name__ == 'Inner'


def test_own_error_of_the_class_is_not_hidden(module):
    with pytest.raises(ValueError, match='no such port'):
        make('my_own_robot_7:broken', {}, module)


@pytest.mark.parametrize('path, arguments, text', [
    ('no_such_module_7:Robot', {}, 'hardware.kind: cannot import no_such_module_7'),
    ('my_own_robot_7:Robt', {}, "has no attribute 'Robt'.*Correct the name"),
    ('my_own_robot_7:Robot', {'prt': 'x'}, "my_own_robot_7:Robot cannot be made: .*'prt'"),
])
def test_mistakes_are_said(module, path, arguments, text):
    with pytest.raises(ConfigurationError, match=text):
        make(path, arguments, module)
