# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The Convex-style envelope around every function (protocol c.1, c.2), without any socket.

A request is one JSON body; the answer is a status code and one JSON body. The API key is an
argument, so a bad key is an answer with HTTP 200, not a 401.
"""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from reflex_ros.sim.service.calls import ArgumentError, Call, complaint, Json, parse_object
from reflex_ros.sim.service.http import encoding
from reflex_ros.sim.service.refusals import Refusal
from reflex_ros.sim.service.state import ServiceState

KINDS = ('query', 'mutation', 'action')
ENCODED = 'convex_encoded_json'
FUNCTION_FAILED = 560


# What a client may meet where it expects an object in ``value`` (c.2).
_ODD_ENVELOPES: dict[str, Json] = {
    'null': {'status': 'success', 'value': None},
    'array': {'status': 'success', 'value': [{'ok': True}]},
    'text': {'status': 'success', 'value': 'ok'},
    'missing': {'status': 'success'},
    'no_status': {'value': {'ok': True}},
    'no_message': {'status': 'error'},
}


class Request(BaseModel):
    """One function call, decoded; fields that have no name here are ignored."""

    model_config = ConfigDict(strict=True)

    path: str
    args: Json
    format: Literal['json', 'convex_encoded_json']

    @model_validator(mode='before')
    @classmethod
    def _decode(cls, body: Json) -> Json:
        """Take the arguments out of their list and decode them, in the encoded format."""
        if body.get('format') != ENCODED:
            return body
        args = body.get('args')
        if not isinstance(args, list) or len(args) != 1:
            raise ValueError(f'args must be a list of one object in format {ENCODED}')
        return body | {'args': encoding.decode(args[0])}


class Rpc:
    """Answer calls of functions."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self.functions: dict[str, Call] = {
            call.path: call for call in state.calls if not call.is_rest}

    def answer(self, raw: bytes) -> tuple[int, str]:
        """Return HTTP status and body for a call; its kind makes no difference (c.4)."""
        try:
            request = Request.model_validate(parse_object(raw))
        except (ValueError, RecursionError) as exc:
            return 400, json.dumps({'code': 'BadJsonBody', 'message': complaint(exc)})
        faults, status = self._state.faults, 200
        is_encoded = request.format == ENCODED
        try:
            value: object = self._run(request)
            value = encoding.encode(value) if is_encoded else value
            envelope: Json = {'status': 'success', 'value': value, 'logLines': []}
        except ArgumentError as exc:
            envelope = {'status': 'error', 'errorMessage': str(exc), 'logLines': []}
            if is_encoded and faults.is_on('http_560'):
                status = FUNCTION_FAILED
        if fault := faults.consume('rpc_value'):
            envelope = _ODD_ENVELOPES[fault.text]
        return status, json.dumps(envelope, allow_nan=False)

    def _run(self, request: Request) -> Json | None:
        function = self.functions.get(request.path)
        if function is None:
            raise ArgumentError(f"Could not find public function for '{request.path[:200]}'.")
        values: Json = {}
        invalid = None
        try:
            values = function.check(request.args)
        except Refusal as refusal:
            # After the key was checked.
            invalid = refusal
        if fault := self._state.faults.consume('rpc_error'):
            raise ArgumentError(fault.text)
        if reason := self._ordered_reason(request):
            self._state.counters['rpc_refused'] += 1
            return {'ok': False, 'reason': reason}
        try:
            if function.needs_key:
                key = self._state.keys.find(str(request.args['apiKey']))
                if 'key' in function.parameters:
                    values['key'] = key
            if invalid is not None:
                raise invalid
            value = function.handler(**values)
            return None if value is None else {'ok': True} | value
        except Refusal as refusal:
            self._state.counters['rpc_refused'] += 1
            no: Json = {'ok': False, 'reason': refusal.reason.value}
            return no | ({'message': refusal.message} if refusal.message else {})

    def _ordered_reason(self, request: Request) -> str:
        """Return the reason of the fault ``rpc_refuse``, empty when it is off for this call."""
        fault = self._state.faults.get('rpc_refuse')
        if fault is None:
            return ''
        function, _, reason = fault.text.rpartition(':')
        if function not in ('', request.path.partition(':')[2]):
            return ''
        self._state.faults.consume('rpc_refuse')
        return reason
