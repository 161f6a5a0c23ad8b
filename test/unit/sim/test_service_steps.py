# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The legacy REST surfaces: step-wise training and GPU instances (protocol c.5, i.8)."""

from __future__ import annotations

from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, admin_state, rest, run, serving  # noqa: E402

EXAMPLE = {'observation': {'state': [0.0] * 6}, 'actions': [[0.0] * 6, [0.5] * 6]}
PARAMS = {'learning_rate': 1e-3, 'beta1': 0.9, 'beta2': 0.95, 'eps': 1e-8, 'weight_decay': 0}
ADAM = {'optimizer': 'adam', 'params': PARAMS, 'request_id': ''}
RUN = '/v1/training-runs'


async def ask(server, method, path, body=None, status=200):
    """Send a REST request and return the object of the answer."""
    response = await rest(server, method, path, body)
    assert response.status_code == status, response.text
    return response.json()


async def started(server, **fields):
    made = await ask(server, 'POST', f'{RUN}/lora', fields)
    assert made['training_run_id'] == made['run_id'] == made['id']
    return f'{RUN}/{made["id"]}'


async def step(server, path, rate=1e-3):
    """Take one step; return the loss before it."""
    loss = (await ask(server, 'POST', f'{path}/forward-backward', {'data': [EXAMPLE]}))['loss']
    await ask(server, 'POST', f'{path}/optim-step',
              ADAM | {'params': PARAMS | {'learning_rate': rate}})
    return loss


def test_loss_falls_with_the_steps():
    async def main():
        async with serving() as server:
            path = await started(server)
            losses = [await step(server, path) for _ in range(20)]
            assert losses == sorted(losses, reverse=True)
            assert losses[-1] < losses[0] / 2
            row = await ask(server, 'GET', path)
            assert (row['step'], row['status'], row['loss']) == (20, 'running', losses[-1])
            assert (row['base_model'], row['rank']) == ('pi0.7-flash', 32)

    run(main())


@pytest.mark.parametrize('rate, rises', [(0.0, False), (1e-4, False), (1e-2, True)])
def test_learning_rate_matters(rate, rises):
    async def main():
        async with serving() as server:
            path = await started(server)
            losses = [await step(server, path, rate) for _ in range(3)]
            assert (losses[2] > losses[0]) is rises
            assert (losses[2] == losses[0]) is (rate == 0.0)

    run(main())


def test_answers_have_loss_step_and_metrics():
    async def main():
        async with serving() as server:
            path = await started(server)
            body = {'data': [EXAMPLE | {'loss_weights': [1.0], 'metadata': {}}] * 5,
                    'loss_fn': 'behavior_cloning', 'microbatch_size': 2}
            answer = await ask(server, 'POST', f'{path}/forward-backward', body)
            assert answer['metrics']['loss'] == answer['loss']
            assert answer['metrics']['microbatches'] == 3
            assert (await ask(server, 'POST', f'{path}/optim-step', ADAM))['step'] == 1
            refused = await ask(server, 'POST', f'{path}/optim-step', ADAM, 409)
            assert refused['error'] == 'no_gradients'

    run(main())


def test_request_id_makes_a_step_once():
    async def main():
        async with serving() as server:
            path = await started(server, request_id='run')
            assert await started(server, request_id='run') == path
            body = {'data': [EXAMPLE], 'request_id': 'a'}
            first, again = [await ask(server, 'POST', f'{path}/forward-backward', body)
                            for _ in range(2)]
            assert first == again
            body = ADAM | {'request_id': 'b'}
            first, again = [await ask(server, 'POST', f'{path}/optim-step', body)
                            for _ in range(2)]
            assert first == again == {'step': 1, 'metrics': first['metrics']}
            assert first['metrics']['batches'] == 1

    run(main())


def test_adapter_and_state_are_saved():
    async def main():
        async with serving() as server:
            path = await started(server, name='wave')
            await step(server, path)
            saved = await ask(server, 'POST', f'{path}/save-adapter', {})
            assert (saved['name'], saved['version'], saved['adapter_ref']) == (
                'wave', 'v1', 'wave@v1')
            assert saved['adapter'] == {
                '_id': saved['adapter_id'], 'name': 'wave', 'version': 'v1'}
            model = server.state.models.get_ready(saved['adapterId'])
            assert (model.name, model.version) == ('wave', 'v1')
            named = await ask(
                server, 'POST', f'{path}/save-adapter', {'name': 'x', 'version': 'y'})
            assert named['adapterRef'] == 'x@y'
            state = await ask(server, 'POST', f'{path}/save-state', {'name': 'middle'})
            assert (state['name'], state['step']) == ('middle', 1)
            await ask(server, 'POST', f'{path}/save-state', {'name': ' '}, 400)

    run(main())


def test_run_ends_after_its_minutes():
    async def main():
        async with serving() as server:
            path = await started(server, max_minutes=2)
            await admin(server, 'advance', seconds=119)
            await step(server, path)
            await admin(server, 'advance', seconds=2)
            refused = await ask(server, 'POST', f'{path}/forward-backward', {'data': [EXAMPLE]},
                                409)
            assert refused['error'] == 'training_run_finished'
            assert (await ask(server, 'GET', path))['status'] == 'stopped'

    run(main())


@pytest.mark.parametrize('body, status', [
    ({'base_model': 'pi0.5'}, 400), ({'rank': 5}, 400), ({'rank': '8'}, 400),
    ({'max_minutes': 0}, 400), ({'max_minutes': float('nan')}, 400), ({'config': []}, 400),
    ({'config': {'a': float('inf')}}, 400), ({'dataset_id': 'x'}, 404), ({'surprise': 1}, 400),
])
def test_run_that_cannot_be_is_refused(body, status):
    async def main():
        async with serving() as server:
            assert (await ask(server, 'POST', f'{RUN}/lora', body, status))['error']
            assert server.state.step_runs.table.all() == []

    run(main())


@pytest.mark.parametrize('call, body', [
    ('forward-backward', {'data': []}), ('forward-backward', {'data': [5]}),
    ('forward-backward', {'data': [{'observation': {}}]}), ('forward-backward', {}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': []}]}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': [[]]}]}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': [[0.0], [0.0, 1.0]]}]}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': [['x']]}]}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': [[float('nan')]]}]}),
    ('forward-backward', {'data': [EXAMPLE | {'actions': 5}]}),
    ('forward-backward', {'data': [EXAMPLE], 'loss_fn': 'mse'}),
    ('forward-backward', {'data': [EXAMPLE], 'microbatch_size': 0}),
    ('optim-step', ADAM | {'optimizer': 'sgd'}), ('optim-step', ADAM | {'params': {}}),
    ('optim-step', ADAM | {'params': PARAMS | {'beta1': 1.5}}),
    ('optim-step', ADAM | {'params': PARAMS | {'momentum': 0.9}}),
    ('optim-step', ADAM | {'params': PARAMS | {'learning_rate': -1}}),
])
def test_step_that_cannot_be_is_refused(call, body):
    async def main():
        async with serving() as server:
            path = await started(server)
            assert (await ask(server, 'POST', f'{path}/{call}', body, 400))['error']
            assert (await ask(server, 'GET', path))['step'] == 0

    run(main())


@pytest.mark.parametrize('method, path, body', [
    ('GET', f'{RUN}/x', None), ('POST', f'{RUN}/x/forward-backward', {'data': [EXAMPLE]}),
    ('POST', f'{RUN}/x/optim-step', ADAM), ('POST', f'{RUN}/x/save-adapter', None),
    ('POST', f'{RUN}/x/save-state', {'name': 'y'}),
])
def test_unknown_run_is_a_404(method, path, body):
    async def main():
        async with serving() as server:
            assert (await ask(server, method, path, body, 404))['error'] == (
                'training_run_not_found')

    run(main())


# -- instances


def test_instance_is_provisioned_and_torn_down():
    body = {'region': 'auto', 'instance_type': 'auto', 'allowed_ssh_cidrs': [],
            'allowed_webrtc_cidrs': ['0.0.0.0/0'], 'hf_token': 'hf_canary', 'spot': False,
            'volume_size': 200, 'robot_id': '', 'billing_max_gpu_seconds': 3600}

    async def main():
        async with serving(provision_s=100) as server:
            assert await ask(server, 'GET', '/deployments/status') == {'status': 'none'}
            await ask(server, 'POST', '/deployments/teardown', status=404)
            made = await ask(server, 'POST', '/deployments/provision', body)
            assert (made['status'], made['volume_size']) == ('provisioning', 200)
            await admin(server, 'advance', seconds=100)
            row = await ask(server, 'GET', '/deployments/status')
            assert (row['status'], row['id']) == ('running', made['id'])
            for _ in range(2):
                gone = await ask(server, 'POST', '/deployments/teardown')
                assert (gone['status'], gone['id']) == ('terminated', made['id'])
            other = await ask(server, 'POST', '/deployments/provision', {})
            assert (await ask(server, 'GET', '/deployments/status'))['id'] == other['id']
            assert 'hf_canary' not in str(server.state.instances.table.all())
            assert 'hf_canary' not in str(await admin_state(server))

    run(main())


def test_each_key_has_its_own_instance():
    async def main():
        async with serving() as server:
            other = (await admin(server, 'key', name='other'))['key']
            mine = await ask(server, 'POST', '/deployments/provision', {})
            for method, path, status in (
                ('GET', 'status', 200), ('POST', 'teardown', 404), ('POST', 'provision', 200),
                ('POST', 'teardown', 200),
            ):
                response = await rest(server, method, f'/deployments/{path}', key=other)
                assert response.status_code == status
            row = await ask(server, 'GET', '/deployments/status')
            assert (row['id'], row['status']) == (mine['id'], 'provisioning')

    run(main())


@pytest.mark.parametrize('body', [
    {'volume_size': 0}, {'volume_size': '1'}, {'spot': 1}, {'billing_max_gpu_seconds': -1},
    {'allowed_ssh_cidrs': [5]}, {'colour': 'red'},
])
def test_instance_that_cannot_be_is_refused(body):
    async def main():
        async with serving() as server:
            await ask(server, 'POST', '/deployments/provision', body, 400)
            assert await ask(server, 'GET', '/deployments/status') == {'status': 'none'}

    run(main())
