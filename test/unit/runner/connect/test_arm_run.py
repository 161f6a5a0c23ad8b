# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs of a simulated arm with the simulated service, in one process and without ROS."""

from dataclasses import replace
import threading
import time

from arm_fixture import GOAL, TORQUE, wait_for
from connect_rig import now_ns, PATIENT, settings
import pytest

from reflex_ros.client.credentials import Secret
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.connect.arm_plan import ArmPlan
from reflex_ros.runner.connect.arm_run import ArmRun
from reflex_ros.runner.connect.records import chosen
from reflex_ros.runner.connect.signals import StopRequest
from reflex_ros.runner.connectors import connector_factory
from reflex_ros.runner.presence import PresenceSettings
from reflex_ros.runner.session_status import SessionSettings
from reflex_ros.runner.supervisor import GateSettings

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

def plan(arm, service, **changes):
    """Return a plan for the simulated arm; nothing is applied unless ``applies`` says so."""
    factory = connector_factory('so101')
    made = ArmPlan(
        SessionSettings(service.url, service.actions_url, prompt='wave', window_s=2.0,
                        rules=RequestRules(0.1), watch_s=0.1),
        Secret(service.key), lambda guard: factory.open(settings(str(arm.link)), guard),
        ChunkBounds(SO101.with_velocity(2.0)),
        PresenceSettings(service.url, allow_unchecked=True), guard=PATIENT,
        gate=GateSettings(dry_run_s=0.3))
    return replace(made, **changes)


class Driving:
    """A run in a thread, so that the test can look and break things meanwhile."""

    def __init__(self, plan, on_heartbeat=None, recorder=None):
        self.stop = StopRequest()
        self.run = ArmRun(plan, self.stop, on_heartbeat, recorder)
        self.error = None
        self._thread = threading.Thread(target=self._go)

    def _go(self):
        try:
            self.run.run()
        except ReflexError as exc:
            self.error = exc

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.ask()
        self.end()

    def end(self):
        self._thread.join(15.0)
        assert not self._thread.is_alive()
        return self.run.result

    def applies(self, steps=1):
        wait_for(lambda: self.run.result.applied_steps >= steps or self.stop.is_set, 'motion')
        assert not self.stop.is_set, self.run.result


def is_held(arm):
    """Tell whether the arm is under torque, and nobody moves its goals any more."""
    since = now_ns(arm)
    time.sleep(0.1)
    return arm.torque() == [True] * 6 and not arm.writes(since + 1, GOAL)


def sessions(service):
    return [row['status'] for row in service.state()['sessions']]


def test_dry_run_writes_neither_torque_nor_goal(arm, service):
    since = now_ns(arm)
    beats = []
    result = ArmRun(plan(arm, service, max_steps=4, heartbeat_s=0.05), StopRequest(),
                    beats.append).run()
    assert (result.steps, result.applied_steps, result.safe_stops, result.errors) == (4, 0, 0, [])
    assert len(result.last_action_chunk) == 50 and len(result.last_action_chunk[0]) == 6
    assert result.timing['durationS'] > 0.0 and result.timing['roundTripMsP50'] > 0.0
    assert beats and set(beats[-1]) == {'step', 'applied_steps', 'safe_stops'}
    assert not arm.writes(since, TORQUE) and not arm.writes(since, GOAL)
    assert sessions(service) == ['closed']


def test_dry_run_stays_one_when_the_gate_is_green(arm, service):
    since = now_ns(arm) + 1
    with Driving(plan(arm, service)) as driving:
        wait_for(lambda: driving.run._supervisor.machine.state is State.READY, 'green gate')
        steps = driving.run.result.steps
        wait_for(lambda: driving.run.result.steps > steps + 3, 'chunks after that')
    assert driving.run.result.applied_steps == 0 and driving.run.result.errors == []
    assert not arm.writes(since, TORQUE) and not arm.writes(since, GOAL)
    assert {row['mode'] for row in service.state()['sessions']} == {'dry_run'}


def test_actions_are_applied_after_gate_and_promotion_and_the_arm_is_held_at_the_end(
        arm, service):
    result = ArmRun(plan(arm, service, applies=True, max_steps=6), StopRequest()).run()
    assert (result.steps, result.applied_steps, result.safe_stops) == (6, 6, 0), result.errors
    assert arm.travel() > 0.02
    assert is_held(arm)
    assert sessions(service) == ['closed']


def test_stop_brings_the_arm_to_rest_before_the_session_is_closed(arm, service):
    with Driving(plan(arm, service, applies=True)) as driving:
        driving.applies(3)
        driving.stop.ask()
        result = driving.end()
    assert result.errors == [] and result.applied_steps >= 3
    assert is_held(arm)


def test_expired_session_is_a_safe_stop_and_ends_the_run(arm, service):
    with Driving(plan(arm, service, applies=True)) as driving:
        driving.applies()
        fail, told_by = driving.run._guard.fail, []

        def spy(cause):
            told_by.append(threading.current_thread().name)
            fail(cause)

        driving.run._guard.fail = spy
        service.fault('expire')
        result = driving.end()
    # The session tells the arm itself, before the supervisor has heard of it.
    assert told_by[0] == 'stream'
    assert result.safe_stops == 1
    assert result.errors[0].startswith('SESSION_EXPIRED: '), result.errors
    assert is_held(arm)


def test_run_goes_on_after_a_stop_when_it_is_told_to(arm, service):
    with Driving(plan(arm, service, applies=True, stop_on_error=False)) as driving:
        driving.applies()
        service.fault('close', '0:1011', times=1)
        result = driving.run.result
        wait_for(lambda: result.safe_stops, 'the stop')
        before = result.applied_steps
        driving.applies(before + 3)
        driving.stop.ask()
        driving.end()
    assert result.safe_stops == 1 and 'SERVER_ERROR' in result.errors[0]


def test_run_ends_at_what_the_arm_has_hit_also_when_it_is_told_to_go_on(arm, service):
    with Driving(plan(arm, service, applies=True, stop_on_error=False)) as driving:
        driving.applies()
        arm.control.fault('jam')
        result = driving.end()
    assert result.safe_stops == 1 and 'TRACKING' in result.errors[0], result.errors
    assert is_held(arm)


def test_unplugged_arm_ends_the_run_also_when_it_is_told_to_go_on(arm, service):
    with Driving(plan(arm, service, applies=True, stop_on_error=False)) as driving:
        driving.applies()
        arm.control.unplug()
        result = driving.end()
    assert any('USB_GONE' in error for error in result.errors), result.errors


@pytest.mark.parametrize('before', ['the first measurement', 'a chunk', 'a green gate'])
def test_arm_that_is_unplugged_in_dry_run_ends_the_run_and_is_named(arm, service, monkeypatch,
                                                                    before):
    from reflex_ros.runner.connect import operator

    monkeypatch.setattr(operator, 'GAP_S', 0.3)
    with Driving(plan(arm, service)) as driving:
        run = driving.run
        wait_for(lambda: run._is_controlling and {
            'the first measurement': True, 'a chunk': run.result.steps,
            'a green gate': run._supervisor.machine.state is State.READY}[before], before)
        arm.control.unplug()
        result = driving.end()
    assert any(error.startswith('USB_GONE') for error in result.errors), result.errors


def test_lost_link_in_dry_run_ends_the_run(arm, service):
    with Driving(plan(arm, service)) as driving:
        wait_for(lambda: driving.run.result.steps, 'a chunk')
        service.fault('close', '0:1011')
        result = driving.end()
    assert (result.safe_stops, result.applied_steps) == (1, 0)
    assert 'SERVER_ERROR' in result.errors[0]


def test_session_that_stays_in_dry_run_is_an_error_and_nothing_moves(arm, service):
    service.fault('session_dry_run')
    result = ArmRun(plan(arm, service, applies=True), StopRequest()).run()
    assert result.applied_steps == 0 and result.safe_stops == 1
    assert 'still in dry_run' in result.errors[0]
    assert arm.travel() < 0.01


def test_deployment_that_is_not_ready_keeps_the_arm_closed(arm, service):
    before = arm.requests()
    run = ArmRun(plan(arm, service, applies=True, presence=PresenceSettings(
        service.url, deployment='deploy_blocked')), StopRequest())
    with pytest.raises(ReflexError, match='deploy_blocked is not ready for apply_actions'):
        run.run()
    assert arm.requests() == before


def test_gate_that_stays_red_ends_the_run_with_its_reason(arm, service, monkeypatch, caplog):
    from reflex_ros.runner.connect import operator

    monkeypatch.setattr(operator, 'PROMOTE_S', 0.2)
    monkeypatch.setattr(operator, 'SAY_S', 0.1)
    service.settings(latency_ms=400.0)
    with caplog.at_level('INFO', 'reflex_ros'):
        result = ArmRun(plan(arm, service, applies=True, gate=GateSettings(
            dry_run_s=0.3, chunk_age_s=0.2)), StopRequest()).run()
    assert result.errors[0].startswith('NOT_READY: no action was applied: dry run; gate: ')
    assert 'waiting: ' in caplog.text and arm.travel() < 0.01


def test_robot_is_seen_by_the_service_while_it_runs(arm, service):
    with Driving(plan(arm, service, presence=PresenceSettings(
            service.url, robot='robot_sim', deployment='deploy_sim'))) as driving:
        wait_for(lambda: driving.run.result.steps, 'a chunk')
        [session] = service.state()['sessions']
        wait_for(lambda: service.call('listRobots')['robots'][0].get('sessionId') or True, 'beat')
    assert 'deploy_sim' in session.values() and 'robot_sim' in session.values(), session


def test_arm_is_opened_only_when_the_link_is_up(arm, service):
    before = arm.requests()
    broken = plan(arm, service)
    broken = replace(broken, session=replace(broken.session, window_s=0.1,
                                             actions_url='ws://127.0.0.1:9/v1/actions'))
    with pytest.raises(ReflexError, match='127.0.0.1:9'):
        ArmRun(broken, StopRequest()).run()
    assert arm.requests() == before


def test_missing_port_is_said_and_the_session_is_closed(arm, service):
    factory = connector_factory('so101')
    missing = plan(arm, service, open_connector=lambda guard: factory.open(
        settings('/dev/no_such_arm'), guard))
    with pytest.raises(ConfigurationError, match='/dev/no_such_arm'):
        ArmRun(missing, StopRequest()).run()
    assert sessions(service) == ['closed']


def test_mistake_of_the_callback_does_not_stop_the_arm(arm, service):
    def on_heartbeat(counters):
        raise ValueError('a mistake')

    result = ArmRun(plan(arm, service, max_steps=3, heartbeat_s=0.05), StopRequest(),
                    on_heartbeat).run()
    assert result.steps == 3 and result.errors == []


def test_run_of_an_arm_is_recorded_like_in_the_graph(arm, service, tmp_path):
    pytest.importorskip('mcap_ros2')
    from reflex_ros.recording import reader
    from reflex_ros.recording.series import read_series

    recorder = chosen(tmp_path, 'mcap').arm(SO101.joint_names)
    with Driving(plan(arm, service, applies=True), recorder=recorder) as driving:
        driving.applies(3)
        arm.control.unplug()
        driving.end()
    (path,) = (tmp_path / 'mcap').glob('*.mcap')
    counts = {topic.name: topic.messages for topic in reader.info(path).topics}
    assert counts['/joint_states'] > 20 and counts['/so101/goals'] > 5
    assert counts['/so101/command'] >= 3 and counts['/_beat/action_stream'] > 2
    series = read_series(path)
    assert series.joints == SO101.joint_names
    assert any(event.text.startswith('USB_GONE') for event in series.events)
    (stop,) = (tmp_path / 'mcap' / 'stops').glob('*.mcap')
    assert reader.info(stop).about['code'] == 'USB_GONE'


def test_time_without_a_camera_frame_is_an_error(arm, service, monkeypatch):
    from reflex_ros.cameras.settings import CameraSettings
    from reflex_ros.runner.connect import operator

    class Dark:
        def open(self):
            pass

        def read(self):
            time.sleep(0.05)

        def close(self):
            pass

    monkeypatch.setattr(operator, 'GAP_S', 0.3)
    made = plan(arm, service, cameras=[(CameraSettings('front'), lambda pose: Dark())])
    made = replace(made, session=replace(made.session, cameras=('front',)))
    result = ArmRun(made, StopRequest()).run()
    assert result.errors[0].startswith('CAM_LOST: camera front: no frame yet')


def test_camera_below_the_rate_that_is_asked_for_bars_the_motion(arm, service):
    from reflex_ros.cameras.frame import Frame
    from reflex_ros.cameras.settings import CameraSettings, observation_bounds
    from reflex_ros.sim.picture import draw, jpeg

    class Slow:
        count = 0

        def open(self):
            pass

        def read(self):
            time.sleep(0.1)
            self.count += 1
            return Frame(0, 'jpeg', memoryview(jpeg(draw((), f'{self.count}'))))

        def close(self):
            pass

    front = CameraSettings('front', min_rate_hz=20.0)
    since = now_ns(arm)
    made = plan(arm, service, applies=True, cameras=[(front, lambda pose: Slow())],
                observation=observation_bounds([front], 0.3, 0.3))
    made = replace(made, session=replace(made.session, cameras=('front',)))
    with Driving(made) as driving:
        def red():
            return {item.name: item.text for item in driving.run._supervisor.gate
                    if not item.is_green}
        wait_for(lambda: [*red()] == ['cameras'], 'an otherwise green gate')
        assert 'asked for are 20 Hz' in red()['cameras']
        assert not arm.writes(since, GOAL)
