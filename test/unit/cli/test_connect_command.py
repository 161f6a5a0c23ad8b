# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``reflex connect`` with robot.yaml, against the simulated service and the simulated arm.

The failures of the vendor's error reference are provoked in real runs (protocol l.1: 6 not ready,
7 safe stop mid-run, 8 observe command timed out, 9 no serial bus, 12 still in dry_run, 13 session
expired).
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from arm_fixture import GOAL, TORQUE, wait_for
import pytest
import yaml

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

OBSERVE = ['printf', '{"state":[0,-30,40,30,0,30]}']
# A busy machine must not be taken for a dead stream.
PATIENT = {'stop.soft_s': 0.2, 'stop.hard_s': 0.5, 'rate_hz': 50.0}


@pytest.fixture
def arm(instant_arm):
    instant_arm.reset()
    return instant_arm


@pytest.fixture
def write(tmp_path, service):
    """Return a function that writes a robot.yaml for a kind of hardware."""
    def make(kind='subprocess', own=None, target=None, **top):
        if kind == 'subprocess':
            own = {'observe_command': OBSERVE, 'command_timeout_s': 20.0, **(own or {})}
        path = tmp_path / 'robot.yaml'
        path.write_text(yaml.safe_dump({
            'prompt': 'wave', 'gate': {'dry_run_s': 1.0}, 'deployment': {'id': 'deploy_sim'},
            'target': target or {
                'kind': 'stream', 'open_window_s': 2.0, 'replan_s': 0.1,
                **({'robot': 'so101'} if kind == 'subprocess' else {})},
            'hardware': {'kind': kind, 'config': own or {}}, **top}))
        return str(path)

    return make


def so101(arm, **own):
    """Return the configuration of the simulated arm."""
    return {'port': str(arm.link), **PATIENT, **own}


def test_dry_run_of_commands_is_counted_and_printed(ask, write):
    path = write(max_steps=3)
    outcome = ask('connect', '--config', path, '--json')
    assert (outcome.code, outcome.err) == (0, '')
    found = outcome.document
    assert found.pop('timing')['durationS'] > 0.0
    assert found == {'ok': True, 'config': path, 'steps': 3, 'appliedSteps': 0, 'safeStops': 0,
                     'errors': []}
    outcome = ask('connect', '--config', path)
    assert outcome.out.startswith('Connect session finished: 3 steps, 0 applied, 0 safe stops\n')
    assert 'step=2 state_dim=6 cameras=none chunk=(50, 6)' in outcome.err


def test_dry_run_of_an_arm_opens_it_without_writing(ask, write, arm):
    since = max(entry[0] for entry in arm.control.log(0, limit=100_000)) + 1
    outcome = ask('connect', '--config', write('so101', so101(arm), max_steps=3), '--json')
    assert outcome.code == 0, outcome.document
    assert outcome.document['steps'] == 3 and outcome.document['timing']['cycles'] > 0
    assert arm.requests(since) > 0
    assert not arm.writes(since, TORQUE) and not arm.writes(since, GOAL)


def test_actions_move_the_arm_and_it_is_held_at_the_end(ask, write, arm):
    path = write('so101', so101(arm), mode='apply_actions', max_steps=5,
                 cameras={'front': {'kind': 'sim'}})
    outcome = ask('connect', '--config', path)
    assert outcome.code == 0, outcome.err
    assert '5 steps, 5 applied, 0 safe stops' in outcome.out
    assert 'READY -> ARMING' in outcome.err and 'mode=apply_actions' in outcome.err
    assert arm.travel() > 0.01 and arm.torque() == [True] * 6


WATCHED = """
import sys
from reflex_ros.cli.main import main
from reflex_ros.domain.safe_stop import State
from reflex_ros.runner.connect.operator import Operator
see, before = Operator.see_change, set()
def see_change(self, was, machine):
    if machine.state is State.ARMING:
        before.update(sys.modules)
    elif was.state is State.ACTIVE:
        print('imported', *{*sys.modules} - before, file=sys.stderr)
    see(self, was, machine)
Operator.see_change = see_change
main()
"""


@pytest.mark.slow
def test_nothing_is_imported_from_the_promotion_on(write, arm, service, tmp_path):
    pytest.importorskip('mcap_ros2')
    path = write('so101', so101(arm), mode='apply_actions', max_steps=5,
                 cameras={'front': {'kind': 'sim'}})
    done = subprocess.run(
        [sys.executable, '-c', WATCHED, 'connect', '--config', path, '--record',
         str(tmp_path / 'run'), '--format', 'mcap'],
        env={**os.environ, 'REFLEX_API_KEY': service.key, 'REFLEX_CONVEX_URL': service.url,
             'REFLEX_ACTIONS_URL': service.actions_url},
        capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith('imported')]
    assert [name for name in line.split()[1:] if not name.startswith('reflex_ros.sim')] == []


def test_steps_are_recorded(ask, write, tmp_path):
    folder = tmp_path / 'run'
    path = write(max_steps=2)
    assert ask('connect', '--config', path, '--record', str(folder)).code == 0
    lines = (folder / 'jsonl' / 'steps.jsonl').read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row['step'] for row in rows] == [0, 1]
    assert rows[0]['state'] == [0, -30, 40, 30, 0, 30] and len(rows[0]['actions']) == 50
    meta = json.loads((folder / 'jsonl' / 'meta.json').read_text())
    assert meta['mode'] == 'dry_run' and meta['summary']['total_steps'] == 2
    ask('connect', '--config', path, '--record', str(folder)).failed('holds another recording')
    assert ask('connect', '--config', path, '--no-record').code == 0


def test_steps_are_recorded_as_mcap_and_an_unknown_format_is_said(ask, write, tmp_path):
    pytest.importorskip('mcap_ros2')
    from reflex_ros.recording import reader

    folder = tmp_path / 'run'
    outcome = ask('connect', '--config', write(max_steps=2), '--record', str(folder), '--format',
                  'mcap,gif,rerun')
    assert outcome.code == 0 and not (folder / 'jsonl').exists()
    assert 'unknown recording format gif; valid: lerobot, jsonl, mcap, rerun' in outcome.err
    assert 'the MCAP file opens in it' in outcome.err
    (path,) = (folder / 'mcap').glob('*.mcap')
    states = [row.value for row in reader.messages(path, ['/observation/state'])]
    assert [list(state.position) for state in states] == 2 * [[0, -30, 40, 30, 0, 30]]
    rows = next(reader.messages(path, ['/action'])).value
    assert len(rows.points) == 50 and rows.joint_names[0] == 'action_0'
    assert reader.info(path).about['mode'] == 'dry_run'


def test_class_next_to_the_configuration_is_a_robot_and_a_camera(ask, write, tmp_path):
    (tmp_path / 'bench_robot.py').write_text("""
class Robot:
    def __init__(self, name): self.name = name
    def start(self): pass
    def get_observation(self): return {'state': [0, -30, 40, 30, 0, 30], 'task': self.name}
    def apply_action(self, action): pass
    def safe_stop(self, reason): pass
    def stop(self): pass

class Camera:
    def __init__(self, value): self.value = value
    def read(self):
        import numpy
        return numpy.full((24, 32, 3), self.value, numpy.uint8)
""")
    path = write('bench_robot:Robot', {'name': 'wave'}, max_steps=1,
                 target={'kind': 'stream', 'robot': 'so101', 'open_window_s': 2.0},
                 cameras={'front': {'kind': 'bench_robot:Camera', 'value': 7}})
    outcome = ask('connect', '--config', path)
    assert outcome.code == 0 and 'cameras=front' in outcome.err, outcome.err
    ask('connect', '--config', write('bench_robot:Robot', {'nam': 'x'})).failed(
        'bench_robot:Robot cannot be made: ')
    ask('connect', '--config', write('no_such_module:Robot')).failed(
        'cannot import no_such_module')


def test_policy_of_ones_own_server(ask, write, service):
    path = write(target={'kind': 'edge', 'url': f'{service.url}/act'}, max_steps=2)
    assert ask('connect', '--config', path, '--json').document['steps'] == 2


@pytest.mark.parametrize('kind', ['edge', 'infer'])
def test_arm_with_a_policy_that_is_asked_step_by_step(ask, write, arm, service, kind):
    target = {'kind': kind, **({'url': f'{service.url}/act'} if kind == 'edge' else {})}
    path = write('so101', so101(arm), target=target, mode='apply_actions', max_steps=4)
    outcome = ask('connect', '--config', path, '--json')
    assert outcome.code == 0, outcome.document
    assert outcome.document['appliedSteps'] == 4 and arm.travel() > 0.005
    assert arm.torque() == [True] * 6


# ---- the documented failures


def test_deployment_that_is_not_ready(ask, write, arm):
    requests = arm.requests()
    path = write('so101', so101(arm), mode='apply_actions', deployment={'id': 'deploy_blocked'})
    said = 'Deployment deploy_blocked is not ready for apply_actions (robot_paired: '
    ask('connect', '--config', path, '--json').failed(said)
    outcome = ask('connect', '--config', path)
    assert outcome.code == 1 and outcome.err.splitlines()[-1].startswith(f'Error: {said}')
    assert arm.requests() == requests


def test_arm_without_a_deployment_is_not_moved(ask, write, arm):
    path = write('so101', so101(arm), mode='apply_actions', deployment={})
    ask('connect', '--config', path, '--json').failed(
        'This robot is not ready for apply_actions (deployment: no deployment is set, so nobody '
        'has checked that the policy fits this robot. Set deployment.id ')
    ask('connect', '--config', write('so101', so101(arm), deployment={'robot_id': 'benhc'}),
        '--json').failed('deployment.robot_id: there is no robot benhc')


def test_safe_stop_in_mid_run_when_the_session_expires(ask, write, arm, service):
    path = write('so101', so101(arm), mode='apply_actions')

    def expire():
        wait_for(lambda: any(arm.torque()) and arm.travel() > 0.005, 'motion')
        service.fault('expire')

    breaker = threading.Thread(target=expire)
    breaker.start()
    outcome = ask('connect', '--config', path, '--json')
    breaker.join()
    assert outcome.code == 1 and outcome.err == ''
    found = outcome.document
    assert found['ok'] is False and found['safeStops'] == 1 and found['appliedSteps'] > 0
    assert found['errors'][0].startswith('SESSION_EXPIRED: ')
    assert found['error'] == f"Safe stop fired at step {found['steps']}: {found['errors'][0]}"
    assert arm.torque() == [True] * 6


def test_observe_command_that_takes_too_long(ask, write):
    path = write(own={'observe_command': 'sleep 60', 'command_timeout_s': 0.3})
    outcome = ask('connect', '--config', path, '--json')
    assert outcome.code == 1
    assert outcome.document['errors'][0].startswith(
        'RuntimeError: The observe command timed out after 0.3s: sleep')
    outcome = ask('connect', '--config', path)
    assert outcome.code == 1
    assert 'Error: Safe stop fired at step 0: RuntimeError: The observe command timed out' \
        in outcome.err


def test_no_serial_bus(ask, write, monkeypatch, tmp_path):
    monkeypatch.setenv('REFLEX_SO101_PORT', str(tmp_path / 'ttyUSB9'))
    ask('connect', '--config', write('so101'), '--json').failed(
        f'port {tmp_path / "ttyUSB9"} does not exist')
    ask('connect', '--config', write('so101', {'port': '/dev/no_such_arm'}), '--json').failed(
        'port /dev/no_such_arm does not exist')


def test_session_that_stays_in_dry_run(ask, write, arm, service):
    service.fault('session_dry_run')
    path = write('so101', so101(arm), mode='apply_actions')
    outcome = ask('connect', '--config', path, '--json')
    assert outcome.code == 1 and 'still in dry_run' in outcome.document['error']
    assert outcome.document['appliedSteps'] == 0 and arm.travel() < 0.01
    outcome = ask('connect', '--config', write(
        own={'action_command': 'true'}, mode='apply_actions'), '--json')
    outcome.failed('The service refuses the promotion')


def test_mistakes_of_the_file_are_said_with_their_lines(ask, write):
    path = write(max_step=3)
    outcome = ask('connect', '--config', path, '--json')
    assert outcome.code == 1 and 'max_step' in outcome.document['error']
    ask('connect', '--config', 'no/such.yaml', '--json').failed('no/such.yaml')


# ---- signals


@pytest.fixture
def start(service):
    """Return a function that starts the command in a process, and ends it with the test."""
    started = []

    def go(path):
        process = subprocess.Popen(
            [sys.executable, '-c', 'from reflex_ros.cli.main import main; main()', 'connect',
             '--config', path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={
                **os.environ, 'REFLEX_API_KEY': service.key, 'REFLEX_CONVEX_URL': service.url})
        started.append(process)
        return process

    yield go
    for process in started:
        process.kill()
        process.communicate()


WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(('rclpy', 'launch', 'aiohttp', 'PIL', 'av')))
from reflex_ros.cli.main import main
main()
"""


def test_thin_installation_drives_an_arm_and_names_the_extra_for_cameras(write, arm, service):
    def run(**top):
        return subprocess.run(
            [sys.executable, '-c', WITHOUT, 'connect', '--config', write(
                'so101', so101(arm), max_steps=2, **top), '--json'], text=True, timeout=60,
            capture_output=True, check=False, env={
                **os.environ, 'REFLEX_API_KEY': service.key, 'REFLEX_CONVEX_URL': service.url})

    done = run()
    assert done.returncode == 0 and json.loads(done.stdout)['steps'] == 2, done
    done = run(cameras={'front': {'kind': 'sim'}})
    assert "pip install 'reflex_ros[camera]'" in json.loads(done.stdout)['error'], done


@pytest.mark.parametrize('signals', [1, 2])
def test_arm_is_held_after_the_first_and_the_second_signal(start, write, arm, signals):
    process = start(write('so101', so101(arm), mode='apply_actions'))
    wait_for(lambda: any(arm.torque()) and arm.travel() > 0.005, 'motion', 30.0)
    # Two different ones: the kernel makes one of two equal signals that wait.
    for number in (signal.SIGINT, signal.SIGTERM)[:signals]:
        process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert 'Traceback' not in err, err
    assert process.returncode == (0 if signals == 1 else 130), err
    assert 'Connect session finished' in out
    last = max((write.at_ns for write in arm.writes(0, GOAL)), default=0)
    time.sleep(0.1)
    assert arm.torque() == [True] * 6
    assert max((write.at_ns for write in arm.writes(0, GOAL)), default=0) == last
