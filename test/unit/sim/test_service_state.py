# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``--state DIR``: what survives a restart, and which directories are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
import hashlib
import json
from pathlib import Path
import signal
import stat
import sys

import httpx
from hypothesis import given
from hypothesis import strategies as st
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import admin, call, run, started, streaming  # noqa: E402

from reflex_ros.sim.service.clock import ServiceClock  # noqa: E402
from reflex_ros.sim.service.refusals import Reason, Refusal  # noqa: E402
from reflex_ros.sim.service.server import Server  # noqa: E402
from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402
from reflex_ros.sim.service.storage.records import from_record, to_record  # noqa: E402
from reflex_ros.sim.service.storage.store import StateError  # noqa: E402
from reflex_ros.sim.service.storage.table import new_id, Table  # noqa: E402

EPOCH_S = 1_800_000_000.0
DEADLINE_S = 10.0


class Colour(str, Enum):
    RED = 'red'
    BLUE = 'blue'


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 0


@dataclass
class Thing:
    id: str
    colour: Colour
    weight: float
    parts: list[Part]
    pair: tuple[int, ...] = ()
    note: str | None = None
    is_new: bool = True
    by_name: dict[str, Part] = field(default_factory=dict)
    extra: object = None


parts = st.builds(Part, st.text(), st.integers())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
things = st.builds(
    Thing, st.text(), st.sampled_from(Colour), st.floats(allow_nan=False, allow_infinity=False),
    st.lists(parts), st.lists(st.integers()).map(tuple), st.none() | st.text(), st.booleans(),
    st.dictionaries(st.text(), parts), json_values)


@given(things)
def test_row_is_the_same_after_a_trip_through_json(thing):
    assert from_record(Thing, json.loads(json.dumps(to_record(thing)))) == thing


@given(json_values)
def test_any_json_is_a_row_or_a_value_error(value):
    with pytest.raises(ValueError, match='.'):
        from_record(Thing, value)


@pytest.mark.parametrize('change, complaint', [
    ({'colour': 'green'}, 'Thing.colour'), ({'weight': 'heavy'}, 'Thing.weight'),
    ({'weight': True}, 'Thing.weight'), ({'parts': [{'name': 5}]}, 'Thing.parts: Part.name'),
    ({'parts': {}}, 'Thing.parts'), ({'note': 5}, 'Thing.note'), ({'is_new': 1}, 'Thing.is_new'),
    ({'smell': 1}, "no field 'smell'"),
])
def test_record_of_the_wrong_type_names_the_field(change, complaint):
    record = {'id': 'x', 'colour': 'red', 'weight': 1.0, 'parts': []} | change
    with pytest.raises(ValueError, match=complaint):
        from_record(Thing, record)


def test_missing_field_has_its_default_or_is_named():
    assert from_record(Part, {'name': 'x'}) == Part('x')
    with pytest.raises(ValueError, match="lacks the field 'name'"):
        from_record(Part, {'size': 5})


def test_table_keeps_the_order_and_refuses_the_unknown():
    table = Table(Thing, Reason.SESSION_NOT_FOUND)
    rows = [table.add(Thing(new_id('thing'), Colour.RED, 1.0, [])) for _ in range(3)]
    assert table.all() == rows
    assert table.find(rows[1].id) is table.get(rows[1].id) is rows[1]
    table.remove(rows[1].id)
    assert table.all() == [rows[0], rows[2]]
    assert table.find(rows[1].id) is None
    with pytest.raises(Refusal, match='session_not_found'):
        table.get(rows[1].id)


def test_table_reads_all_records_or_none():
    table = Table(Thing, Reason.SESSION_NOT_FOUND)
    row = table.add(Thing('a', Colour.RED, 1.0, []))
    for broken in ([{'id': 5}], {}, [to_record(row)] * 2):
        with pytest.raises(ValueError, match='.'):
            table.read_records(broken)
        assert table.all() == [row]


def state_of(directory, now_s=EPOCH_S):
    clock = ServiceClock(source=lambda: 0.0, epoch_s=now_s)
    return ServiceState(Settings(latency_ms=0.0), clock, directory)


def test_clock_goes_on_and_never_back(tmp_path):
    state = state_of(tmp_path)
    state.clock.advance(1000.0)
    state.save()
    state.close()
    later = state_of(tmp_path, now_s=EPOCH_S + 5.0)
    assert later.clock.now_s() == EPOCH_S + 1005.0
    later.clock.advance(1.0)
    later.save()
    later.close()
    # The wall clock was set back by an hour between the two.
    set_back = state_of(tmp_path, now_s=EPOCH_S - 3600.0)
    assert set_back.clock.now_s() == EPOCH_S + 1006.0
    set_back.close()


def test_file_is_private_and_written_when_something_changed(tmp_path):
    async def main():
        directory = tmp_path / 'new' / 'state'
        state = state_of(directory)
        file = directory / 'state.json'
        async with Server(state) as server:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            before = file.stat().st_ino
            await call(server, 'whoami')
            assert file.stat().st_ino == before
            session = (await call(server, 'authorizeSession', baseModel='pi0.5'))['sessionId']
            assert session in file.read_text()
            await admin(server, 'advance', seconds=7200)
            assert json.loads(file.read_text())['clock']['advanced_s'] == 7200.0
            async with streaming(server) as robot:
                opened = robot.ready['session_id']
                assert opened in file.read_text()
                await robot.ask(0)
            [stored] = [row for row in json.loads(file.read_text())['tables']['sessions']
                        if row['id'] == opened]
            assert stored['status'] == 'active'
        assert not (directory / 'state.json.tmp').exists()

    run(main())


@pytest.mark.parametrize('content', [
    b'', b'{', b'\xff', b'[]', b'{"format": "other"}', b'[' * 100_000,
    b'{"format": "reflex-sim-state", "version": 99}',
    b'{"format": "reflex-sim-state", "version": 1, "clock": {}, "tables": {}}',
    b'{"format": "reflex-sim-state", "version": 1, "tables": {},'
    b' "clock": {"advanced_s": NaN, "now_s": 0}}',
    b'{"format": "reflex-sim-state", "version": 1, "tables": {"cats": []},'
    b' "clock": {"advanced_s": 0, "now_s": 0}}',
    b'{"format": "reflex-sim-state", "version": 1, "tables": {"sessions": [{"id": "x"}]},'
    b' "clock": {"advanced_s": 0, "now_s": 0}}',
], ids=range(11))
def test_foreign_or_corrupt_file_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / 'state.json'
    file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StateError, match=r'state\.json: .*; move it away') as caught:
            state_of(tmp_path)
        assert '\n' not in str(caught.value)
    assert file.read_bytes() == content


def test_directory_that_is_none_is_refused(tmp_path):
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(StateError, match='cannot use the state directory'):
        state_of(file)


def test_disk_that_takes_nothing_is_a_507_and_the_old_state_stays(tmp_path):
    async def main():
        async with Server(state_of(tmp_path)) as server:
            before = (tmp_path / 'state.json').read_bytes()
            (tmp_path / 'state.json.tmp').mkdir()
            body = {'path': 'publicApi:authorizeSession', 'format': 'json',
                    'args': {'apiKey': 'rfx_sim', 'baseModel': 'pi0.5'}}
            async with httpx.AsyncClient(trust_env=False) as http:
                response = await http.post(f'{server.url}/api/mutation', json=body)
            assert response.status_code == 507
            assert 'cannot write' in response.json()['error']
            assert (tmp_path / 'state.json').read_bytes() == before
            (tmp_path / 'state.json.tmp').rmdir()

    run(main())


def ask(ready, function, **args):
    body = {'path': f'publicApi:{function}', 'format': 'json',
            'args': {'apiKey': ready['key']} | args}
    return httpx.post(f'{ready["url"]}/api/mutation', json=body, trust_env=False).json()['value']


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
def test_restarted_process_knows_its_sessions_and_deployments(tmp_path, how):
    with started('--state', str(tmp_path)) as process:
        ready = json.loads(process.stdout.readline())
        session = ask(ready, 'authorizeSession', baseModel='pi0.5')['sessionId']
        deployment = ask(ready, 'createDeployment', name='a', modelId='model_sim', mode='dry_run')
        httpx.post(f'{ready["admin"]}/advance', json={'seconds': 600}, trust_env=False)
        process.send_signal(how)
        process.wait(DEADLINE_S)
    with started('--state', str(tmp_path)) as process:
        ready = json.loads(process.stdout.readline())
        [row] = ask(ready, 'listInferenceSessions')['sessions']
        assert (row['id'], row['status']) == (session, 'active')
        ids = [row['id'] for row in ask(ready, 'listDeployments')['deployments']]
        assert ids == ['deploy_sim', 'deploy_blocked', deployment['deploymentId']]
        # 600 s of the 1800 are over already.
        httpx.post(f'{ready["admin"]}/advance', json={'seconds': 1200}, trust_env=False)
        assert ask(ready, 'listInferenceSessions')['sessions'][0]['status'] == 'expired'


def test_restarted_process_goes_on_with_data_and_half_an_upload(tmp_path):
    durations = ('--queue-s', '100', '--provision-s', '100', '--train-s', '1000')
    request = {'baseModel': 'pi0.5', 'fineTuningType': 'lora', 'epochs': 1, 'modelName': 'm',
               'modelVersion': 'v1', 'requestId': 'once'}

    def rest(ready, method, path, body):
        return httpx.request(
            method, f'{ready["url"]}{path}', json=body, trust_env=False,
            headers={'Authorization': f'Bearer {ready["key"]}'}).json()

    def put(made, content, content_range):
        return httpx.put(made['upload_url'], content=content, trust_env=False,
                         headers={'Content-Range': content_range})

    with started('--state', str(tmp_path), *durations) as process:
        ready = json.loads(process.stdout.readline())
        dataset = ask(ready, 'registerDataset', hfSourceUri='o/r')['datasetId']
        ask(ready, 'validateDataset', datasetId=dataset)
        run_id = ask(ready, 'createAndProvisionTrainingRun', datasetId=dataset,
                     **request)['trainingRunId']
        httpx.post(f'{ready["admin"]}/advance', json={'seconds': 700}, trust_env=False)
        before = ask(ready, 'getTrainingRun', trainingRunId=run_id)['trainingRun']
        made = rest(ready, 'POST', '/v1/datasets', {'name': 'x', 'request_id': 'u'})
        assert put(made, b'abc', 'bytes 0-2/6').status_code == 308
        process.kill()
        process.wait(DEADLINE_S)
    for path in (tmp_path / 'blobs').iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with started('--state', str(tmp_path), *durations) as process:
        ready = json.loads(process.stdout.readline())
        run_row = ask(ready, 'getTrainingRun', trainingRunId=run_id)['trainingRun']
        assert run_row['status'] == before['status'] == 'running'
        assert run_row['progress'] >= before['progress'] > 0.4
        assert run_row['modalInitialLoss'] == before['modalInitialLoss']
        again = ask(ready, 'createAndProvisionTrainingRun', datasetId=dataset, **request)
        assert again['trainingRunId'] == run_id
        # The port is another one; the address is asked for again.
        made = rest(ready, 'POST', '/v1/datasets', {'name': 'x', 'request_id': 'u'})
        assert put(made, b'', 'bytes */6').headers['Range'] == 'bytes=0-2'
        whole = put(made, b'def', 'bytes 3-5/6').json()
        assert whole['sha256'] == hashlib.sha256(b'abcdef').hexdigest()
        done = rest(ready, 'POST', f'/v1/datasets/{made["dataset_id"]}/complete', {})
        assert done['size_bytes'] == 6


def test_second_service_on_a_directory_is_refused(tmp_path):
    with started('--state', str(tmp_path)) as first:
        first.stdout.readline()
        with started('--state', str(tmp_path)) as second:
            output, errors = second.communicate(timeout=DEADLINE_S)
            assert (second.returncode, output) == (1, '')
            assert errors == (f'Error: another service runs on {tmp_path}; end it, or name '
                              'another directory with --state\n')


def test_state_of_a_stranger_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / 'state.json').write_text('{"mine": true}')
    with started('--state', str(tmp_path)) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, output, errors.count('\n')) == (1, '', 1)
        assert 'it is no state file of this program' in errors
