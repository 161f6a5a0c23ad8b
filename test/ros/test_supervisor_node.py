# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor in this process, with two plain nodes that play driver and stream."""

import json
import stat

import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import (
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    Readiness,
    ServiceChange,
    SessionMode,
    StreamBeat,
    SupervisorBeat,
)
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.safe_stop import Event, State
from reflex_ros.domain.supervision import SafetyState

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from std_msgs.msg import Bool, String  # noqa: E402

from reflex_ros.nodes import status_codec  # noqa: E402

from .node_rig import FakeNode, LEASE, made  # noqa: E402

# A request may reach a server before the server has found the client, on a busy machine. Then the
# answer is lost, which the supervisor must bear.
pytestmark = pytest.mark.filterwarnings('ignore:failed to send response')
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
CONFIGURE = Transition.TRANSITION_CONFIGURE


class FakeDriver(FakeNode):
    """Holds when it is activated, under the epoch of the newest permit."""

    def __init__(self, rig, permit):
        super().__init__(rig, 'so101', DriverBeat(
            'driver-1', Lifecycle.UNCONFIGURED, at_rest=True, cycles=500, rate_hz=100.0))
        self._permit = permit

    def on_transition(self):
        is_active = self.beat.lifecycle is Lifecycle.ACTIVE
        self.set(motion=MotionState.HOLD if is_active else MotionState.PASSIVE, cause=None,
                 torque=True, epoch=self._permit().epoch if is_active else self.beat.epoch)


class FakeStream(FakeNode):
    """Opens a session when it is activated, and follows the permit's mode."""

    def __init__(self, rig, permit):
        super().__init__(rig, 'action_stream', StreamBeat(
            'stream-1', Lifecycle.UNCONFIGURED, progress=0, session_received=100,
            session_accepted=100, open_s=60.0, age_ms_p95=200.0, expires_s=1500.0,
            readiness=Readiness.READY))
        self._permit = permit
        self.works = True
        self.follows = True

    def work(self):
        self.set(progress=self.beat.progress + self.works)
        if self.beat.lifecycle is Lifecycle.ACTIVE and self.follows:
            applies = self._permit().mode is Mode.APPLY_ACTIONS
            self.set(session_mode=SessionMode.APPLY_ACTIONS if applies else SessionMode.DRY_RUN)

    def on_transition(self):
        is_active = self.beat.lifecycle is Lifecycle.ACTIVE
        self.set(link=Link.OPEN if is_active else Link.CLOSED, fault=None,
                 session_mode=SessionMode.NONE)


class World:
    """The supervisor under test and what the test hears and plays."""

    def __init__(self, rig):
        self.rig = rig
        self.permits = rig.listen(DiagnosticStatus, 'safety/permit', LEASE)
        self.safety = rig.beats(SafetyState, 'safety/state')
        self.stops = rig.listen(String, 'safety/stop')
        for name in ('promote', 'demote', 'stop', 'park', 'reset', 'gate'):
            rig.client(f'supervisor/{name}')
        self.driver = FakeDriver(rig, self.permit)
        self.stream = FakeStream(rig, self.permit)

    def permit(self):
        return (status_codec.decode_complete(Permit, self.permits[-1]) if self.permits
                else Permit(0))

    def permits_only(self, mode):
        """Wait until the newest permit has a mode."""
        self.rig.until(lambda: self.permit().mode is mode, f'permit to {mode.value}')

    def reaches(self, *states):
        """Wait for one of some states; return what the supervisor says then."""
        names = ' or '.join(state.value for state in states)
        self.rig.until(lambda: self.safety().state in states,
                       lambda: f'{names}: {self.safety()}')
        return self.safety()

    def states(self):
        """Return every state so far, in order."""
        return [state for state, _ in self.safety().history]

    def settles(self):
        """
        Wait until both nodes have answered.

        While a request waits for its answer, the nodes of a test cannot be collected.
        """
        node = self.rig.node
        self.rig.until(lambda: not any(managed._pending for managed in (
            node._managed_driver, node._managed_stream)), 'answers of both nodes')

    def call(self, name):
        return self.rig.call(f'supervisor/{name}')

    def bring_to(self, state):
        """Bring the system to a state on its usual way."""
        self.reaches(State.READY)
        if state is State.READY:
            return
        assert self.call('promote').success
        self.rig.until(lambda: self.driver.beat.lifecycle is Lifecycle.ACTIVE, 'activation')
        if state is State.ARMING:
            return
        self.driver.set(motion=MotionState.PLAYING, at_rest=False)
        self.reaches(State.ACTIVE)

    def comes_to_rest(self):
        self.driver.set(motion=MotionState.HOLD, at_rest=True)

    def latch(self, **changes):
        """Stop by a person, and wait for the latch."""
        assert self.call('stop').success
        self.comes_to_rest()
        self.driver.set(**changes)
        return self.reaches(State.LATCHED)


@pytest.fixture
def supervised(ros, tmp_path):
    """Return a function that starts a supervisor with its peers."""
    from reflex_ros.nodes.supervisor_node import SupervisorNode
    contexts = []

    def start(*, configured=True, **parameters):
        options = [part for name, value in {'state_dir': f'"{tmp_path}"', **parameters}.items()
                   for part in ('-p', f'{name}:={value}')]
        context = made(ros, SupervisorNode, *options)
        rig = context.__enter__()
        contexts.append(context)
        if configured:
            assert rig.trigger('configure') and rig.trigger('activate')
        return World(rig)

    start.stop = lambda: contexts.pop().__exit__(None, None, None)
    yield start
    while contexts:
        start.stop()


def latch_file(folder):
    return json.loads((folder / 'latch-default.json').read_text())


# The way through all states.


def test_system_goes_from_nothing_to_motion_step_by_step(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    assert world.states() == [State.UNCONFIGURED, State.STANDBY, State.DRY_RUN, State.READY,
                              State.ARMING, State.ACTIVE]
    assert world.driver.requests == [CONFIGURE, ACTIVATE]
    assert world.stream.requests == [CONFIGURE, ACTIVATE]
    assert world.safety().why == '' and not world.safety().latched


def test_driver_is_activated_only_when_the_session_applies_actions(supervised):
    world = supervised()
    world.reaches(State.READY)
    world.stream.follows = False
    assert world.call('promote').success
    world.permits_only(Mode.APPLY_ACTIONS)
    count = len(world.permits)
    world.rig.until(lambda: len(world.permits) > count + 20, 'twenty permits')
    assert world.driver.requests == [CONFIGURE]
    world.stream.follows = True
    world.rig.until(lambda: world.driver.requests == [CONFIGURE, ACTIVATE], 'activation')


@pytest.mark.parametrize('state, mode', [
    (State.READY, Mode.HOLD), (State.ARMING, Mode.APPLY_ACTIONS),
    (State.ACTIVE, Mode.APPLY_ACTIONS)])
def test_permit_says_what_the_state_allows(supervised, state, mode):
    world = supervised()
    world.bring_to(state)
    world.permits_only(mode)
    assert world.permit().epoch == world.safety().epoch
    # Gently at first.
    assert world.permit().speed_scale == (0.0 if mode is Mode.HOLD else 0.5)


def test_nothing_is_permitted_and_nobody_is_steered_before_configure(supervised):
    world = supervised(configured=False)
    world.driver.set(lifecycle=Lifecycle.INACTIVE)
    world.stream.set(lifecycle=Lifecycle.INACTIVE)
    beats = world.rig.beats(SupervisorBeat, '_beat/supervisor')
    world.rig.until(lambda: len(beats.messages) > 5, 'beats')
    assert beats().state is State.UNCONFIGURED and beats().lifecycle is Lifecycle.UNCONFIGURED
    assert not world.driver.requests and not world.stream.requests and not world.permits
    for name in ('promote', 'reset', 'park', 'demote', 'stop'):
        answer = world.call(name)
        assert not answer.success and 'not configured' in answer.message
    # The driver is told to stop all the same.
    assert [message.data for message in world.stops] == [
        'supervisor: OP_STOP: a person asked to stop']


def test_supervisor_that_cannot_be_configured_says_why_in_each_refusal(supervised):
    world = supervised(configured=False, **{'gate.dry_run_s': '-5.0'})
    assert not world.rig.trigger('configure')
    world.driver.set(lifecycle=Lifecycle.INACTIVE)
    world.stream.set(lifecycle=Lifecycle.INACTIVE)
    answer = world.call('promote')
    assert not answer.success and "'gate.dry_run_s' is -5.0" in answer.message


# Stops.


def test_stop_before_the_session_ends_is_planned_and_latches_nothing(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    epoch = world.safety().epoch
    world.stream.set(expires_s=9.0)
    world.reaches(State.STOPPING)
    world.permits_only(Mode.HOLD)
    world.comes_to_rest()
    # The gate has a red item now: it stays in DRY_RUN.
    safety = world.reaches(State.DRY_RUN)
    assert not safety.latched and safety.epoch == epoch
    world.rig.until(lambda: 'the session ends in 9 s' in world.safety().why, 'the reason')
    world.rig.until(lambda: DEACTIVATE in world.driver.requests, 'deactivation')


def test_demotion_at_the_service_is_a_planned_stop_that_keeps_the_session(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.stream.set(service_change=ServiceChange.DEMOTED)
    world.reaches(State.STOPPING)
    world.comes_to_rest()
    world.reaches(State.DRY_RUN, State.READY)
    world.rig.until(lambda: world.safety().why.startswith('demoted at the service'), 'the reason')
    # A stop would have ended the session.
    assert DEACTIVATE not in world.stream.requests and not world.safety().latched


@pytest.mark.parametrize('allowed', [False, True])
def test_promotion_at_the_service_moves_the_arm_only_when_that_is_allowed(supervised, allowed):
    world = supervised(allow_remote_promotion=allowed)
    world.stream.set(session_accepted=50)
    world.reaches(State.DRY_RUN)
    # The gate is red, as for any other promotion; nobody remembers the request.
    world.stream.set(service_change=ServiceChange.PROMOTED)
    world.rig.until(lambda: world.safety().why.startswith('promoted at the service; the arm waits '
                                                          'for `reflex promote`; dry run; gate'),
                    'the reason')
    world.stream.set(session_accepted=100)
    safety = world.reaches(State.READY)
    world.rig.until(lambda: world.safety().why == 'promoted at the service; the arm waits for '
                                                  '`reflex promote`', 'the reason')
    assert safety.epoch == world.permit().epoch
    world.stream.set(service_change=ServiceChange.NONE)
    world.reaches(State.READY)
    world.rig.until(lambda: world.safety().why == 'ready: run `reflex promote`', 'the reason')
    world.stream.set(service_change=ServiceChange.PROMOTED)
    if allowed:
        world.permits_only(Mode.APPLY_ACTIONS)
        assert world.reaches(State.ARMING).epoch == safety.epoch + 1
        return
    world.rig.until(lambda: 'promoted at the service' in world.safety().why, 'the reason')
    assert State.ARMING not in world.states() and world.permit().mode is Mode.HOLD
    assert world.call('promote').success
    world.reaches(State.ARMING)


def test_stop_service_tells_the_driver_and_latches(supervised, tmp_path):
    world = supervised()
    world.bring_to(State.ACTIVE)
    assert [cause['code'] for cause in latch_file(tmp_path)['causes']] == ['SUPERVISOR_DEAD']
    safety = world.latch()
    assert [message.data for message in world.stops] == [
        'supervisor: OP_STOP: a person asked to stop']
    assert [cause.code for cause in safety.causes] == [FaultCode.OP_STOP]
    assert 'by OP_STOP: ' in safety.why and '`reflex reset`' in safety.why
    assert [cause['code'] for cause in latch_file(tmp_path)['causes']] == ['OP_STOP']
    assert stat.S_IMODE((tmp_path / 'latch-default.json').stat().st_mode) == 0o600
    world.rig.until(lambda: world.driver.beat.lifecycle is Lifecycle.INACTIVE
                    and world.stream.beat.lifecycle is Lifecycle.INACTIVE, 'deactivation of both')


@pytest.mark.parametrize('text, code', [
    ('that looks wrong', FaultCode.OP_STOP), ('joystick: OP_STOP: pressed', FaultCode.OP_STOP),
    ('action_stream: NET_SILENT: no answer', FaultCode.NET_SILENT),
    ('action_stream: OVERHEAT: hot', FaultCode.OP_STOP),
    ('watcher: NO_SUCH_CODE: x', FaultCode.INTERNAL)])
def test_any_text_on_the_stop_topic_stops_and_latches(supervised, text, code):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.rig.publisher(String, 'safety/stop').publish(String(data=text))
    world.reaches(State.STOPPING)
    world.comes_to_rest()
    safety = world.reaches(State.LATCHED)
    assert safety.causes[0].code is code and text.rpartition(': ')[2] in safety.causes[0].text


def test_fault_of_the_stream_is_no_reason_to_latch_while_nothing_moves(supervised):
    world = supervised()
    world.reaches(State.READY)
    publisher = world.rig.publisher(String, 'safety/stop')
    publisher.publish(String(data='action_stream: NET_SILENT: no answer'))
    publisher.publish(String(data='somebody: stop'))
    safety = world.reaches(State.LATCHED)
    assert [cause.code for cause in safety.causes] == [FaultCode.OP_STOP]


def test_silent_driver_is_a_fault_until_it_is_configured_again(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.driver.is_silent = True
    safety = world.reaches(State.FAULT)
    assert safety.causes[0].code is FaultCode.DRIVER_DEAD
    world.permits_only(Mode.HOLD)
    answer = world.call('reset')
    assert not answer.success and 'not back yet' in answer.message
    world.driver.set(lifecycle=Lifecycle.UNCONFIGURED, instance='driver-2')
    world.comes_to_rest()
    world.driver.is_silent = False
    assert world.reaches(State.LATCHED).causes[0].code is FaultCode.DRIVER_DEAD


def test_stream_that_beats_and_does_no_work_is_a_fault(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.stream.works = False
    world.reaches(State.STOPPING)
    world.comes_to_rest()
    assert world.reaches(State.LATCHED).causes[0].code is FaultCode.STREAM_DEAD


def test_driver_that_names_a_cause_stops_the_system(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.driver.set(cause=Cause(FaultCode.TRACKING, 'elbow_flex does not follow'))
    world.reaches(State.STOPPING)
    world.comes_to_rest()
    safety = world.reaches(State.LATCHED)
    assert (safety.causes[0].code, safety.causes[0].text) == (
        FaultCode.TRACKING, 'elbow_flex does not follow')


def test_arm_that_never_comes_to_rest_is_named(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    assert world.call('demote').success
    safety = world.reaches(State.LATCHED)
    assert safety.causes[0].code is FaultCode.STOP_FAILED


def test_arm_that_refuses_to_be_activated_twice_is_latched(supervised):
    world = supervised()
    world.reaches(State.READY)
    world.driver.refuses[ACTIVATE] = 'shoulder_lift reports overload'
    assert world.call('promote').success
    world.reaches(State.STOPPING)
    safety = world.reaches(State.LATCHED)
    assert safety.causes[0].code is FaultCode.ARM_REFUSED
    assert safety.causes[0].text == 'shoulder_lift reports overload'
    assert world.driver.requests.count(ACTIVATE) == 2


def test_two_nodes_of_one_name_stop_the_arm(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    twin = FakeNode(world.rig, 'so101', world.driver.beat)
    twin.set(instance='driver-2')
    safety = world.reaches(State.STOPPING, State.LATCHED)
    assert safety.causes[0].code is FaultCode.DUP_NODE and 'so101' in safety.causes[0].text


def test_demote_and_park(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    assert world.call('demote').success
    world.comes_to_rest()
    world.reaches(State.DRY_RUN, State.READY)
    assert not world.safety().latched
    assert world.call('park').success
    world.permits_only(Mode.PARK)
    world.rig.until(lambda: world.driver.beat.lifecycle is Lifecycle.ACTIVE, 'activation')
    world.driver.set(motion=MotionState.PARKING)
    world.driver.set(motion=MotionState.PASSIVE, parked=True, torque=False)
    assert 'parked' in world.reaches(State.PARKED).why


def test_arm_can_be_reset_and_parked_after_a_restart_without_a_network(supervised, tmp_path):
    (tmp_path / 'latch-default.json').write_text(json.dumps(
        {'causes': [{'code': 'OP_STOP', 'text': 'asked', 'at': 1.0, 'count': 1}]}))
    world = supervised(configured=False)
    world.stream.refuses[CONFIGURE] = 'Cannot reach the Reflex backend'
    assert world.rig.trigger('configure') and world.rig.trigger('activate')
    world.reaches(State.LATCHED)
    world.rig.until(lambda: world.stream.beat.problem, 'refused configure')
    world.rig.until(lambda: world.call('reset').success, 'reset')
    world.rig.until(lambda: world.safety().why == (
        'no session: action_stream: Cannot reach the Reflex backend'), 'the missing node')
    assert world.call('park').success
    world.permits_only(Mode.PARK)
    world.rig.until(lambda: world.driver.beat.lifecycle is Lifecycle.ACTIVE, 'activation')
    world.driver.set(motion=MotionState.PASSIVE, parked=True, torque=False)
    world.reaches(State.PARKED)


# Refusals.


def test_reset_is_refused_while_the_cause_persists_and_the_latch_stays(supervised, tmp_path):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.latch()
    early = world.call('reset')
    # Either within half a second of the stop, or before both nodes are at rest.
    world.rig.until(lambda: world.driver.beat.lifecycle is Lifecycle.INACTIVE
                    and world.stream.beat.lifecycle is Lifecycle.INACTIVE, 'rest of both nodes')
    world.rig.until(lambda: world.safety().for_s > 0.6, 'the delay of the reset')
    world.driver.set(lifecycle=Lifecycle.UNCONFIGURED, problem='no servo answers')
    world.driver.refuses[CONFIGURE] = 'no servo answers'
    world.rig.until(lambda: 'so101' in ' '.join(
        item.text for item in world.safety().gate if item.name == 'driver'), 'a red driver')
    refused = world.call('reset')
    assert not early.success and early.message.startswith('refused')
    assert not refused.success and refused.message == 'refused: so101: no servo answers'
    assert world.safety().latched and world.safety().state is State.LATCHED
    assert [cause['code'] for cause in latch_file(tmp_path)['causes']] == ['OP_STOP']
    del world.driver.refuses[CONFIGURE]
    world.rig.until(lambda: world.driver.beat.lifecycle is Lifecycle.INACTIVE, 'the arm back')
    world.rig.until(lambda: world.call('reset').success, 'reset')
    assert not world.reaches(State.STANDBY, State.DRY_RUN, State.READY).latched
    assert latch_file(tmp_path)['causes'] == []


def test_promotion_is_refused_by_the_state_and_by_the_gate(supervised):
    world = supervised()
    world.stream.set(session_accepted=50)
    world.reaches(State.DRY_RUN)
    refused = world.call('promote')
    assert not refused.success and 'promote needs READY' in refused.message
    gate = world.call('gate')
    assert not gate.success and 'RED validation  50 of 100 chunks accepted' in gate.message
    world.stream.set(session_accepted=100)
    world.reaches(State.READY)
    gate = world.call('gate')
    assert gate.success and gate.message.startswith('ok  latch')


def test_own_stop_message_is_not_taken_for_a_second_stop(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.latch()
    world.rig.until(lambda: len(world.stops) == 1, 'the stop message')
    assert world.safety().causes[0].count == 1


# Lifecycle.


def test_latch_outlives_the_supervisor(supervised, tmp_path):
    world = supervised()
    world.bring_to(State.ACTIVE)
    world.latch()
    supervised.stop()
    again = supervised()
    safety = again.reaches(State.LATCHED)
    assert safety.causes[0].code is FaultCode.OP_STOP
    assert again.states() == [State.FAULT, State.LATCHED]
    again.settles()


def test_supervisor_that_died_in_motion_comes_back_latched(supervised, tmp_path):
    world = supervised()
    world.bring_to(State.ACTIVE)
    file = tmp_path / 'latch-default.json'
    as_it_was = file.read_bytes()
    supervised.stop()
    # As SIGKILL would have left it: an orderly end clears it.
    file.write_bytes(as_it_was)
    again = supervised()
    assert again.reaches(State.LATCHED).causes[0].code is FaultCode.SUPERVISOR_DEAD
    again.settles()


def test_latch_file_that_cannot_be_read_is_a_latch(supervised, tmp_path):
    (tmp_path / 'latch-default.json').write_text('{"causes": 5}')
    world = supervised()
    assert world.reaches(State.LATCHED).causes[0].code is FaultCode.RESTART_LATCHED
    world.settles()


def test_latch_that_cannot_be_written_does_not_end_the_supervisor(supervised, tmp_path):
    world = supervised()
    world.reaches(State.READY)
    (tmp_path / 'latch-default.tmp').mkdir()
    assert world.call('stop').success
    assert world.reaches(State.LATCHED).causes[0].code is FaultCode.OP_STOP


def test_cleanup_permits_nothing_and_may_be_repeated(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    node = world.rig.node
    assert world.rig.trigger('deactivate') and world.rig.trigger('cleanup')
    world.reaches(State.SHUTDOWN)
    world.permits_only(Mode.HOLD)
    node._teardown()
    node._teardown()
    beats = world.rig.beats(SupervisorBeat, '_beat/supervisor')
    world.rig.until(lambda: len(beats.messages) > 1, 'beats')
    permits, requests = len(world.permits), len(world.driver.requests)
    world.rig.until(lambda: len(beats.messages) > 4, 'more beats')
    assert (len(world.permits), len(world.driver.requests)) == (permits, requests)
    assert beats().lifecycle is Lifecycle.UNCONFIGURED
    assert world.rig.trigger('configure')
    world.reaches(State.STANDBY, State.DRY_RUN, State.READY)


def test_error_in_a_transition_permits_nothing_and_can_be_configured_again(supervised):
    world = supervised(configured=False)
    node = world.rig.node
    node._latch = None
    setup, node._setup = node._setup, lambda settings: 1 / 0
    assert not world.rig.trigger('configure')
    assert 'ZeroDivisionError' in node.problem and node.lifecycle is Lifecycle.UNCONFIGURED
    node._setup = setup
    assert world.rig.trigger('configure') and node.problem == ''
    world.reaches(State.STANDBY, State.DRY_RUN, State.READY)
    world.settles()


def test_shutdown_in_motion_permits_nothing_any_more(supervised):
    world = supervised()
    world.bring_to(State.ACTIVE)
    assert world.rig.trigger('shutdown')
    world.reaches(State.SHUTDOWN)
    world.permits_only(Mode.HOLD)


def test_diagnostics_show_state_and_causes_under_the_name_of_the_robot(ros):
    from reflex_ros.nodes.supervisor_node import SupervisorNode
    with made(ros, SupervisorNode, '-r', '__ns:=/left') as rig:
        entries = rig.diagnostics()
        [entry] = rig.until(lambda: list(entries().values()), 'diagnostics')
    assert entry.name == 'left/supervisor: safety' and entry.hardware_id == 'left'
    assert status_codec.pairs(entry) == {'state': 'UNCONFIGURED', 'causes': '[]'}


def test_every_operator_event_has_a_service(supervised):
    from reflex_ros.nodes.supervisor_node import REQUESTS
    assert set(REQUESTS.values()) == {Event.PROMOTE, Event.DEMOTE, Event.STOP, Event.PARK,
                                      Event.RESET}


def test_pressed_stop_device_is_told_to_the_driver_in_every_state(supervised):
    # A hot arm may park by itself while nothing is driven.
    world = supervised(stop_devices='["button"]')
    world.reaches(State.DRY_RUN)
    button = world.rig.publisher(Bool, 'safety/locks/button', LEASE)
    world.rig.until(lambda: button.get_subscription_count(), 'the supervisor')
    for count in (1, 2):
        button.publish(Bool(data=True))
        world.rig.until(lambda: 'button has been silent' in (said := world.call('gate').message)
                        or 'GREEN stop_device' in said, 'the release')
        for _ in range(3):
            button.publish(Bool(data=False))
            world.rig.until(lambda: 'button is pressed' in world.call('gate').message, 'the press')
        world.rig.until(lambda: len(world.stops) >= count, 'the stop')   # noqa: B023
        assert [message.data for message in world.stops] == [
            'supervisor: OP_STOP: the stop device button is pressed'] * count
