# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A name or ``@last`` instead of an id, for every kind of resource."""

import pytest

from reflex_ros.client import names
from reflex_ros.client.names import resolve
from reflex_ros.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


def registered(service, name):
    return service.call('registerRobot', name=name, robotSchemaId='schema_sim')['robotId']


def test_name_that_fits_one_resource_is_its_id(ask_service, service):
    robot_id = registered(service, 'bench')
    assert ask_service(resolve, 'robot', 'bench') == robot_id
    assert ask_service(resolve, 'robot', 'robot_sim') == 'robot_sim'
    assert ask_service(resolve, 'deployment', 'Simulated SO-101') == 'deploy_sim'
    # Not a name, and not an id: the service says what to do about it.
    assert ask_service(resolve, 'robot', 'nobody') == 'nobody'


def test_name_of_several_resources_is_refused_with_their_ids(ask_service, service):
    ids = [registered(service, 'bench') for _ in range(2)]
    with pytest.raises(ConfigurationError) as info:
        ask_service(resolve, 'robot', 'bench')
    assert all(robot_id in str(info.value) for robot_id in ids)
    assert 'Give one of these ids instead' in str(info.value)


def test_an_id_wins_over_a_name(ask_service, service):
    registered(service, 'robot_sim')
    assert ask_service(resolve, 'robot', 'robot_sim') == 'robot_sim'


def test_last_is_the_newest_one(ask_service, service):
    newest = [registered(service, f'r{index}') for index in range(3)][-1]
    assert ask_service(resolve, 'robot', names.LAST) == newest


def test_last_of_nothing_names_the_list(ask_service):
    with pytest.raises(ConfigurationError, match='there is no session yet. Run `reflex sessions'):
        ask_service(resolve, 'session', names.LAST)


def test_id_that_a_machine_made_costs_no_request(ask_service, service):
    before = service.count('rpc_calls')
    assert ask_service(resolve, 'robot', 'robot_' + '0a' * 12) == 'robot_' + '0a' * 12
    assert ask_service(resolve, 'model', 'k57' + 'a' * 29) == 'k57' + 'a' * 29
    assert service.count('rpc_calls') == before


@pytest.mark.parametrize('kind', names.KINDS)
def test_every_kind_can_be_listed(ask_service, service, kind):
    service.authorize(clientSessionId='mine')
    assert ask_service(resolve, kind, 'no such name') == 'no such name'


def test_session_and_training_run_have_the_names_that_their_maker_gave(ask_service, service):
    session_id = service.authorize(clientSessionId='mine')
    assert ask_service(resolve, 'session', 'mine') == session_id
    dataset = service.call('registerDataset', hfSourceUri='hf://datasets/me/pick')
    service.call('validateDataset', datasetId=dataset['datasetId'])
    run = service.call('createAndProvisionTrainingRun', datasetId=dataset['datasetId'],
                       baseModel='pi0.5', fineTuningType='lora', epochs=1, modelName='pick-1',
                       modelVersion='v1')
    assert ask_service(resolve, 'run', 'pick-1') == run['trainingRunId']
    assert ask_service(resolve, 'dataset', names.LAST) == dataset['datasetId']
