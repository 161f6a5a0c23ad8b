# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The Convex-style envelope around every function (protocol c.1, c.2), without any socket.

A request is one JSON body; the answer is a status code and one JSON body. The API key is an
argument, so a bad key is an answer with HTTP 200, not a 401.
"""

from __future__ import annotations

from dataclasses import dataclass
import json

from reflex_ros.sim.service.http import encoding
from reflex_ros.sim.service.http.functions import FUNCTIONS
from reflex_ros.sim.service.http.functions.base import ArgumentError, Value
from reflex_ros.sim.service.refusals import Refusal
from reflex_ros.sim.service.state import ServiceState

KINDS = ('query', 'mutation', 'action')
ENCODED = 'convex_encoded_json'
FUNCTION_FAILED = 560


# What a client may meet where it expects an object in ``value`` (c.2).
_ODD_ENVELOPES: dict[str, Value] = {
    'null': {'status': 'success', 'value': None},
    'array': {'status': 'success', 'value': [{'ok': True}]},
    'text': {'status': 'success', 'value': 'ok'},
    'missing': {'status': 'success'},
    'no_status': {'value': {'ok': True}},
    'no_message': {'status': 'error'},
}


class BadRequest(Exception):
    """The body is no call at all: HTTP 400."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function call, decoded."""

    path: str
    args: dict[str, object]
    is_encoded: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and the JSON text of the body."""

    status: int
    body: str


def answer(state: ServiceState, raw: bytes) -> Answer:
    """Serve one ``POST /api/{query,mutation,action}``; any kind runs any function (c.4)."""
    try:
        call = parse(raw)
    except BadRequest as exc:
        return Answer(400, json.dumps({'code': 'BadJsonBody', 'message': str(exc)}))
    status = 200
    try:
        value = _run(state, call)
        written = encoding.encode(value) if call.is_encoded else value
        envelope: Value = {'status': 'success', 'value': written, 'logLines': []}
    except ArgumentError as exc:
        envelope = {'status': 'error', 'errorMessage': str(exc), 'logLines': []}
        if call.is_encoded and state.faults.is_on('http_560'):
            status = FUNCTION_FAILED
    if fault := state.faults.take('rpc_value'):
        envelope = _ODD_ENVELOPES[fault.text]
    return Answer(status, json.dumps(envelope, allow_nan=False))


def parse(raw: bytes) -> Call:
    """
    Decode the body of a call in either format.

    :raises BadRequest: when it is not a call; says why.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f'the body is not JSON: {type(exc).__name__}') from exc
    if not isinstance(body, dict):
        raise BadRequest('the body must be a JSON object')
    path, args, form = body.get('path'), body.get('args'), body.get('format')
    if not isinstance(path, str):
        raise BadRequest("'path' must be a text")
    if form == 'json':
        if not isinstance(args, dict):
            raise BadRequest("'args' must be an object in format json")
        return Call(path, args, is_encoded=False)
    if form != ENCODED:
        raise BadRequest(f"'format' must be 'json' or '{ENCODED}'")
    if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], dict):
        raise BadRequest(f"'args' must be a list of one object in format {ENCODED}")
    try:
        decoded = encoding.decode(args[0])
    except (ValueError, RecursionError) as exc:
        raise BadRequest(str(exc)) from exc
    if not isinstance(decoded, dict):
        raise BadRequest("'args' must hold an object")
    return Call(path, decoded, is_encoded=True)


def _run(state: ServiceState, call: Call) -> Value | None:
    function = FUNCTIONS.get(call.path)
    if function is None:
        raise ArgumentError(f"Could not find public function for '{call.path[:200]}'.")
    args = function.check(call.args)
    if fault := state.faults.take('rpc_error'):
        raise ArgumentError(fault.text)
    if reason := _reason_on_order(state, call):
        state.counters.rpc_refused += 1
        return {'ok': False, 'reason': reason}
    try:
        if function.needs_key:
            state.key_of(args.text('apiKey'))
        value = function.handler(state, args)
        return None if value is None else {'ok': True} | value
    except Refusal as refusal:
        state.counters.rpc_refused += 1
        no: Value = {'ok': False, 'reason': refusal.reason.value}
        return no | ({'message': refusal.message} if refusal.message else {})


def _reason_on_order(state: ServiceState, call: Call) -> str:
    """Return why a fault says no, or nothing; real reasons and invented ones alike."""
    fault = state.faults.get('rpc_refuse')
    if fault is None:
        return ''
    function, _, reason = fault.text.rpartition(':')
    if function not in ('', call.path.partition(':')[2]):
        return ''
    state.faults.take('rpc_refuse')
    return reason
