# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Step-wise training over REST, with the simulated service."""

import pytest

from reflex_ros.client.messages import parse
from reflex_ros.client.messages.training import SavedAdapter
from reflex_ros.client.resources import models, stepwise_training
from reflex_ros.client.resources.stepwise_training import Adam
from reflex_ros.errors import ConfigurationError, ServiceProtocolError, ServiceRefused

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

EXAMPLE = {'observation': {'state': [0.0]}, 'actions': [[0.1, 0.2], [0.3, 0.4]]}


@pytest.fixture
def run_id(ask_service):
    return ask_service(stepwise_training.create_lora_run, rank=16, name='pick',
                       request_id='r1').run_id


def test_loop_of_a_program_lowers_the_loss_and_keeps_the_adapter(ask_service, run_id):
    losses = []
    for number in range(1, 4):
        losses.append(ask_service(stepwise_training.forward_backward, run_id, [EXAMPLE]).loss)
        step = ask_service(stepwise_training.optim_step, run_id, Adam(1e-4),
                           request_id=f's{number}')
        assert step.step == number
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]
    saved = ask_service(stepwise_training.save_adapter, run_id, name='pick', version='v1')
    assert saved.reference == 'pick@v1'
    assert saved.adapter_id in [row.model_id for row in ask_service(models.list_all).rows]
    assert ask_service(stepwise_training.save_state, run_id, 'middle').as_sent()['name'] == (
        'middle')
    assert ask_service(stepwise_training.get, run_id).as_sent()


def test_repeated_step_is_taken_once(ask_service, service, run_id):
    ask_service(stepwise_training.forward_backward, run_id, [EXAMPLE])
    service.fault('rest_close', 'after', times=1)
    done = ask_service(stepwise_training.optim_step, run_id, Adam(1e-4), request_id='s1')
    assert done.step == 1


def test_repeated_creation_is_the_same_run(ask_service, run_id):
    again = ask_service(stepwise_training.create_lora_run, rank=16, request_id='r1')
    assert again.run_id == run_id


@pytest.mark.parametrize('question, kind, text', [
    (lambda client: stepwise_training.get(client, 'run_none'), ServiceRefused, 'HTTP 404'),
    (lambda client: stepwise_training.get(client, '..'), ConfigurationError, 'training run'),
    (lambda client: stepwise_training.create_lora_run(client, rank=-1), ServiceRefused,
     'invalid_parameters')])
def test_refusal_has_a_kind_and_a_text(ask_at, service, question, kind, text):
    with pytest.raises(kind, match=text):
        ask_at(service.url, question)


def test_run_without_an_id_is_the_services_mistake(ask_at, listen):
    backend = listen(lambda peer: peer.answer(b'{}'))
    with pytest.raises(ServiceProtocolError, match='without a training run'):
        ask_at(backend.url, stepwise_training.create_lora_run)


@pytest.mark.parametrize('fields, reference, adapter_id', [
    ({'name': 'a', 'version': 'v1'}, 'a@v1', ''),
    ({'lora': 'x@y', 'name': 'a', 'version': 'v1', 'adapterId': 'i'}, 'x@y', 'i'),
    ({'adapter_ref': 'x@y', 'adapter_id': 'i'}, 'x@y', 'i'),
    ({'adapter': {'_id': 'i', 'name': 'a', 'version': 'v2'}}, 'a@v2', 'i')])
def test_adapter_is_called_as_the_service_says(fields, reference, adapter_id):
    saved = parse(SavedAdapter, fields, 'x')
    assert (saved.reference, saved.adapter_id) == (reference, adapter_id)
