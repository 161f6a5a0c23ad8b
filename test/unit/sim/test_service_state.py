# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``--state DIR``: what survives a restart, and which directories are refused."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import Enum
import hashlib
import itertools
import json
from pathlib import Path
import resource
import signal
import sqlite3
import stat
import sys
import tempfile

import httpx
from hypothesis import given
from hypothesis import strategies as st
import pytest

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parent))

from property_examples import examples  # noqa: E402
from service_fixture import admin, call, run, started, streaming  # noqa: E402

from reflex_ros.sim.service.clock import ServiceClock  # noqa: E402
from reflex_ros.sim.service.refusals import Reason, Refusal  # noqa: E402
from reflex_ros.sim.service.server import Server  # noqa: E402
from reflex_ros.sim.service.settings import Settings  # noqa: E402
from reflex_ros.sim.service.state import ServiceState  # noqa: E402
from reflex_ros.sim.service.storage import StateError  # noqa: E402
from reflex_ros.sim.service.storage.store import APPLICATION_ID, Store, VERSION  # noqa: E402
from reflex_ros.sim.service.storage.table import new_id, Row, Table  # noqa: E402

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
class Thing(Row):
    id: str
    colour: Colour
    weight: float
    parts: list[Part]
    pair: tuple[int, ...] = ()
    note: str | None = None
    is_new: bool = True
    by_name: dict[str, Part] = field(default_factory=dict)
    extra: object = None


@dataclass(frozen=True)
class Fixed(Row):
    id: str
    size: int


def table_of(row_type=Thing, **options):
    return Table(row_type, Reason.SESSION_NOT_FOUND, **options)


@contextlib.contextmanager
def stored(directory, *tables):
    """Open a store on the tables, and close it."""
    clock = ServiceClock(source=lambda: 0.0, epoch_s=EPOCH_S)
    store = Store(directory, clock, {f'table {n}': table for n, table in enumerate(tables)})
    try:
        yield store
    finally:
        store.close()


def reread(directory, *row_types):
    """Return the rows of tables that are read from a directory."""
    tables = [table_of(row_type) for row_type in row_types]
    with stored(directory, *tables):
        return [table.all() for table in tables]


def statements(store):
    """List the SQL statements that the store runs from now on."""
    seen = []
    store._connection.set_trace_callback(seen.append)
    return seen


parts = st.builds(Part, st.text(), st.integers())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
things = st.builds(
    Thing, st.text(), st.sampled_from(Colour), st.floats(allow_nan=False, allow_infinity=False),
    st.lists(parts), st.lists(st.integers()).map(tuple), st.none() | st.text(), st.booleans(),
    st.dictionaries(st.text(), parts), json_values)


@examples(50)
@given(st.lists(things, max_size=3, unique_by=lambda thing: thing.id))
def test_rows_are_the_same_after_a_restart(rows):
    with tempfile.TemporaryDirectory() as directory:
        table = table_of()
        for row in rows:
            table.add(row)
        with stored(Path(directory), table):
            pass
        assert reread(Path(directory), Thing) == [rows]


def test_table_keeps_the_order_and_refuses_the_unknown():
    table = table_of()
    rows = [table.add(Thing(new_id('thing'), Colour.RED, 1.0, [])) for _ in range(3)]
    assert table.all() == rows
    assert table.find(rows[1].id) is table.get(rows[1].id) is rows[1]
    assert table.first(lambda row: row.weight == 1.0) is rows[0]
    table.remove(rows[1].id)
    assert table.all() == [rows[0], rows[2]]
    assert table.find(rows[1].id) is None
    with pytest.raises(Refusal, match='session_not_found'):
        table.get(rows[1].id)


def test_full_table_loses_its_oldest_row():
    table = table_of(Fixed, limit=2)
    for number in range(5):
        table.add(Fixed(str(number), number))
    assert [row.id for row in table.all()] == ['3', '4']


def test_each_change_is_saved_and_nothing_else_is_written(tmp_path):
    table, fixed = table_of(), table_of(Fixed)
    first, second, third = [table.add(Thing(name, Colour.RED, 1.0, [])) for name in 'abc']
    with stored(tmp_path, table, fixed) as store:
        seen = statements(store)
        store.save()
        assert seen == []
        second.note, second.colour = 'changed', Colour.BLUE
        table.remove(first.id)
        fixed.add(Fixed('x', 1))
        store.save()
        assert [text.split()[0] for text in seen] == [
            'BEGIN', 'INSERT', 'DELETE', 'INSERT', 'UPDATE', 'COMMIT']
    assert reread(tmp_path, Thing, Fixed) == [[second, third], [Fixed('x', 1)]]


def test_change_that_is_back_and_forth_keeps_the_order(tmp_path):
    table = table_of()
    rows = [table.add(Thing(name, Colour.RED, 1.0, [])) for name in 'abc']
    with stored(tmp_path, table) as store:
        for row in reversed(rows):
            row.weight += 1.0
            store.save()
    assert reread(tmp_path, Thing) == [rows]


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


def rows_in(directory, kind):
    """Read the rows of one table past the service."""
    with contextlib.closing(sqlite3.connect(directory / 'state.sqlite3')) as connection:
        return [json.loads(body) for [body] in connection.execute(
            'SELECT body FROM rows WHERE kind = ? ORDER BY rowid', (kind,))]


def clock_in(directory):
    """Read by how many seconds the stored clock was moved."""
    with contextlib.closing(sqlite3.connect(directory / 'state.sqlite3')) as connection:
        return connection.execute('SELECT advanced_s FROM clock').fetchone()[0]


def test_file_is_private_and_written_when_something_changed(tmp_path):
    async def main():
        directory = tmp_path / 'new' / 'state'
        state = state_of(directory)
        file = directory / 'state.sqlite3'
        async with Server(state) as server:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            for path in directory.iterdir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
            before = file.read_bytes()
            await call(server, 'whoami')
            assert file.read_bytes() == before
            session = (await call(server, 'authorizeSession', baseModel='pi0.5'))['sessionId']
            assert [row['id'] for row in rows_in(directory, 'sessions')] == [session]
            await admin(server, 'advance', seconds=7200)
            assert clock_in(directory) == 7200.0
            async with streaming(server) as robot:
                opened = robot.ready['session_id']
                assert opened in [row['id'] for row in rows_in(directory, 'sessions')]
                await robot.ask(0)
        assert {row['id']: row['status'] for row in rows_in(directory, 'sessions')}[
            opened] == 'active'

    run(main())


def database(*statements, row=None):
    """Make the content of a database file; a row is its kind and its body."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / 'file'
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(';'.join(statements))
            if row is not None:
                connection.execute('INSERT INTO rows VALUES (?, 1, ?)', row)
                connection.commit()
        return path.read_bytes()


OURS = (f'PRAGMA application_id = {APPLICATION_ID}', f'PRAGMA user_version = {VERSION}',
        'CREATE TABLE rows (kind, id, body)', 'CREATE TABLE clock (advanced_s, now_s)')
NO_TIME = 'INSERT INTO clock VALUES (0, 0)'


@pytest.mark.parametrize('content, complaint', [
    (b'{"mine": true}', 'not a database'), (b'\xff' * 5000, 'not a database'),
    (database(*OURS, NO_TIME)[:3000], 'malformed'),
    (database('CREATE TABLE cats (name)'), 'not a state file of this program'),
    (database(*OURS, NO_TIME, 'PRAGMA user_version = 99'), 'its version is 99'),
    (database(*OURS, NO_TIME, 'DROP TABLE rows'), 'no such table'),
    (database(*OURS), 'clock'),
    (database(*OURS, "INSERT INTO clock VALUES (-1, 'x')"), 'clock'),
    *((database(*OURS, NO_TIME, row=row), complaint) for row, complaint in (
        (('cats', '{}'), "unknown table 'cats'"), (('sessions', '{'), 'property name'),
        (('sessions', '[]'), 'a row of sessions'),
        (('sessions', '{"id": "x"}'), 'a row of sessions: .*token'),
        (('keys', '{"id": "x", "name": 5}'), 'a row of keys: name'),
        (('instances', '[' * 100_000), 'recursion')))
], ids=itertools.count())
def test_foreign_or_corrupt_file_is_refused_and_left_alone(tmp_path, content, complaint):
    file = tmp_path / 'state.sqlite3'
    file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StateError, match=rf'state\.sqlite3: .*({complaint}).*; move .* away'
                           ) as caught:
            state_of(tmp_path)
        assert '\n' not in str(caught.value)
    assert file.read_bytes() == content


def test_state_of_an_earlier_version_is_refused_and_left_alone(tmp_path):
    (tmp_path / 'state.json').write_text('{"format": "reflex-sim-state"}')
    with pytest.raises(StateError, match=r'state\.json: an earlier version .*; move .* away'):
        state_of(tmp_path)
    assert (tmp_path / 'state.json').read_text() == '{"format": "reflex-sim-state"}'


def test_directory_that_is_none_is_refused(tmp_path):
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(StateError, match='cannot use the state directory'):
        state_of(file)


def test_full_disk_is_a_507_and_the_old_state_stays(tmp_path):
    body = {'path': 'publicApi:authorizeSession', 'format': 'json',
            'args': {'apiKey': 'rfx_sim', 'baseModel': 'pi0.5'}}

    def authorize(ready):
        return httpx.post(f'{ready["url"]}/api/mutation', json=body, trust_env=False)

    with started('--state', str(tmp_path)) as process:
        ready = json.loads(process.stdout.readline())
        # The process can make its files no longer, as on a full disk.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        response = authorize(ready)
        assert response.status_code == 507
        assert 'cannot write' in response.json()['error']
        assert rows_in(tmp_path, 'sessions') == []
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        # The next call that can write saves what the refused one has left to save.
        assert authorize(ready).status_code == 200
        assert len(rows_in(tmp_path, 'sessions')) == 2


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
    (tmp_path / 'state.sqlite3').write_text('{"mine": true}')
    with started('--state', str(tmp_path)) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, output, errors.count('\n')) == (1, '', 1)
        assert 'file is not a database' in errors
