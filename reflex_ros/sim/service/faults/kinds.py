# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The table of every fault that the simulated service can show.

A fault's value is ``NUMBER``, ``TEXT`` or ``NUMBER:TEXT``, whichever its row has; what is left out
has its default. ``times`` is how often it happens before it switches itself off; None is for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import re

from reflex_ros.sim.service.so101 import GRIPPER, JOINTS, PAN


@dataclass(frozen=True, slots=True)
class FaultKind:
    """
    One row of the table.

    :param number: default of the number; None when the fault takes none.
    :param text: default of the text; None when the fault takes none.
    :param choices: the texts that it knows; empty when any text will do.
    :param pattern: what any text must look like.
    """

    name: str
    what: str
    number: float | None = None
    text: str | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ''
    times: int | None = None

    def parse(self, value: object) -> tuple[float, str]:
        """
        Turn a value from the command line or from JSON into number and text.

        :raises ValueError: saying what the fault takes.
        """
        number, text = self.number or 0.0, self.text or ''
        if isinstance(value, list):
            value = ','.join(str(item) for item in value)
        if value is None or value is True or value == '':
            return number, text
        if not isinstance(value, (int, float, str)) or value is False:
            raise ValueError(self.usage())
        given = str(value)
        if self.number is not None:
            head, _, rest = given.partition(':')
            try:
                number = float(head)
            except ValueError:
                if self.text is None:
                    raise ValueError(self.usage()) from None
                rest = given
            given = rest
        if not 0.0 <= number < 1e9 or (given and self.text is None):
            raise ValueError(self.usage())
        text = given or text
        if self.choices and text not in self.choices:
            raise ValueError(self.usage())
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError(self.usage())
        return number, text

    @property
    def lists_statuses(self) -> bool:
        """Whether the text is a list of HTTP codes to answer with, one after the other."""
        return self.pattern == _STATUSES

    def usage(self) -> str:
        """Say what the fault takes as a value, in a sentence."""
        return f'{self.name} takes {self.takes()}'

    def takes(self) -> str:
        """Say what the value is."""
        takes = [] if self.number is None else [f'a number (default {self.number:g})']
        if self.choices:
            takes.append(f'one of {", ".join(self.choices)} (default {self.text})')
        elif self.text is not None:
            takes.append(f'a text (default {self.text!r})')
        return ', a colon, '.join(takes) or 'no value'

    def to_json(self) -> dict[str, object]:
        """Return the row of ``GET /admin/faults``."""
        return {'name': self.name, 'what': self.what, 'usage': self.usage(), 'times': self.times}


_STATUSES = r'\d{3}(x\d+)?(,\d{3}(x\d+)?)*'

# What can happen to one HTTP exchange; each row exists for each family, as rpc_slow, infer_close.
HTTP_ROWS = (
    FaultKind('status', 'answer with these HTTP codes: 503x2,429x1 or 401; the call is not run',
              text='503', pattern=_STATUSES),
    FaultKind('redirect', 'answer with 302 to this address', text='http://127.0.0.1:9/'),
    FaultKind('slow', 'ms before the answer', number=1500.0),
    FaultKind('close', 'the connection ends before the call is run, after it, or in mid answer',
              text='before', choices=('before', 'after', 'half')),
    FaultKind('garbage', 'the body of the answer is none', text='not_json', choices=(
        'not_json', 'truncated', 'invalid_utf8', 'array', 'deep', 'empty')),
    FaultKind('oversize', 'so many MiB of blanks behind the answer', number=2.0),
    FaultKind('trickle', 'the body goes out byte by byte, so many ms apart', number=50.0),
)

HTTP_FAMILIES = {
    'rpc': 'POST /api/{query,mutation,action}',
    'rest': '/v1/* and /deployments/*',
    'upload': 'the bytes of a file, /uploads/*',
    'site': '/cli/authorize and /api/auth/*',
    'infer': 'POST /v1/infer',
    'act': 'POST /act, the edge server',
    'ready': 'GET /ready of a worker',
    'health': 'GET /health of a worker',
}

ROWS = (
    # Before the stream: handshakes and calls.
    FaultKind('handshake_status', 'answer handshakes with these codes: 503x3,403x1 or 401',
              text='503', pattern=_STATUSES),
    FaultKind('retry_after', 'refusals on order carry Retry-After with so many seconds',
              number=1.0),
    FaultKind('handshake_slow', 'ms before a handshake is answered', number=3000.0),
    FaultKind('handshake_close', 'the connection ends instead of an answer to the handshake'),
    FaultKind('redirect', 'answer handshakes with 302 to this address',
              text='http://127.0.0.1:9/v1/actions'),
    FaultKind('rpc_refuse', 'calls are refused with this reason, or those of one function: '
              'promoteSession:session_closed', text='unknown_key', pattern=r'(\w+:)?\w+'),
    FaultKind('rpc_error', 'calls fail with this message', text='Server Error'),
    FaultKind('rpc_value', 'calls run, and their answer has another value or none',
              text='null', choices=(
                  'null', 'array', 'text', 'missing', 'no_status', 'no_message')),
    FaultKind('http_560', 'function errors of the encoded format come as HTTP 560'),
    FaultKind('first_frame', 'what comes instead of session.ready',
              text='wrong', choices=('wrong', 'silent', 'close', 'error')),
    FaultKind('ready_delay', 'ms before session.ready', number=3000.0),
    FaultKind('signup_error', 'sign-up is refused; where the answer puts the text',
              text='object', choices=('object', 'text', 'message', 'none')),
    FaultKind('deployment_not_ready', 'every deployment is blocked'),
    FaultKind('balance_too_low', 'authorize is refused, /v1/infer is a 402, the doctor says so'),
    FaultKind('session_dry_run', 'a promotion is refused and the session stays in dry_run; a '
              'stream that asks in dry_run ends with session_dry_run'),
    FaultKind('cold_start', 'the first n calls of /v1/infer answer 408; without this switch one '
              'does so after 10 idle minutes', number=1.0),
    FaultKind('no_inference_node', 'authorize is refused, the doctor says so'),
    # Data: uploads, validation, training.
    FaultKind('upload_cut', 'the connection of an upload ends after so many bytes',
              number=65536.0, times=1),
    FaultKind('upload_corrupt', 'one byte of an upload changes before it is stored'),
    FaultKind('dataset_invalid', 'the validation of every dataset fails'),
    FaultKind('import_fails', 'the import of a model fails'),
    FaultKind('training_stuck', 'training runs stay queued'),
    FaultKind('training_fails', 'training runs fail half way'),
    # After so many chunks of a stream (counted from the moment the fault is switched on).
    FaultKind('revoke_key_after', 'after k chunks the key is revoked', number=0.0, times=1),
    FaultKind('expire', 'after k chunks the session expires', number=0.0, times=1),
    FaultKind('fail', 'after k chunks the worker is lost and the session failed',
              number=0.0, times=1),
    FaultKind('demote', 'after k chunks the session is back in dry_run, untold',
              number=0.0, times=1),
    FaultKind('close', 'after k chunks: Close with this code', number=0.0, text='1011',
              pattern=r'1\d{3}|[34]\d{3}'),
    FaultKind('reset', 'after k chunks: TCP reset', number=0.0),
    FaultKind('error_frame', 'after k chunks: error frame with this text, then Close 1011',
              number=0.0, text='internal_error'),
    # Instead of, or on the way of, an answer.
    FaultKind('deaf', 'what clients send is no longer read'),
    FaultKind('silence', 'observations are accepted and never answered'),
    FaultKind('skip_one_in', 'every n-th answer is dropped', number=5.0),
    FaultKind('slow', 'ms by which answers are late', number=1500.0),
    FaultKind('trickle', 'answers go out byte by byte, so many ms apart', number=50.0),
    FaultKind('garbage', 'the answer is no proper message', text='not_json', choices=(
        'not_json', 'truncated', 'binary', 'invalid_utf8', 'deep', 'duplicate_keys', 'array',
        'unknown_type')),
    FaultKind('oversize', 'the answer is padded to so many MiB', number=2.0),
    FaultKind('bomb', 'a compressed frame that nobody negotiated, MiB when inflated',
              number=64.0),
    FaultKind('fragments', 'a message of endless fragments, bytes each', number=16384.0),
    # Wrong content in a proper message.
    FaultKind('nan', 'one value that is no finite number', text='nan', choices=(
        'nan', 'inf', '1e999', 'null', 'bool', 'string', 'huge')),
    FaultKind('wrong_shape', 'rows of the wrong shape', text='ragged', choices=(
        'ragged', 'wrong_dim', 'empty', 'empty_rows', 'flat', 'too_many', 'wrong_key',
        'missing')),
    FaultKind('wrong_seq', 'the answer names the wrong observation', text='duplicate', choices=(
        'duplicate', 'old', 'future', 'reorder', 'missing', 'text')),
    FaultKind('wrong_session', 'the answer names another session'),
    FaultKind('out_of_range', 'rows run beyond the upper limit of a joint, deg or percent',
              number=20.0, text=JOINTS[GRIPPER], choices=JOINTS),
    FaultKind('jump', 'all rows are offset by so many degrees in one joint', number=30.0,
              text=JOINTS[PAN], choices=JOINTS[:GRIPPER]),
    FaultKind('radians', 'rows in radians, gripper 0..1'),
    FaultKind('constant', 'every row of every chunk is the first observed state'),
    FaultKind('all_zero', 'every value is 0'),
    FaultKind('oscillate', 'every second row of the wrist roll is off by so many degrees',
              number=1.5),
)

_HTTP = tuple(
    replace(row, name=f'{family}_{row.name}', what=f'{where}: {row.what}')
    for family, where in HTTP_FAMILIES.items() for row in HTTP_ROWS
)

KINDS: dict[str, FaultKind] = {kind.name: kind for kind in (*ROWS, *_HTTP)}
