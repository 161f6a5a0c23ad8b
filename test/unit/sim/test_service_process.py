# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The service as a process: its one line, its signals, its command line."""

from __future__ import annotations

import json
from pathlib import Path
import signal
import subprocess
import sys
import time

from click.testing import CliRunner
import httpx
import pytest

pytestmark = pytest.mark.live

sys.path.insert(0, str(Path(__file__).parent))

from service_fixture import COMMAND, ROOT, START_S, started  # noqa: E402

from reflex_ros.sim.service.command import main  # noqa: E402


def whoami(ready, key):
    body = {'path': 'publicApi:whoami', 'args': {'apiKey': key}, 'format': 'json'}
    answer = httpx.post(f'{ready["url"]}/api/query', json=body, trust_env=False).json()
    return answer['value']['ok']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_one_ready_line_and_a_clean_end(number):
    with started() as process:
        ready = json.loads(process.stdout.readline())
        port = ready['url'].rpartition(':')[2]
        assert ready == {
            'ready': True, 'url': f'http://127.0.0.1:{port}',
            'actions_url': f'ws://127.0.0.1:{port}/v1/actions', 'key': 'rfx_sim',
            'deployment': 'deploy_sim', 'admin': f'http://127.0.0.1:{port}/admin',
            'site_url': f'http://127.0.0.1:{port}',
        }
        assert whoami(ready, 'rfx_sim')
        asked = time.monotonic()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=START_S)
        assert time.monotonic() - asked < 1.0
        assert (process.returncode, rest, errors) == (0, '', '')


def test_key_comes_from_the_environment_and_faults_from_options():
    options = ('--fault', 'jump=5', '--fault', 'silence*2', '--latency-ms', '7', '--seed', '3')
    with started(*options, REFLEX_SIM_KEY='rfx_secret') as process:
        ready = json.loads(process.stdout.readline())
        assert ready['key'] == 'rfx_secret'
        assert whoami(ready, 'rfx_secret')
        assert not whoami(ready, 'rfx_sim')
        state = httpx.get(f'{ready["admin"]}/state', trust_env=False).json()
        assert [fault['name'] for fault in state['faults']] == ['jump', 'silence']
        assert (state['settings']['latency_ms'], state['settings']['seed']) == (7.0, 3)


def test_taken_port_is_one_line_and_exit_code_1():
    with started() as process:
        port = json.loads(process.stdout.readline())['url'].rpartition(':')[2]
        second = subprocess.run(
            [*COMMAND, '--port', port], cwd=ROOT, capture_output=True, text=True, timeout=START_S)
        assert (second.returncode, second.stdout) == (1, '')
        assert 'Traceback' not in second.stderr
        assert port in second.stderr


@pytest.mark.parametrize('options, hint', [
    (('--fault', 'nothing'), 'unknown fault'), (('--fault', 'slow=x'), 'slow takes'),
    (('--chunk-size', '0'), 'chunk_size'), (('--port', '70000'), 'port'),
    (('--latency-ms', 'nan'), 'latency_ms'),
])
def test_wrong_usage_is_exit_code_2(options, hint):
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 2
    assert hint in done.output


def test_faults_are_listed():
    done = CliRunner().invoke(main, ['--list-faults'])
    assert done.exit_code == 0
    for name in ('handshake_status', 'trickle', 'bomb', 'oscillate'):
        assert f'\n{name}' in f'\n{done.output}'


def test_service_needs_neither_numpy_nor_our_client():
    listing = subprocess.run(
        [sys.executable, '-c', 'import sys, reflex_ros.sim.service.server; print(*sys.modules)'],
        cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=True)
    loaded = set(listing.stdout.split())
    assert not loaded & {'numpy', 'rclpy', 'reflex_ros.client', 'websockets', 'httpx'}
