# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The table of every fault that the simulated service can show; ``doc/faults.md`` is made from it.

To add a fault, add a row, and ask for it in the module that the heading of its group names:
``if fault := faults.consume('name')``.

A fault's value is ``NUMBER``, ``TEXT`` or ``NUMBER:TEXT``, whichever its row has; a part that is
left out has its default. ``times`` is how often it happens before it switches itself off; None
keeps it on until it is cleared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import re

from reflex_ros.sim.service.so101 import GRIPPER, JOINTS, PAN


@dataclass(frozen=True, slots=True)
class FaultKind:
    """
    One row of the table.

    :param what: what happens at the service.
    :param shows: what the robot side shows; names in capitals are codes of ``FaultCode``.
    :param number: default of the number; None when the fault has none.
    :param text: default of the text; None when the fault has none.
    :param choices: the texts that are allowed; empty for any text.
    :param pattern: what any text must look like.
    """

    name: str
    what: str
    shows: str
    number: float | None = None
    text: str | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ''
    times: int | None = None

    def parse(self, value: object) -> tuple[float, str]:
        """Turn a value into number and text; a ``ValueError`` says what the fault takes."""
        number, text = self.number or 0.0, self.text or ''
        if isinstance(value, list):
            value = ','.join(str(item) for item in value)
        if value is None or value is True or value == '':
            return number, text
        if not isinstance(value, (int, float, str)) or value is False:
            raise ValueError(self.usage())
        rest = str(value)
        if self.number is not None:
            head, _, tail = rest.partition(':')
            try:
                number, rest = float(head), tail
            except ValueError:
                if self.text is None:
                    raise ValueError(self.usage()) from None
        if not 0.0 <= number < 1e9 or (rest and self.text is None):
            raise ValueError(self.usage())
        text = rest or text
        if self.choices and text not in self.choices:
            raise ValueError(self.usage())
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValueError(self.usage())
        return number, text

    def usage(self) -> str:
        """Describe the value in a sentence with the name of the fault."""
        return f'{self.name} takes {self.takes()}'

    def takes(self) -> str:
        """Describe the value."""
        takes = [] if self.number is None else [f'a number (default {self.number:g})']
        if self.choices:
            takes.append(f'one of {", ".join(self.choices)} (default {self.text})')
        elif self.text is not None:
            takes.append(f'a text (default {self.text!r})')
        return ', a colon, '.join(takes) or 'no value'

    def to_json(self) -> dict[str, object]:
        """Return the row of ``GET /admin/faults``."""
        return {'name': self.name, 'what': self.what, 'usage': self.usage(), 'times': self.times}


# The text of such a fault is a list of HTTP codes to answer with, one after the other.
STATUSES = r'\d{3}(x\d+)?(,\d{3}(x\d+)?)*'

# -- One HTTP exchange: faults/http_faults.py. A row exists for each family: rpc_slow, infer_close.

HTTP_ROWS = (
    FaultKind('status', 'these HTTP codes are the answer, such as 503x2,429x1; no call is run',
              'repeats what is safe to repeat for 408, 429 and 5xx; then an error with the code',
              text='503', pattern=STATUSES),
    FaultKind('redirect', 'a 302 to this address is the answer',
              'an error: no redirect is followed', text='http://127.0.0.1:9/'),
    FaultKind('slow', 'the answer comes so many ms late', 'waits, up to its timeout',
              number=1500.0),
    FaultKind('close', 'the connection ends before the call is run, after it, or in mid answer',
              'repeats what is safe to repeat; then an error that names the cause',
              text='before', choices=('before', 'after', 'half')),
    FaultKind('garbage', 'the body of the answer is not what it should be',
              'an error: the answer is not understood', text='not_json', choices=(
                  'not_json', 'truncated', 'invalid_utf8', 'array', 'deep', 'empty')),
    FaultKind('oversize', 'so many MiB of blanks follow the answer',
              'an error beyond the limit of that answer', number=2.0),
    FaultKind('trickle', 'the body comes byte by byte, so many ms apart',
              'an error when the whole answer takes longer than the timeout', number=50.0),
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
    # -- Handshakes of the action stream, and its greeting: stream/stream.py.
    FaultKind('handshake_status', 'these HTTP codes answer handshakes, such as 503x3,403x1',
              'tries again for 90 s; 401 and other 4xx fail at once', text='503',
              pattern=STATUSES),
    FaultKind('retry_after', 'refusals by a fault carry Retry-After with so many seconds',
              'waits that long, within the 90 s', number=1.0),
    FaultKind('handshake_slow', 'handshakes are answered so many ms late',
              'waits; tries again after its timeout', number=3000.0),
    FaultKind('handshake_close', 'handshakes are not answered: the connection ends',
              'tries again for 90 s'),
    FaultKind('redirect', 'handshakes are answered with a 302 to this address',
              'fails at once: no redirect is followed', text='http://127.0.0.1:9/v1/actions'),
    FaultKind('first_frame', 'another frame, none or a Close comes instead of session.ready',
              'fails at once; silent: tries again', text='wrong',
              choices=('wrong', 'silent', 'close', 'error')),
    FaultKind('ready_delay', 'session.ready comes so many ms late',
              'waits; tries again after its timeout', number=3000.0),
    FaultKind('other_adapter', 'session.ready says that the rows come in this layout',
              'BAD_SHAPE: the session ends, and the state names every difference',
              text='aloha_joint', choices=('so101_joint', 'aloha_joint', 'pi_native')),
    # -- Calls: http/rpc.py; sign-up: http/dashboard.py.
    FaultKind('rpc_refuse', 'calls, or with FUNCTION:REASON those of one function, are refused '
              'with this reason', 'the reason and the next step; AUTH_REVOKED, NOT_READY, REFUSED',
              text='unknown_key', pattern=r'(\w+:)?\w+'),
    FaultKind('rpc_error', 'calls fail with this message', 'an error with the message',
              text='Server Error'),
    FaultKind('rpc_value', 'calls are run, and their answer has another value or none',
              'an error: the answer is not understood', text='null', choices=(
                  'null', 'array', 'text', 'missing', 'no_status', 'no_message')),
    FaultKind('http_560', 'function errors of the encoded format come as HTTP 560',
              'the same error as without it'),
    FaultKind('signup_error', 'sign-up is refused; the value says where the text stands',
              'the text', text='object', choices=('object', 'text', 'message', 'none')),
    # -- What the service lacks: context.py and resources/; cold_start: oneshot/infer.py.
    FaultKind('deployment_not_ready', 'every deployment is blocked',
              'doctor and gate name the failed check; NOT_READY while actions are applied'),
    FaultKind('balance_too_low', 'nothing is started: authorize is refused, /v1/infer is a 402',
              'REFUSED, and to top the balance up'),
    FaultKind('no_inference_node', 'no worker is live: authorize is refused',
              'REFUSED, and to try again later'),
    FaultKind('session_dry_run', 'promotions are refused, and a stream that asks in dry_run ends',
              'MODE_MISMATCH'),
    FaultKind('cold_start', 'the first n calls of /v1/infer answer 408, as after 10 idle minutes',
              'asks again twice, then says that the model is still starting', number=1.0),
    # -- Uploads: http/upload_target.py; validation, training and imports: resources/.
    FaultKind('upload_cut', 'the connection of an upload ends after so many bytes',
              'resumes the upload', number=65536.0, times=1),
    FaultKind('upload_corrupt', 'one byte of an upload changes before it is stored',
              'an error: the checksum differs'),
    FaultKind('dataset_invalid', 'the validation of every dataset fails',
              'an error with the reason'),
    FaultKind('import_fails', 'the import of a model fails', 'the failed model with the reason'),
    FaultKind('training_stuck', 'training runs stay queued', 'a run that stays queued'),
    FaultKind('training_fails', 'training runs fail half way', 'the failed run with the reason'),
    # -- After so many chunks of a stream, counted from when the fault is switched on; 0 is now:
    # stream/answering.py, and resources/sessions.py for what happens to the session.
    FaultKind('revoke_key_after', 'the key is revoked after n chunks', 'AUTH_REVOKED',
              number=0.0, times=1),
    FaultKind('expire', 'the session expires after n chunks', 'SESSION_EXPIRED',
              number=0.0, times=1),
    FaultKind('fail', 'the session fails after n chunks: its worker is lost', 'SERVER_ERROR',
              number=0.0, times=1),
    FaultKind('demote', 'the session is back in dry_run after n chunks, and nobody is told',
              'a planned stop, within 10 s', number=0.0, times=1),
    FaultKind('close', 'Close with this code comes after n chunks',
              'NET_CLOSED; 1009: OVERSIZE; 1011: SERVER_ERROR', number=0.0, text='1011',
              pattern=r'1\d{3}|[34]\d{3}'),
    FaultKind('reset', 'a TCP reset comes after n chunks', 'NET_CLOSED', number=0.0),
    FaultKind('error_frame', 'an error frame with this text comes after n chunks, then Close 1011',
              'SERVER_ERROR', number=0.0, text='internal_error'),
    # -- Answers that are missing or late: stream/answering.py; broken: stream/connection.py with
    # faults/corruption.py and faults/wire.py.
    FaultKind('deaf', 'what clients send is no longer read', 'NET_SILENT after 2 s'),
    FaultKind('silence', 'observations are read and never answered', 'NET_SILENT after 2 s'),
    FaultKind('skip_one_in', 'every n-th answer is dropped',
              'asks again; UNDERRUN when the next answer is too late', number=5.0),
    FaultKind('slow', 'answers come so many ms late',
              'slows down; CHUNK_STALE above 1 s, NET_SILENT above 2 s', number=1500.0),
    FaultKind('trickle', 'answers come byte by byte, so many ms apart', 'NET_SILENT after 2 s',
              number=50.0),
    FaultKind('garbage', 'the answer is not a proper message',
              'BAD_FRAME; invalid_utf8: NET_CLOSED; unknown_type: NET_SILENT', text='not_json',
              choices=(
                  'not_json', 'truncated', 'binary', 'invalid_utf8', 'deep', 'duplicate_keys',
                  'array', 'unknown_type')),
    FaultKind('oversize', 'the answer is padded to so many MiB', 'OVERSIZE above 1 MiB',
              number=2.0),
    FaultKind('bomb', 'a compressed frame, which was not negotiated, holds so many MiB',
              'NET_CLOSED: it is not inflated', number=64.0),
    FaultKind('fragments', 'a message of endless fragments comes, so many bytes each',
              'OVERSIZE above 1 MiB', number=16384.0),
    # -- Wrong content in a proper message: faults/corruption.py. Three in a row end the session.
    FaultKind('nan', 'one value is not a finite number',
              'BAD_NUMBER; nan, inf: BAD_FRAME, as JSON has no such number', text='nan', choices=(
                  'nan', 'inf', '1e999', 'null', 'bool', 'string', 'huge')),
    FaultKind('wrong_shape', 'the rows have another shape than they should', 'BAD_SHAPE',
              text='ragged', choices=(
                  'ragged', 'wrong_dim', 'empty', 'empty_rows', 'flat', 'too_many', 'wrong_key',
                  'missing')),
    FaultKind('wrong_seq', 'the answer names another observation, or none',
              'SEQ_OLD; future: latches, too; missing, text: BAD_SHAPE', text='duplicate',
              choices=('duplicate', 'old', 'future', 'reorder', 'missing', 'text')),
    FaultKind('wrong_session', 'the answer names another session',
              'nothing: the sequence number counts'),
    FaultKind('out_of_range', 'rows run beyond the upper limit of a joint, by degrees or percent',
              'RANGE', number=20.0, text=JOINTS[GRIPPER], choices=JOINTS),
    FaultKind('jump', 'all rows are offset by so many degrees in one joint', 'JUMP', number=30.0,
              text=JOINTS[PAN], choices=JOINTS[:GRIPPER]),
    FaultKind('radians', 'rows are in radians, the gripper in 0..1',
              'JUMP, unless the arm is near its middle'),
    FaultKind('gripper_units', 'the gripper of every row is 0..1, or 100 less what it should be',
              'a remark in dry_run after 20 chunks', text='fraction',
              choices=('fraction', 'inverted')),
    FaultKind('constant', 'every row is the first observed state', 'nothing: the arm stays there'),
    FaultKind('all_zero', 'every value is 0', 'JUMP, unless the arm is near its middle'),
    FaultKind('oscillate', 'every second row of the wrist roll is off by so many degrees',
              'smooths it; RATE when the rows are too fast', number=1.5),
)

_HTTP = tuple(
    replace(row, name=f'{family}_{row.name}', what=f'{where}: {row.what}')
    for family, where in HTTP_FAMILIES.items() for row in HTTP_ROWS
)

KINDS: dict[str, FaultKind] = {kind.name: kind for kind in (*ROWS, *_HTTP)}
