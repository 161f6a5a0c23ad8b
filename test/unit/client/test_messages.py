# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the service: which fields may be missing or unknown, and what is refused."""

import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import messages
from reflex_ros.client.messages import deployments, logins, parse, robots, training
from reflex_ros.errors import ServiceProtocolError

ALL = (messages.Envelope, messages.Outcome, messages.Organization, messages.Account,
       messages.Grant, messages.Session, messages.SessionList, messages.Check,
       messages.Readiness, messages.Deployment, deployments.DeploymentList, deployments.Receipt,
       deployments.ReceiptList, logins.LoginRequest, logins.LoginStatus, robots.Pairing,
       robots.Robot, robots.RobotList, robots.RobotSchema, robots.RobotSchemaList)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8)
FIELDS = sorted({name for model in ALL for field, info in model.model_fields.items()
                 for name in (field, info.alias or field)} | {'sessionId', '_id', 'deploymentId'})


@pytest.mark.parametrize('model', [model for model in ALL if model is not messages.Envelope])
def test_every_field_may_be_missing_and_more_may_come(model):
    more = {'new': {'x': [1]}, 'other': None}
    empty, found = parse(model, {}, 'f'), parse(model, more, 'f')
    assert {**found.model_dump(), **empty.model_dump()} == {**empty.model_dump(), **(
        more if issubclass(model, messages.Row) else {})}


def test_envelope_needs_a_status():
    with pytest.raises(ServiceProtocolError, match='^f answered with an invalid status'):
        parse(messages.Envelope, {'value': {}}, 'f')


@pytest.mark.parametrize('model', ALL)
def test_what_is_no_object_is_refused(model):
    for value in (None, [], 'text', 5, True, [{}]):
        with pytest.raises(ServiceProtocolError, match=r'^f response must be a JSON object\.$'):
            pytest.fail(f'{value!r} became {parse(model, value, "f")!r}')


@pytest.mark.parametrize('model, value, field', [
    (messages.Session, {'sessionId': 5}, 'sessionId'),
    (messages.Session, {'expiresAt': 'soon'}, 'expiresAt'),
    (messages.Grant, {'expiresAt': float('nan')}, 'expiresAt'),
    (messages.Grant, {'expiresAt': float('inf')}, 'expiresAt'),
    (messages.Outcome, {'ok': 'perhaps'}, 'ok'),
    (messages.Outcome, {'reason': {}}, 'reason'),
    (messages.Readiness, {'checks': [{'name': 'a'}, 7]}, 'checks.1'),
    (messages.Account, {'organization': 'mine'}, 'organization'),
    (messages.Envelope, {'status': 'error', 'errorMessage': []}, 'errorMessage'),
])
def test_bad_field_is_named(model, value, field):
    with pytest.raises(ServiceProtocolError, match=f'^f answered with an invalid {field}'):
        parse(model, value, 'f')


@pytest.mark.parametrize('name', ['sessionId', 'id', '_id'])
def test_id_goes_by_three_names(name):
    assert parse(messages.Session, {name: 's'}, 'f').session_id == 's'
    assert parse(messages.Grant, {name: 's'}, 'f').session_id == 's'


def test_typed_id_wins():
    value = {'_id': 'c', 'id': 'b', 'sessionId': 'a', 'deploymentId': 'd'}
    assert parse(messages.Session, value, 'f').session_id == 'a'
    assert parse(messages.Deployment, value, 'f').deployment_id == 'd'


def test_time_may_be_a_numeric_text():
    assert parse(messages.Grant, {'expiresAt': '1737830400000'}, 'f').expires_at == 1737830400e3


def test_failed_checks_are_those_that_failed():
    found = parse(messages.Readiness, {'status': 'blocked', 'checks': [
        {'name': 'a', 'status': 'passed'}, {'name': 'b', 'status': 'failed', 'message': 'm'},
        {'name': 'c', 'status': 'skipped'}, {}]}, 'f')
    assert [row.name for row in found.failed] == ['b']
    assert found.passed is False


def test_what_the_service_says_can_be_shown_in_a_terminal():
    found = parse(messages.Check, {'name': 'a\x1b[2Jb', 'message': 'two\nlines' + 'x' * 9999}, 'f')
    assert found.name == r'a\x1b[2Jb'
    assert found.message.startswith(r'two\nlines')
    assert len(found.message) < 2000


@given(st.sampled_from(ALL), st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_anything_is_a_message_or_a_protocol_error(model, value):
    try:
        parse(model, value, 'f')
    except ServiceProtocolError as exc:
        assert str(exc).isprintable()


def test_text_is_escaped_to_be_shown_and_goes_to_json_as_it_came():
    sent = {'name': 'a\nb\x1b[2J', 'parametersJson': json.dumps({'note': 'x' * 2000})}
    run = parse(training.TrainingRun, sent, 'f')
    assert run.parameters_json.isprintable() and len(run.parameters_json) < 1100
    assert run.as_sent() == sent
    schema = parse(robots.RobotSchemaList, {'robotSchemas': [{'name': sent['name']}]}, 'f')
    assert schema.schemas[0].name == r'a\nb\x1b[2J'
    [row] = schema.as_sent()['robotSchemas']
    assert row['name'] == sent['name']
