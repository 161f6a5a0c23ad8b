# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a training run may be asked for: the keys of ``parametersJson`` and their bounds (i.6).

The reference writes ``lora.rank``; whether that is an object in an object or a key with a dot is
not known, so both are accepted. Keys that the reference does not name are refused. Upper bounds
that it does not give only keep the arithmetic in range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat

from reflex_ros.sim.service.calls import ABSENT, complaint, Json, parse_object, Strict, StrictCamel

LORA = 'lora'
FULL = 'full'
# Defaults of the simulation.
STEPS_PER_EPOCH = 100
DEFAULT_SAVE_FREQ = 500
_MOST_STEPS = 10_000_000
_RANKS = (4, 8, 16, 32, 64)

_Count = Annotated[int, Field(ge=1, le=1 << 20)]
_Target = Literal['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj',
                  'action_in_proj', 'action_out_proj']


def _check_rank(rank: int) -> int:
    # Literal would accept 8.0, because it is equal to 8.
    if rank not in _RANKS:
        raise ValueError(f'one of {_RANKS} is expected')
    return rank


Rank = Annotated[int, AfterValidator(_check_rank)]


class _LoraParameters(Strict):
    rank: Rank = ABSENT
    alpha: Annotated[int, Field(ge=1, le=256)] = ABSENT
    dropout: Annotated[FiniteFloat, Field(ge=0.0, le=0.5)] = ABSENT
    target_modules: Annotated[list[_Target], Field(min_length=1)] = ABSENT


class _Parameters(StrictCamel):
    max_steps: Annotated[int, Field(ge=1, le=_MOST_STEPS)] = ABSENT
    batch_size: _Count = ABSENT
    learning_rate: Annotated[FiniteFloat, Field(gt=0.0, le=1e3)] = ABSENT
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    save_freq: Annotated[int, Field(ge=50)] = ABSENT
    max_minutes: _Count = ABSENT
    gradient_checkpointing: Annotated[bool, Field(alias='gradient_checkpointing')] = ABSENT
    freeze_vision_encoder: Annotated[bool, Field(alias='freeze_vision_encoder')] = ABSENT
    dtype: Literal['bfloat16', 'float32'] = ABSENT
    lora: _LoraParameters = Field(default_factory=_LoraParameters)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do: all its steps, and those between two checkpoints."""

    steps: int
    save_freq: int


def make_plan(parameters_json: str, fine_tuning_type: str, epochs: int) -> Plan:
    """Check what a run is asked for, and plan it; ``ValueError`` names a bad parameter."""
    if fine_tuning_type not in (LORA, FULL):
        raise ValueError(f'fineTuningType must be {LORA} or {FULL}')
    if not 1 <= epochs <= _MOST_STEPS // STEPS_PER_EPOCH:
        raise ValueError(f'epochs must be in 1..{_MOST_STEPS // STEPS_PER_EPOCH}')
    try:
        asked = _Parameters.model_validate(_nested(parse_object(parameters_json or '{}')))
    except ValueError as exc:
        raise ValueError(f'parametersJson: {complaint(exc)}') from exc
    if fine_tuning_type == FULL and (names := sorted(asked.lora.model_fields_set)):
        raise ValueError(f'parametersJson: lora.{names[0]} does not go with fineTuningType {FULL}')
    steps = asked.max_steps or epochs * STEPS_PER_EPOCH
    if asked.warmup_steps > steps / 2:
        raise ValueError(f'parametersJson: warmupSteps must be in 0..{steps // 2}')
    save_freq = asked.save_freq or min(DEFAULT_SAVE_FREQ, steps)
    if save_freq > steps:
        raise ValueError(f'parametersJson: saveFreq must be in 50..{steps}')
    return Plan(steps, save_freq)


def _nested(values: Json) -> Json:
    """Put keys that begin with ``lora.`` into the object ``lora``."""
    dotted = {name: values.pop(name) for name in list(values) if name.startswith('lora.')}
    lora = values.get(LORA, {})
    if dotted and isinstance(lora, dict):
        values[LORA] = lora | {name[len('lora.'):]: value for name, value in dotted.items()}
    return values
