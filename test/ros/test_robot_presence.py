# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A whole graph in real processes, and its robot as the service sees it."""

import json

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.process_table import Process
from reflex_ros.bringup.system import System
from reflex_ros.client import claimed_robot
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.domain.safe_stop import State

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from ..unit.conftest import no_settings, Service  # noqa: E402, F401

CONFIG = """
/**/so101:
  ros__parameters:
    port: "{port}"
/**/action_stream:
  ros__parameters:
    service.rpc_url: "{url}"
    service.actions_url: "{url}"
    service.deployment: "pick"
    prompt: "wave"
/**/supervisor:
  ros__parameters:
    gate.dry_run_s: 1.0
    state_dir: "{folder}"
/**/sim_camera:
  ros__parameters:
    camera: "front"
    rate_hz: 15.0
"""


@pytest.fixture
def service():
    running = Service()
    yield running
    running.stop()


@pytest.fixture
def graph(domain, service, no_settings, tmp_path, monkeypatch):  # noqa: F811
    """Return a function that starts the graph of a real robot at the simulated service."""
    monkeypatch.setenv('REFLEX_CONFIG_DIR', str(tmp_path / 'config'))
    world = process_table.World(tmp_path / 'arm', tmp_path / 'arm.sock', 0)
    config = tmp_path / 'robot.yaml'
    config.write_text(CONFIG.format(port=world.link, url=service.url, folder=tmp_path))
    system = System(tmp_path / 'logs', config=config,
                    environment=domain | {'REFLEX_API_KEY': service.key})

    def start():
        system.group.start_ready(process_table.simulation(world)[0])
        system.start()
        system.group.start(Process('sim_camera', 'reflex_ros.nodes.sim_camera_node',
                                   'sim_camera_node', parameter_files=(config,)))
        return system

    yield start
    assert not system.end()


def test_unready_deployment_permits_a_dry_run_and_no_promotion_until_the_robot_is_there(
        graph, service):
    schema_id = service.call(
        'registerRobotSchema', name='SO-101', schemaVersion='robot_schema.v1',
        schemaJson=json.dumps({}), hasExplicitSafeStop=True, robotKind='so101',
        actionDim=6)['robotSchemaId']
    deployment_id = service.call(
        'createDeployment', name='pick', modelId='model_sim', mode='apply_actions',
        robotSchemaId=schema_id)['deploymentId']
    system = graph()
    system.wait_state(State.DRY_RUN, timeout_s=40.0)
    system.wait(lambda: 'robot_paired' in system.view.stream.unready, 20.0, 'failed check')
    system.wait(lambda: system.view.stream.session_accepted > 5, 20.0, 'chunks')
    gate = system.call('gate')
    assert not gate['success']
    red = dict(line.removeprefix('RED ').split(maxsplit=1)
               for line in gate['message'].splitlines() if line.startswith('RED '))
    setup = f'`reflex robots setup --name bench --schema-id {schema_id}`'
    assert red['robot_paired'].startswith('No robot of this schema is paired') \
        and setup in red['robot_paired']
    assert 'no heartbeat is sent' in red['robot_heartbeat_recent']
    refused = system.call('promote')
    assert not refused['success'] and 'needs READY' in refused['message']

    # The robot is registered, paired and claimed here. Nothing is restarted.
    robot_id = service.call('registerRobot', name='bench', robotSchemaId=schema_id)['robotId']
    token = service.call('createRobotPairingToken', robotId=robot_id)['token']
    service.call('claimRobotPairingToken', token=token)
    claimed_robot.save(claimed_robot.path({'REFLEX_CONFIG_DIR': str(
        system.group.folder.parent / 'config')}), service.url, ClaimedRobot(robot_id, 'bench'))
    system.wait_state(State.READY, timeout_s=30.0)
    assert service.call('getDeployment', deploymentId=deployment_id)['deployment'][
        'status'] == 'ready'
    assert system.call('promote')['success']
    system.wait_state(State.ACTIVE, timeout_s=20.0)
