# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policies of a step loop, against the simulated service."""

import io

import numpy as np
from PIL import Image
import pytest

from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.client.edge import EdgeSettings
from reflex_ros.errors import ReflexError, ServiceRefused, StreamClosed
from reflex_ros.runner.connect.step_run import run_session
from reflex_ros.runner.connect.steps import RobotObservation
from reflex_ros.runner.connect.transports import (
    EdgeTransport,
    InferTransport,
    ServicePlace,
    StreamTransport,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

STATE = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]


class Robot:
    """Counts what it is told."""

    def __init__(self, width=6):
        self.state = (STATE * 3)[:width]
        self.applied = []

    def start(self):
        pass

    def get_observation(self):
        return {'state': self.state, 'task': 'wave'}

    def apply_action(self, action):
        self.applied.append(action)

    def safe_stop(self, reason):
        self.reason = reason

    def stop(self):
        pass


class Camera:
    def read(self):
        return np.full((48, 64, 3), 200, np.uint8)


@pytest.fixture
def place(service):
    return ServicePlace(service.key, service.url, environment={})


def stream(place, **options):
    return StreamTransport('wave', place, **{
        'robot': 'so101', 'hz': 30.0, 'chunk_size': 20, 'timeout': 5.0,
        'connect_retry_seconds': 1.0} | options)


def test_steps_over_the_action_stream(service, place):
    transport = stream(place, cameras={'front': CameraSettings('front', width=32, height=24)})
    result = run_session(connector=Robot(), transport=transport, cameras={'front': Camera()},
                         max_steps=3)
    assert (result.steps, result.errors) == (3, [])
    assert len(result.last_action_chunk) == 20
    [session] = service.state()['sessions']
    assert (session['status'], session['mode']) == ('closed', 'dry_run')
    seen = service.observations()[-1]
    assert list(seen['images']) == ['front']


def test_actions_are_applied_only_in_a_promoted_session(service, place):
    robot = Robot()
    result = run_session(connector=robot, transport=stream(place),
                         mode='apply_actions', max_steps=2)
    assert (result.applied_steps, len(robot.applied), result.errors) == (2, 2, [])
    assert service.state()['sessions'][0]['mode'] == 'apply_actions'
    assert 'actions' not in robot.applied[0].metadata and 'seq' in robot.applied[0].metadata


def test_deployment_that_is_not_ready_keeps_the_robot_closed(service):
    place = ServicePlace(service.key, service.url, deployment_id='deploy_blocked', environment={})
    for transport in (stream(place), InferTransport('', place)):
        with pytest.raises(ServiceRefused, match='not ready for apply_actions'):
            run_session(connector=Robot(), transport=transport, mode='apply_actions')
    # A dry run needs no deployment that is ready.
    assert run_session(connector=Robot(), transport=stream(place), max_steps=1).steps == 1


def test_session_that_stays_in_dry_run_is_said(service, place):
    service.fault('session_dry_run')
    with pytest.raises(ReflexError, match='The service refuses the promotion'):
        run_session(connector=Robot(), transport=stream(place),
                    mode='apply_actions')


def test_lost_stream_is_a_safe_stop_and_a_new_one_is_opened_for_the_next_step(service, place):
    robot = Robot()
    service.fault('close', '1:1011', times=1)
    result = run_session(connector=robot, transport=stream(place), max_steps=3,
                         stop_on_error=False)
    assert result.safe_stops == 1 and 'closed by server' in robot.reason
    assert result.steps == 3 and len(result.last_action_chunk) == 20


def test_session_of_a_stream_that_cannot_be_opened_is_closed(service, closed_port):
    place = ServicePlace(service.key, service.url, environment={},
                         actions_url=f'ws://127.0.0.1:{closed_port}/v1/actions')
    with pytest.raises(ReflexError, match='refused'):
        run_session(connector=Robot(), transport=stream(place, connect_retry_seconds=0.0))
    assert [row['status'] for row in service.state()['sessions']] == ['closed']


def test_steps_over_one_shot_inference(service, place):
    robot = Robot(14)
    result = run_session(connector=robot, transport=InferTransport(
        'wave', place, action_adapter='aloha_joint'), mode='apply_actions',
        cameras={'cam_high': Camera()}, max_steps=2)
    assert result.errors == [] and result.applied_steps == 2
    assert len(robot.applied[0].actions[0]) == 14 and 'model_id' in robot.applied[0].metadata


@pytest.mark.parametrize('encoding', ['json', 'json_numpy'])
def test_steps_over_a_server_of_ones_own(service, encoding):
    robot = Robot()
    result = run_session(
        connector=robot, transport=EdgeTransport(EdgeSettings(
            f'{service.url}/act', encoding=encoding)), cameras={'top': Camera()},
        mode='apply_actions', max_steps=2)
    assert result.errors == [] and result.applied_steps == 2
    # As a command of the vendor's users reads it.
    assert robot.applied[0].metadata['raw']['dt_ms'] >= 0.0
    assert not service.state()['sessions']


def test_pictures_go_to_a_server_as_it_wants_them(listen):
    import base64
    import json
    place = listen(lambda peer: peer.answer(b'{"actions": [[1.0]]}'))
    for encoding in ('json', 'json_numpy'):
        transport = EdgeTransport(EdgeSettings(place.url, encoding=encoding))
        transport.start()
        transport.infer(RobotObservation([0.0], {
            'top': Camera().read(), 'unknown': Camera().read()}))
        transport.stop()
    text, array = (json.loads(peer.body) for peer in place.peers)
    assert Image.open(io.BytesIO(base64.b64decode(text['top_cam']))).size == (64, 48)
    assert array['top_cam']['shape'] == [48, 64, 3] and 'unknown' not in array


def test_robot_of_a_user_sends_heartbeats_too(service):
    place = ServicePlace(service.key, service.url, deployment_id='deploy_sim',
                         robot_id='robot_sim', environment={})
    before = service.call('listRobots')['robots']
    service.advance(3600.0)
    robot = Robot()
    result = run_session(connector=robot, transport=stream(place), mode='apply_actions',
                         max_steps=1)
    # Only a recent heartbeat makes the deployment ready.
    assert result.errors == [] and result.applied_steps == 1, before
    [session] = service.state()['sessions']
    assert {'deploy_sim', 'robot_sim'} <= set(map(str, session.values())), session


def test_use_before_start_is_said(place):
    observation = RobotObservation([0.0])
    for transport in (stream(place), InferTransport('', place),
                      EdgeTransport(EdgeSettings('http://x'))):
        with pytest.raises(StreamClosed, match=r'start\(\) must be called before infer\(\)'):
            transport.infer(observation)
        transport.stop()
