# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may do what on the graph, as the policy of SROS2 says it."""

from xml.etree import ElementTree

import pytest

from reflex_ros.bringup import process_table, sros2
from reflex_ros.domain.heartbeats import DRIVER, STREAM, SUPERVISOR


def enclaves(text):
    """Return enclave -> (profile's namespace, right -> names)."""
    found = {}
    for enclave in ElementTree.fromstring(text).iter('enclave'):  # noqa: S314
        profile = enclave.find('profiles/profile')
        rights = {}
        for group in profile:
            (right, value), = group.attrib.items()
            assert value == 'ALLOW' and len(group), enclave.attrib
            rights[right] = {item.text for item in group}
        found[enclave.get('path')] = profile.get('ns'), rights
    return found


def having(right, name):
    return {path.rpartition('/')[2] for path, (_, rights) in enclaves(sros2.policy(
        ['front'])).items() if name.removeprefix('~') in {
            each.replace('~', path.rpartition('/')[2]) for each in rights.get(right, ())}}


@pytest.mark.parametrize(('right', 'name', 'who'), [
    ('publish', 'safety/permit', {SUPERVISOR}), ('publish', 'safety/state', {SUPERVISOR}),
    ('publish', 'so101/command', {STREAM}), ('publish', 'so101/_plan', {DRIVER}),
    ('publish', '_beat/so101', {DRIVER}), ('publish', '_beat/action_stream', {STREAM}),
    ('publish', '_beat/supervisor', {SUPERVISOR}),
    ('publish', 'joint_states', {DRIVER}),
    ('publish', 'safety/locks/*', {sros2.STOP_DEVICE}),
    ('request', 'so101/change_state', {SUPERVISOR}),
    ('request', 'action_stream/change_state', {SUPERVISOR}),
    ('request', 'supervisor/promote', {'monitor', 'view', sros2.OPERATOR}),
    ('reply', 'supervisor/promote', {SUPERVISOR}),
    ('publish', 'prompt', {sros2.OPERATOR})])
def test_what_moves_the_arm_belongs_to_one(right, name, who):
    assert having(right, name) == who


def test_whoever_may_stop_the_arm_is_a_node_of_ours_or_a_person():
    assert having('publish', 'safety/stop') == {
        STREAM, SUPERVISOR, 'recorder', 'monitor', 'view', sros2.OPERATOR}


def test_every_process_of_the_graph_has_an_enclave_and_gets_it_where_security_is_on():
    config = process_table.share_folder() / 'config' / 'robot.yaml'
    processes = [*process_table.nodes(config, cameras=['wrist', 'top']),
                 *process_table.nodes(config, process_table.make_world()),
                 *process_table.nodes(config, process_table.make_world(), ['wrist', 'top']),
                 process_table.monitor(), process_table.description(config)]
    known = enclaves(sros2.policy(['wrist', 'top']))
    for process in processes:
        path = process.complete_environment({sros2.ENABLE: 'true'})[sros2.OVERRIDE]
        assert path in known, path
        assert sros2.OVERRIDE not in process.complete_environment({sros2.ENABLE: 'false'})
        mine = {sros2.ENABLE: 'true', sros2.OVERRIDE: '/mine'}
        assert process.complete_environment(mine)[sros2.OVERRIDE] == '/mine'


def test_robot_has_its_namespace_and_its_cameras():
    found = enclaves(sros2.policy(['wrist', 'top'], 'left'))
    assert {space for space, _ in found.values()} == {'/left'}
    assert found['/reflex/camera_top'][1]['publish'] >= {
        'top/image_raw/compressed', 'top/camera_info', '_beat/camera_top'}
    assert not {name for name in found['/reflex/camera_top'][1]['publish'] if 'wrist' in name}
    assert found['/reflex/action_stream'][1]['subscribe'] >= {
        'wrist/image_raw', 'top/image_raw/compressed'}
