# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The API key stays where it belongs, whatever a command does with it.

Every example of every help page runs with ``-v`` against the simulated service. The key must be in
no output and in no file. Commands that run until somebody ends them are walked in real processes,
with the whole graph: ``test/ros/test_first_robot.py`` looks there for the same.
"""

import json
from pathlib import Path
import shlex
import stat

import pytest

from .test_main import COMMANDS

KEY = 'rfx_canary_7c1d9e'
ENDLESS = {
    'connect': 'runs until Ctrl-C', 'demo': 'starts a graph', 'login': 'waits for a person',
    'record': 'runs until Ctrl-C', 'sim arm': 'runs until Ctrl-C',
    'sim camera': 'runs until Ctrl-C',
    'sim service': 'runs until Ctrl-C', 'up': 'runs until Ctrl-C', 'view': 'runs until Ctrl-C'}
"""Commands that are not run here, and why."""
GRAPH = ('demote', 'gate', 'hand-back', 'park', 'promote', 'reset', 'status', 'stop', 'take-over')
CALLS = [(' '.join(path), line.strip().partition(' > ')[0].partition(' < ')[0])
         for path, command in COMMANDS.items() if ' '.join(path) not in ENDLESS
         for line in command.epilog.splitlines() if line.strip().startswith('reflex ')]
pytestmark = pytest.mark.usefixtures('short_waits')


def test_every_command_is_run_or_named():
    named = {' '.join(path) for path in COMMANDS}
    assert ENDLESS.keys() <= named
    assert {name for name, _ in CALLS} == named - ENDLESS.keys()


@pytest.fixture
def home(no_settings, monkeypatch):
    """Return a home with what the examples name; nothing else of this machine is seen."""
    for name in ('HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR', 'XDG_CACHE_HOME', 'TMPDIR',
                 'REFLEX_RECORDINGS_DIR'):
        folder = no_settings / name.lower()
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.chdir(no_settings / 'home')
    Path('state.json').write_text('[0, -30, 40, 30, 0, 30]')
    Path('pose.json').write_text('[0, -30, 40, 30, 0, 30]')
    for name in ('frame', 'top', 'left', 'right'):
        Path(f'{name}.jpg').write_bytes(b'\xff\xd8\xff\xe0 a picture')
    Path('pick.tar').write_bytes(b'data')
    Path('adapter.safetensors').write_bytes(b'weights')
    Path('token.txt').write_text('token_of_nobody')
    Path('arm.json').write_text('{}')
    Path('run.json').write_text('{}')
    Path('deployment.yaml').write_text('name: pick\n')
    Path('robot.yaml').write_text('robot: so101\n')
    return no_settings


@pytest.mark.parametrize(('name', 'call'), CALLS, ids=[call for _, call in CALLS])
def test_key_is_in_no_output_and_in_no_file(name, call, domain, ask, home, monkeypatch):
    if name in GRAPH:
        graph_client = pytest.importorskip('reflex_ros.nodes.graph_client')
        monkeypatch.setattr(graph_client, 'FIND_S', 0.1)
        for variable, value in domain.items():
            monkeypatch.setenv(variable, value)
    # Waiting for a job adds no output.
    words = [word for word in shlex.split(call)[1:] if word != '--wait']
    for extra in (('-v',), ('--json',)):
        # Both fixtures look at the output: it has no key, and no traceback on stdout.
        outcome = ask(*words, *extra)
        assert outcome.code in (0, 1, 2), (outcome.out, outcome.err)
        if extra == ('--json',) and outcome.out and outcome.code != 2:
            json.loads(outcome.out)
    for path in home.rglob('*'):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
        # What a command makes outside the place where one works is for its owner alone.
        if path.is_file() and home / 'home' not in path.parents:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
