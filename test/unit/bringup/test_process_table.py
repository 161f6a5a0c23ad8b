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


def leader_of(**values: object) -> process_table.Process | None:
    """Return the process of the leader."""
    found = [process for process in process_table.nodes(**values)     # type: ignore[arg-type]
             if process.name == 'leader']
    return found[0] if found else None


def test_leader_is_started_only_when_one_is_named() -> None:
    world = process_table.make_world()
    assert leader_of() is None and leader_of(world=world) is None
    real = leader_of(leader='/dev/so101_leader')
    assert real is not None and real.parameters == {'port': '/dev/so101_leader'}
    assert real.respawns and not real.has_key
    # A person with a real leader may guide a simulated arm.
    guided = leader_of(world=world, leader='/dev/so101_leader')
    assert guided is not None and guided.parameters == real.parameters
    assert 'sim_leader' not in {each.name for each in process_table.simulation(
        world, leader='/dev/so101_leader')}


def test_simulated_leader_belongs_to_the_simulated_world() -> None:
    world = process_table.make_world()
    own = leader_of(world=world, leader='sim')
    [arm] = [each for each in process_table.simulation(world, leader='sim')
             if each.name == 'sim_leader']
    assert own is not None and own.parameters['port'] == str(world.leader)
    assert str(world.leader) in arm.arguments and '--hand' in arm.arguments
    with pytest.raises(ConfigurationError, match='for a simulated arm'):
        process_table.nodes(leader='sim')
