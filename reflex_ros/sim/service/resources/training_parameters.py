# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a training run may be asked for: the keys of ``parametersJson`` and their bounds (i.6).

The reference writes ``lora.rank``; whether that is an object in an object or a key with a dot is
not known, so both are taken. Keys that the reference does not name are refused. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import json

LORA = 'lora'
FULL = 'full'
TARGETS = frozenset((
    'q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj',
    'action_in_proj', 'action_out_proj',
))
# Of the simulation, for what nobody asked for.
STEPS_PER_EPOCH = 100
DEFAULT_SAVE_FREQ = 500
_MOST_STEPS = 10_000_000

# Says what is wrong with a value, empty when nothing is.
Check = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a run will do.

    :param steps: of all epochs together.
    :param save_freq: steps between two checkpoints.
    """

    steps: int
    save_freq: int


def make_plan(parameters_json: str, fine_tuning_type: str, epochs: int) -> Plan:
    """
    Check everything that a run may be asked for.

    :param parameters_json: empty for none.
    :raises ValueError: naming the first parameter that is unknown or out of bounds.
    """
    if fine_tuning_type not in (LORA, FULL):
        raise ValueError(f'fineTuningType must be {LORA} or {FULL}')
    if not 1 <= epochs <= _MOST_STEPS // STEPS_PER_EPOCH:
        raise ValueError('epochs must be at least 1, and not absurd')
    values = _flatten(parameters_json)
    for name, value in values.items():
        if name not in _CHECKS:
            raise ValueError(f'parametersJson: {name[:100]} is unknown')
        if complaint := _CHECKS[name](value):
            raise ValueError(f'parametersJson: {name} {complaint}')
        if fine_tuning_type == FULL and name.startswith('lora.'):
            raise ValueError(f'parametersJson: {name} does not go with fineTuningType {FULL}')
    steps = _integer(values, 'maxSteps', epochs * STEPS_PER_EPOCH)
    if _integer(values, 'warmupSteps', 0) > steps / 2:
        raise ValueError(f'parametersJson: warmupSteps must be in 0..{steps // 2}')
    save_freq = _integer(values, 'saveFreq', min(DEFAULT_SAVE_FREQ, steps))
    if save_freq > steps:
        raise ValueError(f'parametersJson: saveFreq must be in 50..{steps}')
    return Plan(steps, save_freq)


def _flatten(parameters_json: str) -> dict[str, object]:
    """Parse the text, and bring an object ``lora`` to keys with a dot."""
    if not parameters_json:
        return {}
    try:
        values = json.loads(parameters_json)
    except (ValueError, RecursionError) as exc:
        raise ValueError('parametersJson must be valid JSON') from exc
    if not isinstance(values, dict):
        raise ValueError('parametersJson must hold a JSON object')
    lora = values.pop(LORA, {})
    if not isinstance(lora, dict):
        raise ValueError('parametersJson: lora must be an object')
    return values | {f'{LORA}.{name}': value for name, value in lora.items()}


def _integer(values: Mapping[str, object], name: str, default: int) -> int:
    value = values.get(name, default)
    assert isinstance(value, int)
    return value


def _whole(low: int, high: int) -> Check:
    def check(value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return ''
        return f'must be an integer in {low}..{high}'

    return check


def _real(low: float, high: float, *, above: bool = False) -> Check:
    # above: the lower bound itself is refused.
    def check(value: object) -> str:
        # NaN is in no range.
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if low <= value <= high and not (above and value == low):
                return ''
        return f'must be a number {"above" if above else "from"} {low:g} and up to {high:g}'

    return check


def _one_of(*choices: object) -> Check:
    def check(value: object) -> str:
        # 1 == True in Python.
        is_one = any(value == each and type(value) is type(each) for each in choices)
        return '' if is_one else f'must be one of {", ".join(str(each) for each in choices)}'

    return check


def _targets(value: object) -> str:
    if isinstance(value, list) and value and all(
            isinstance(item, str) and item in TARGETS for item in value):
        return ''
    return f'must be a list of {", ".join(sorted(TARGETS))}'


# Upper bounds that the reference does not give only keep the arithmetic sane.
_CHECKS: dict[str, Check] = {
    'maxSteps': _whole(1, _MOST_STEPS), 'batchSize': _whole(1, 1 << 20),
    'learningRate': _real(0.0, 1e3, above=True), 'warmupSteps': _whole(0, _MOST_STEPS),
    'saveFreq': _whole(50, _MOST_STEPS), 'maxMinutes': _whole(1, 1 << 20),
    'gradient_checkpointing': _one_of(True, False), 'freeze_vision_encoder': _one_of(True, False),
    'dtype': _one_of('bfloat16', 'float32'), 'lora.rank': _one_of(4, 8, 16, 32, 64),
    'lora.alpha': _whole(1, 256), 'lora.dropout': _real(0.0, 0.5), 'lora.target_modules': _targets,
}
