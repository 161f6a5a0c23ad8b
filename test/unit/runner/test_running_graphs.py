# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The notes by which a command in another terminal finds the running graph."""

import json
import os
import stat
import subprocess
import sys

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner import running_graphs
from reflex_ros.runner.running_graphs import check_place, find, holder, NoteFile, starting


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Make folders of our own; return the one that is written."""
    for name in ('XDG_RUNTIME_DIR', 'XDG_STATE_HOME'):
        folder = tmp_path / name
        folder.mkdir(0o700)
        monkeypatch.setenv(name, str(folder))
    for name in running_graphs.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / 'XDG_RUNTIME_DIR' / 'reflex_ros'


def change(folder, **fields):
    """Write a note of another process beside ours."""
    [ours] = folder.glob('*.json')
    note = json.loads(ours.read_text()) | fields
    other = folder / f'{note["pid"]}.json'
    other.write_text(json.dumps(note))
    other.chmod(0o600)
    return other


@pytest.fixture
def neighbour():
    """Return the id of another process that runs."""
    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    yield child.pid
    child.communicate(b'\n')


def test_running_graph_is_found_with_its_domain_namespace_and_middleware(places, monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/x.xml')
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_canary')
    note = NoteFile('so101', 73, '/left')
    [graph] = find()
    assert (graph.domain, graph.namespace, dict(graph.nodes)) == (73, 'left', {
        'so101': os.getpid()})
    assert graph.environment == {'FASTDDS_DEFAULT_PROFILES_FILE': '/x.xml'}
    assert str(graph) == 'ROS domain 73, namespace left'
    [file] = places.glob('*')
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(places.stat().st_mode) == 0o700
    assert 'rfx_canary' not in file.read_text()
    note.remove()
    note.remove()
    assert find() == [] and not list(places.glob('*'))


def test_nodes_of_one_domain_and_namespace_are_one_graph(places, neighbour):
    NoteFile('so101', 5, '/')
    started = running_graphs._started(neighbour)
    change(places, pid=neighbour, started=started, node='supervisor')
    [graph] = find()
    assert set(graph.nodes) == {'so101', 'supervisor'} and str(graph) == 'ROS domain 5'
    other = places / f'{neighbour}.json'
    other.write_text(other.read_text().replace('"namespace": ""', '"namespace": "right"'))
    assert [graph.namespace for graph in find()] == ['', 'right']


@pytest.mark.parametrize('fields', [
    # An id that is used again, a process that ended, and contents that are no note.
    {'started': 1}, {'pid': 2 ** 22 + 1}, {'domain': 'x'}, {'environment': {'LD_PRELOAD': '/x'}},
    {'environment': []}, {'more': 1}])
def test_note_that_is_not_of_a_running_node_counts_for_nothing(places, neighbour, fields):
    note = NoteFile('so101', 5, '/')
    change(places, **{'pid': neighbour, 'started': running_graphs._started(neighbour),
                      'namespace': 'other'} | fields)
    note.remove()
    assert find() == []


def test_note_of_a_killed_process_is_removed_by_the_next_one(places, neighbour):
    NoteFile('so101', 5, '/')
    old = change(places, pid=neighbour, started=1)
    NoteFile('so101', 5, '/')
    assert not old.exists()


def test_session_is_held_as_long_as_the_note_says_so(places):
    note = NoteFile('action_stream', 5, '/')
    assert holder('') is None and holder('sess_1') is None
    note.hold_session('sess_1')
    assert holder('sess_1').domain == 5 and holder('sess_2') is None
    note.hold_session('')
    assert holder('sess_1') is None


def test_problem_of_a_node_is_told_as_long_as_it_lasts(places):
    note = NoteFile('recorder', 5, '/')
    assert find()[0].problems == {}
    note.tell_problem('the disk is full')
    assert find()[0].problems == {'recorder': 'the disk is full'}
    note.tell_problem('')
    assert find()[0].problems == {}


def test_shell_without_a_login_session_finds_the_graph_of_one_with_it(places, monkeypatch):
    runtime = os.environ['XDG_RUNTIME_DIR']
    monkeypatch.delenv('XDG_RUNTIME_DIR')
    NoteFile('so101', 6, '/')
    monkeypatch.setenv('XDG_RUNTIME_DIR', runtime)
    assert [graph.domain for graph in find()] == [6]


def test_folder_that_others_may_write_is_not_used_and_ends_no_node(places):
    places.mkdir()
    places.chmod(0o777)
    NoteFile('so101', 5, '/').hold_session('sess_1')
    assert find() == []


@pytest.fixture
def other_graph(places, neighbour, monkeypatch):
    """Return what writes the note of a node in another process, in domain 5."""
    monkeypatch.setattr(running_graphs, 'LEAVE_S', 0.0)

    def write(node, namespace='', **fields):
        ours = NoteFile(node, 5, namespace)
        change(places, **{'pid': neighbour, 'started': running_graphs._started(neighbour)}
               | fields)
        ours.remove()
        return neighbour

    return write


def test_second_graph_in_one_domain_and_namespace_is_refused_with_the_next_step(other_graph):
    pid = other_graph('so101')
    with pytest.raises(ConfigurationError, match='a graph already runs in ROS domain 5') as caught:
        check_place(5, '/', is_simulated=True)
    for part in (f'so101: process {pid}', '`reflex status`', 'another ROS_DOMAIN_ID or namespace'):
        assert part in str(caught.value)
    check_place(6, '', is_simulated=True)
    check_place(5, 'left', is_simulated=False)


def test_graph_whose_nodes_are_not_there_yet_is_known_by_the_command_that_starts_it(other_graph):
    pid = other_graph('reflex up')
    with pytest.raises(ConfigurationError, match=f'reflex up: process {pid}'), \
            starting('reflex up', '', {'ROS_DOMAIN_ID': '5'}):
        pass
    # The refused one has left no note.
    assert [graph.nodes for graph in find()] == [{'reflex up': pid}]


@pytest.mark.parametrize('node, fields', [
    # A view or a camera of a person's own breaks nothing; a process that has ended is no graph.
    ('view', {}), ('camera', {}), ('so101', {'started': 1})])
def test_what_is_no_other_graph_refuses_nothing(other_graph, node, fields):
    other_graph(node, **fields)
    check_place(5, '', is_simulated=False)


def test_nodes_of_a_killed_starter_are_waited_for(other_graph, places, monkeypatch):
    other_graph('so101')
    monkeypatch.setattr(running_graphs, 'LEAVE_S', 8.0)
    monkeypatch.setattr(running_graphs.time, 'sleep', lambda _: [
        file.unlink() for file in places.glob('*')])
    check_place(5, '', is_simulated=False)


def test_simulated_robot_meets_no_real_one_in_any_namespace(other_graph):
    other_graph('so101', 'left')
    with pytest.raises(ConfigurationError, match='a real robot runs in ROS domain 5, namespace '
                       'left .*Unset ROS_DOMAIN_ID'):
        check_place(5, 'right', is_simulated=True)
    check_place(5, 'right', is_simulated=False)


def test_simulated_robots_with_other_namespaces_share_a_domain(other_graph):
    other_graph('reflex up --sim', 'left')
    check_place(5, 'right', is_simulated=True)


def test_command_that_starts_a_graph_is_found_while_it_runs(places):
    with starting('reflex demo', '', {'ROS_DOMAIN_ID': '7', 'ROS_STATIC_PEERS': 'x'}):
        [graph] = find()
        assert (graph.domain, graph.is_simulated) == (7, True)
        assert graph.environment == {'ROS_STATIC_PEERS': 'x'}
    assert find() == []


def test_domain_that_is_no_number_is_refused():
    with pytest.raises(ConfigurationError, match="ROS_DOMAIN_ID is 'x', which is no number"), \
            starting('reflex up', '', {'ROS_DOMAIN_ID': 'x'}):
        pass
