# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why a session ended, in words that fit a running graph."""

import pytest

from reflex_ros.client import reasons
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import AuthenticationError, ServiceRefused
from reflex_ros.runner.session_errors import cause_of, IN_GRAPH, IN_PROCESS


def refused(reason):
    """Make the error of the client, with the next step for a shell."""
    step = reasons.next_step(reason, {'sessionId': 'sess_1'})
    return ServiceRefused(f'Unable to promote session: {reason}.', reason, step)


@pytest.mark.parametrize('is_applying', [False, True])
@pytest.mark.parametrize('reason', IN_GRAPH.refusals)
def test_no_command_that_breaks_the_graph_is_advised(reason, is_applying):
    assert 'sessions' in str(refused(reason))
    cause = cause_of(refused(reason), is_applying=is_applying)
    assert cause.text.startswith(f'Unable to promote session: {reason}. ')
    assert 'reflex sessions' not in cause.text
    if reason != 'session_dry_run':
        # A latch waits for a person; without one the session comes back by itself.
        assert cause.text.endswith('after the reset' if is_applying else 'by itself')


@pytest.mark.parametrize('is_applying', [False, True])
@pytest.mark.parametrize('reason', IN_PROCESS.refusals)
def test_nobody_is_sent_to_a_reset_that_a_process_does_not_have(reason, is_applying):
    cause = cause_of(refused(reason), is_applying=is_applying, steps=IN_PROCESS)
    assert 'reset' not in cause.text and 'by itself' not in cause.text
    if reason != 'session_dry_run':
        assert cause.text.endswith('Run `reflex connect` again: it opens a new session')


def test_every_session_command_of_the_client_has_another_step_in_the_graph():
    advised = {reason for reason, text in reasons.NEXT_STEPS.items() if 'sessions' in text}
    assert advised == set(IN_GRAPH.refusals) == set(IN_PROCESS.refusals)


def test_other_steps_are_kept():
    cause = cause_of(refused('deployment_not_ready'), is_applying=False)
    assert cause.code is FaultCode.NOT_READY and '`reflex doctor <deployment-id>`' in cause.text


def test_key_that_is_refused_needs_a_new_start_of_the_graph():
    cause = cause_of(reasons.key_refused('unknown_key'), is_applying=False)
    assert cause.code is FaultCode.AUTH_REVOKED
    assert cause.text.endswith('Run `reflex login`, then start the graph again')
    assert isinstance(reasons.key_refused(''), AuthenticationError)


def test_mistake_of_the_program_is_internal():
    assert cause_of(KeyError('x'), is_applying=True).code is FaultCode.INTERNAL
