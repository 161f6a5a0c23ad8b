# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Parameters of a training run and their allowed values; pure (protocol reference, section i.6).

The service checks the same limits, but only after it has accepted the request; here a mistake
costs nothing. Every error names the flag of ``reflex training start`` and the key on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
import difflib
import json
import math
from typing import Any

from reflex_ros.errors import ConfigurationError

FINE_TUNING_TYPES = ('lora', 'full')
RANKS = (4, 8, 16, 32, 64)
DTYPES = ('bfloat16', 'float32')
TARGET_MODULES = ('q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj',
                  'action_in_proj', 'action_out_proj')
LORA = 'lora.'


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    One row of the table of parameters.

    :param key: name on the wire; a dot separates the name of a nested object.
    :param kind: type of the value: ``int``, ``float``, ``bool``, ``str`` or ``list``.
    :param allowed: allowed values, in words.
    :param is_allowed: check of a value that has the type ``kind``.
    """

    key: str
    flag: str
    kind: type
    allowed: str
    is_allowed: Callable[[Any], bool] = lambda value: True

    def check(self, value: object) -> None:
        """
        Check one value, without the other parameters.

        :raises ConfigurationError: if its type is wrong, or it is not allowed.
        """
        if not (_is_kind(value, self.kind) and self.is_allowed(value)):
            raise self.error(f'must be {self.allowed}, got {json.dumps(value, default=str)[:80]}')

    def error(self, complaint: str) -> ConfigurationError:
        """Make an error that names this parameter."""
        return ConfigurationError(f'{self.flag} {complaint} ({self.key})')


PARAMETERS = {row.key: row for row in (
    Parameter('maxSteps', '--max-steps', int, 'a whole number from 1 on', lambda v: v >= 1),
    Parameter('batchSize', '--batch-size', int, 'a whole number from 1 on', lambda v: v >= 1),
    Parameter('learningRate', '--learning-rate', float, 'a number above 0', lambda v: v > 0),
    Parameter('warmupSteps', '--warmup-steps', int, 'a whole number from 0 to half of --max-steps',
              lambda v: v >= 0),
    Parameter('saveFreq', '--save-freq', int, 'a whole number from 50 to --max-steps',
              lambda v: v >= 50),
    Parameter('maxMinutes', '--max-minutes', int, 'a whole number from 1 on', lambda v: v >= 1),
    Parameter('gradient_checkpointing', '--gradient-checkpointing', bool, 'true or false'),
    Parameter('freeze_vision_encoder', '--freeze-vision-encoder', bool, 'true or false'),
    Parameter('dtype', '--dtype', str, f'one of {", ".join(DTYPES)}', lambda v: v in DTYPES),
    Parameter('lora.rank', '--rank', int, f'one of {", ".join(map(str, RANKS))}',
              lambda v: v in RANKS),
    Parameter('lora.alpha', '--alpha', int, 'a whole number from 1 to 256',
              lambda v: 1 <= v <= 256),
    Parameter('lora.dropout', '--dropout', float, 'a number from 0.0 to 0.5',
              lambda v: 0.0 <= v <= 0.5),
    Parameter('lora.target_modules', '--target-modules', list,
              f'some of {", ".join(TARGET_MODULES)}, each once',
              lambda v: bool(v) and set(v) <= set(TARGET_MODULES) and len(set(v)) == len(v)),
)}
"""Key on the wire -> its row."""


def check(parameters: Mapping[str, object], fine_tuning: str) -> dict[str, object]:
    """
    Check parameters, and return them in the form that is sent.

    :param parameters: key -> value; LoRA parameters as ``lora.rank``, or in an object ``lora``.
    :param fine_tuning: ``lora`` or ``full``.
    :returns: the parameters, with those of LoRA in an object ``lora``.
    :raises ConfigurationError: for the first parameter that is unknown or not allowed; names it.
    """
    if fine_tuning not in FINE_TUNING_TYPES:
        raise ConfigurationError('--trainable must be lora or full.')
    flat = _flat(parameters)
    for key, value in flat.items():
        if key not in PARAMETERS:
            raise ConfigurationError(_unknown(key))
        PARAMETERS[key].check(value)
        if fine_tuning == 'full' and key.startswith(LORA):
            raise PARAMETERS[key].error('is for LoRA and not allowed with --trainable full')
    _check_steps(flat)
    sent: dict[str, object] = {
        key: value for key, value in flat.items() if not key.startswith(LORA)}
    lora = {key.removeprefix(LORA): value for key, value in flat.items() if key.startswith(LORA)}
    return {**sent, **({'lora': lora} if lora else {})}


def to_json(parameters: Mapping[str, object]) -> str | None:
    """Encode checked parameters as the service expects them; None if there are none."""
    if not parameters:
        return None
    return json.dumps(parameters, sort_keys=True, separators=(',', ':'), allow_nan=False)


def from_json(text: str) -> dict[str, object]:
    """
    Decode the value of ``--parameters-json``.

    :raises ConfigurationError: if it is not a JSON object.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f'parameters-json must be valid JSON. {exc}') from exc
    if not isinstance(content, dict):
        raise ConfigurationError('parameters-json must be valid JSON. It must be an object, as in '
                                 '{"maxSteps": 200}')
    return content


def _flat(parameters: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in parameters.items():
        if key != 'lora':
            rows: Iterable[tuple[str, object]] = [(key, value)]
        elif isinstance(value, Mapping):
            rows = [(f'{LORA}{name}', each) for name, each in value.items()]
        else:
            raise ConfigurationError('lora in the parameters must be an object, as in '
                                     '{"lora": {"rank": 16}}')
        for name, each in rows:
            if name in flat:
                raise ConfigurationError(f'The parameter {name} is set twice. Remove one')
            flat[name] = each
    return flat


def _check_steps(flat: Mapping[str, Any]) -> None:
    """Check the two parameters whose upper limit is ``maxSteps``, if that is set."""
    steps = flat.get('maxSteps')
    for key, share in (('warmupSteps', 0.5), ('saveFreq', 1.0)):
        if steps is not None and key in flat and flat[key] > steps * share:
            raise PARAMETERS[key].error(f'must be {PARAMETERS[key].allowed}, got {flat[key]} with '
                                        f'--max-steps {steps}')


def _is_kind(value: object, kind: type) -> bool:
    if kind is list:
        return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    # bool first: in Python, True is also an int.
    if isinstance(value, bool) or kind in (bool, str):
        return type(value) is kind
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, int)


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key, PARAMETERS, n=1)
    hint = f'Did you mean {close[0]}?' if close else f'The parameters are {", ".join(PARAMETERS)}'
    return f'The training parameter {key[:80]!r} does not exist. {hint}'
