# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the commands of the operator choose a graph, without ROS."""

import os
import subprocess
import sys

import pytest

from reflex_ros.runner import running_graphs

VERBS = ('status', 'gate', 'promote', 'demote', 'reset', 'park')


@pytest.fixture
def graphs(tmp_path, monkeypatch):
    """Return a function that writes the note of a running graph."""
    for name in ('XDG_RUNTIME_DIR', 'XDG_STATE_HOME'):
        folder = tmp_path / name
        folder.mkdir(0o700)
        monkeypatch.setenv(name, str(folder))
    pid = os.getpid()

    def add(domain, namespace):
        note = running_graphs.NoteFile('so101', domain, namespace)
        # Two notes of one process: only their names must differ.
        os.rename(tmp_path / 'XDG_RUNTIME_DIR' / 'reflex_ros' / f'{pid}.json',
                  tmp_path / 'XDG_RUNTIME_DIR' / 'reflex_ros' / f'{domain}{namespace}.json')
        return note
    return add


@pytest.mark.parametrize('verb', VERBS)
def test_several_graphs_are_listed_as_a_usage_error(ask, graphs, verb):
    graphs(5, 'left')
    graphs(5, 'right')
    graphs(6, '')
    found = ask(verb)
    assert found.code == 2
    assert '3 graphs run on this machine: ROS domain 5, namespace left; ROS domain 5, ' \
        'namespace right; ROS domain 6. Name one with --domain, --namespace or both' in found.err
    assert ask(verb, '--domain', '5').code == 2


@pytest.mark.parametrize('arguments', [('--domain', '233'), ('--domain', 'x')])
def test_domain_must_be_one(ask, arguments):
    assert ask('stop', *arguments).code == 2


@pytest.mark.parametrize('verb', [*VERBS, 'stop', 'view'])
@pytest.mark.parametrize('name', ['a b', 'ä', '1st', 'left,right'])
def test_namespace_must_be_one_ros_name(ask, verb, name):
    found = ask(verb, '--namespace', name)
    assert found.code == 2
    assert f'--namespace {name!r}: expected one ROS name, such as left' in found.err


@pytest.mark.parametrize('verb', [*VERBS, 'stop'])
def test_without_ros_the_extra_is_named_at_once(verb):
    done = subprocess.run(
        [sys.executable, '-c', 'import sys\nsys.modules["rclpy"] = None\n'
         'from reflex_ros.cli.main import main\nmain()', verb, '--json'],
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "pip install 'reflex_ros[ros]'" in done.stdout
