# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle that all nodes share: order, failures, and what is published in which state."""

import copy
import logging

import pytest

from reflex_ros.domain.heartbeats import Beat, Lifecycle
from reflex_ros.errors import ConfigurationError

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from rcl_interfaces.msg import Log  # noqa: E402

from reflex_ros.config.parameters.spec import Spec  # noqa: E402
from reflex_ros.nodes import status_codec  # noqa: E402
from reflex_ros.nodes.base import ReflexNode  # noqa: E402

from .node_rig import made  # noqa: E402

STEPS = ('setup', 'start', 'stop', 'teardown')
REFUSAL = ConfigurationError('no servo answers. Switch the supply on')


class Scripted(ReflexNode):
    """Records each step with the lifecycle state at that time, and fails where it is told to."""

    def __init__(self):
        self.log = []
        self.fails = {}
        super().__init__('scripted', (Spec('speed', 1.0, 'speed', '', 0.0, 2.0),), 50.0)

    def _step(self, name):
        self.log.append((name, self.lifecycle))
        if name in self.fails:
            # A copy: the traceback of the other would keep the node.
            raise copy.copy(self.fails[name])

    def _setup(self, settings):
        self.settings = settings
        self._step('setup')

    def _start(self):
        self._step('start')

    def _stop(self):
        self._step('stop')

    def _teardown(self):
        self._step('teardown')

    def diagnostics(self):
        return [status_codec.entry('scripted: part', {'at': self.lifecycle})]


@pytest.fixture
def rig(ros):
    with made(ros, Scripted) as rig:
        yield rig


def steps(rig):
    return [name for name, _ in rig.node.log]


UNCONFIGURED, INACTIVE, ACTIVE = Lifecycle.UNCONFIGURED, Lifecycle.INACTIVE, Lifecycle.ACTIVE


def test_each_transition_does_its_step_before_the_node_arrives(rig):
    for transition in ('configure', 'activate', 'deactivate', 'cleanup'):
        assert rig.trigger(transition)
    assert rig.node.log == [('setup', UNCONFIGURED), ('start', INACTIVE), ('stop', ACTIVE),
                            ('teardown', INACTIVE)]
    assert rig.node.lifecycle is UNCONFIGURED


def test_parameters_are_read_at_configure(rig):
    from rclpy.parameter import Parameter
    rig.node.set_parameters([Parameter('speed', value=1.5)])
    assert rig.trigger('configure')
    assert rig.node.settings == {'speed': 1.5}
    assert not rig.node.set_parameters([Parameter('speed', value=0.5)])[0].successful
    rig.trigger('cleanup')
    assert rig.node.set_parameters([Parameter('speed', value=0.5)])[0].successful


@pytest.mark.parametrize('way, expected', [
    ((), ['teardown']),
    (('configure',), ['setup', 'teardown']),
    (('configure', 'activate'), ['setup', 'start', 'stop', 'teardown'])])
def test_shutdown_stops_an_active_node_first(rig, way, expected):
    for transition in way:
        rig.trigger(transition)
    assert rig.trigger('shutdown')
    assert steps(rig) == expected and rig.node.lifecycle is Lifecycle.FINALIZED


def test_stop_that_fails_at_shutdown_does_not_keep_the_teardown_from_happening(rig):
    rig.trigger('configure')
    rig.trigger('activate')
    rig.node.fails['stop'] = RuntimeError('stuck')
    assert rig.trigger('shutdown')
    assert steps(rig)[-2:] == ['stop', 'teardown']
    assert rig.node.lifecycle is Lifecycle.FINALIZED and 'stuck' in rig.node.problem


# A world that is not ready: one line, and the node stays where it was.


@pytest.mark.parametrize('way, transition, step, stays', [
    ((), 'configure', 'setup', UNCONFIGURED),
    (('configure',), 'activate', 'start', INACTIVE),
    (('configure', 'activate'), 'deactivate', 'stop', ACTIVE)])
def test_refused_transition_names_the_reason_and_leaves_the_state(rig, way, transition, step,
                                                                  stays):
    for earlier in way:
        assert rig.trigger(earlier)
    rig.node.fails[step] = REFUSAL
    beats = rig.beats(Beat, '_beat/scripted')
    assert not rig.trigger(transition)
    assert (rig.node.lifecycle, rig.node.problem) == (stays, str(REFUSAL))
    rig.until(lambda: beats().problem == str(REFUSAL), 'beat that names the problem')
    assert beats().lifecycle is stays
    assert (beats.messages[-1].level, beats.messages[-1].message) == (
        DiagnosticStatus.ERROR, str(REFUSAL))
    del rig.node.fails[step]
    assert rig.trigger(transition) and rig.node.problem == ''
    rig.until(lambda: beats().problem == '', 'beat without the problem')
    assert beats.messages[-1].level == DiagnosticStatus.OK


def test_configure_that_is_refused_tears_down_what_it_had_built(rig):
    rig.node.fails['setup'] = REFUSAL
    assert not rig.trigger('configure')
    assert steps(rig) == ['setup', 'teardown']


def test_activate_that_is_refused_keeps_what_configure_had_built(rig):
    rig.trigger('configure')
    rig.node.fails['start'] = REFUSAL
    assert not rig.trigger('activate')
    assert 'teardown' not in steps(rig)


def test_the_same_refusal_is_logged_once(rig):
    heard = rig.listen(Log, '/rosout')
    rig.node.fails['setup'] = REFUSAL
    for _ in range(3):
        assert not rig.trigger('configure')
    rig.node.fails['setup'] = ConfigurationError('another reason')
    assert not rig.trigger('configure')
    rig.until(lambda: any('another reason' in line.msg for line in heard), 'log of both')
    assert sum('no servo answers' in line.msg for line in heard) == 1
    # One that came back after a success is news.
    rig.node.fails.clear()
    assert rig.trigger('configure') and rig.trigger('cleanup')
    rig.node.fails['setup'] = REFUSAL
    assert not rig.trigger('configure')
    rig.until(lambda: sum('no servo answers' in line.msg for line in heard) == 2, 'second log')


# A mistake of the program: everything is torn down, and the node can be configured again.


@pytest.mark.parametrize('way, transition, step', [
    ((), 'configure', 'setup'), (('configure',), 'activate', 'start'),
    (('configure', 'activate'), 'deactivate', 'stop')])
def test_error_in_a_transition_tears_down_and_can_be_configured_again(rig, way, transition, step):
    for earlier in way:
        assert rig.trigger(earlier)
    rig.node.fails[step] = ZeroDivisionError('oops')
    assert not rig.trigger(transition)
    assert steps(rig)[-1] == 'teardown'
    assert rig.node.lifecycle is UNCONFIGURED
    assert rig.node.problem == "internal error: ZeroDivisionError('oops')"
    assert not rig.node.parameters.is_configured
    rig.node.fails.clear()
    assert rig.trigger('configure') and rig.trigger('activate')
    assert rig.node.problem == ''


def test_teardown_that_fails_ends_unconfigured_and_says_so(rig):
    rig.trigger('configure')
    rig.node.fails['teardown'] = OSError('busy')
    assert rig.trigger('cleanup')
    assert rig.node.lifecycle is UNCONFIGURED and 'busy' in rig.node.problem
    rig.node.fails.clear()
    assert rig.trigger('configure')


def test_first_problem_is_kept_when_the_teardown_fails_too(rig):
    rig.node.fails = {'setup': REFUSAL, 'teardown': OSError('busy')}
    assert not rig.trigger('configure')
    assert rig.node.problem == str(REFUSAL)


def test_second_cleanup_is_refused_and_changes_nothing(rig):
    rig.trigger('configure')
    assert rig.trigger('cleanup')
    before = steps(rig)
    assert not rig.trigger('cleanup')
    assert steps(rig) == before and rig.node.lifecycle is UNCONFIGURED
    assert rig.trigger('configure')


def test_request_for_a_transition_that_the_state_does_not_have_is_refused(rig):
    client = rig.peer.create_client(ChangeState, 'scripted/change_state')
    rig.until(client.service_is_ready, 'service of the lifecycle')
    for transition, allowed in ((Transition.TRANSITION_ACTIVATE, False),
                                (Transition.TRANSITION_CONFIGURE, True),
                                (Transition.TRANSITION_CONFIGURE, False), (250, False)):
        request = ChangeState.Request()
        request.transition.id = transition
        answer = client.call_async(request)
        rig.until(answer.done, 'answer, and a node that lives')
        assert answer.result().success == allowed
    assert rig.node.lifecycle is INACTIVE


# What is published.


def test_beats_come_in_every_state_and_each_names_it(rig):
    beats = rig.beats(Beat, '_beat/scripted')
    rig.until(lambda: beats().lifecycle is UNCONFIGURED, 'beat while unconfigured')
    for transition, state in (('configure', INACTIVE), ('activate', ACTIVE),
                              ('deactivate', INACTIVE), ('cleanup', UNCONFIGURED)):
        rig.trigger(transition)
        count = len(beats.messages)
        rig.until(lambda state=state: beats().lifecycle is state, f'beat in {state.value}')
        rig.until(lambda count=count: len(beats.messages) > count + 3, 'further beats')
        assert beats().lifecycle is state
        assert beats.messages[-1].message == state.value
    assert beats().instance == rig.node.instance


def test_transition_publishes_a_beat_at_once(rig):
    # No timer has run yet: nothing was spun since.
    beats = rig.beats(Beat, '_beat/scripted')
    rig.node.destroy_timer(rig.node._beat_timer)
    beats.messages.clear()
    rig.trigger('configure')
    rig.until(lambda: beats.messages, 'beat of the transition')
    assert beats().lifecycle is INACTIVE


def test_two_nodes_have_two_instances(ros):
    with ros():
        nodes = [Scripted(), Scripted()]
        assert nodes[0].instance != nodes[1].instance
        for node in nodes:
            node.destroy_node()


@pytest.mark.parametrize('arguments, name, hardware', [
    ((), 'scripted: part', ''), (('-r', '__ns:=/left'), 'left/scripted: part', 'left'),
    (('-r', '__ns:=/lab/left'), 'lab/left/scripted: part', 'lab/left')])
def test_diagnostics_begin_with_the_namespace(ros, arguments, name, hardware):
    with made(ros, Scripted, *arguments) as rig:
        entries = rig.diagnostics()
        [entry] = rig.until(lambda: list(entries().values()), 'diagnostics')
        assert (entry.name, entry.hardware_id) == (name, hardware)
        assert status_codec.pairs(entry) == {'at': 'unconfigured'}


def test_log_of_the_pure_packages_reaches_rosout_until_the_node_is_gone(rig):
    heard = rig.listen(Log, '/rosout')
    logger = logging.getLogger('reflex_ros.runner.tried')

    def probe():
        # What is logged before the two ends have found each other is lost.
        logger.info('probe')
        return any(line.msg == 'probe' for line in heard)
    rig.until(probe, lambda: f'line of {logger.getEffectiveLevel()} through '
              f"{logging.getLogger('reflex_ros').handlers} in {len(heard)} lines")
    logger.info('to be seen')
    logger.warning('to be warned of')
    logger.error('to be repaired')
    rig.until(lambda: len([line for line in heard if 'to be' in line.msg]) >= 3, 'three lines')
    assert [(line.msg, line.name) for line in heard if 'to be' in line.msg] == [
        ('to be seen', 'scripted'), ('to be warned of', 'scripted'),
        ('to be repaired', 'scripted')]
    handlers = logging.getLogger('reflex_ros').handlers
    assert rig.node._log_handler in handlers
    other = Scripted()
    other.destroy_node()
    assert other._log_handler not in handlers


def test_timer_calls_with_no_argument_also_what_takes_one(rig):
    # rclpy looks for a parameter, and then passes what it knows of the timer.
    called = []
    rig.node.every(0.01, lambda bound_s=1.0: called.append(bound_s))
    rig.until(lambda: called, 'call')
    assert set(called) == {1.0}
