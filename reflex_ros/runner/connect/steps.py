# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a robot and a policy of a user's own must be able to do, and what goes between them.

The names of methods and fields are those of the vendor's runner (protocol reference, section f.3),
so that classes written for it run unchanged: they are recognised by their methods, not by a base
class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import math
from typing import Any, Protocol

from reflex_ros.errors import ConfigurationError, ReflexError

CONNECTOR_METHODS = ('start', 'get_observation', 'apply_action', 'safe_stop', 'stop')
TRANSPORT_METHODS = ('start', 'infer', 'stop')


class StepFailed(ReflexError):
    """A robot or a policy returned something that cannot be used."""


@dataclass(slots=True)
class RobotObservation:
    """
    What the policy gets for one step.

    :param state: numbers in the units of the policy.
    :param cameras: picture of each camera: JPEG bytes, base64 text, an object with ``encoding``
        and ``data``, or an array of uint8 (height, width, 3), RGB.
    :param task: task text; empty: that of the configuration.
    :param extra: further fields of the observation.
    """

    state: Sequence[float]
    cameras: dict[str, Any] = field(default_factory=dict)
    task: str = ''
    extra: dict[str, Any] = field(default_factory=dict)


class RobotAction(Mapping[str, Any]):
    """
    The rows of one answer; as a mapping it has the keys ``actions`` and ``metadata``.

    :param actions: (rows, numbers) in the units of the policy.
    :param metadata: further fields of the answer.
    :raises StepFailed: unless the rows are a rectangle of finite numbers.
    """

    def __init__(self, actions: Sequence[Sequence[float]],
                 metadata: Mapping[str, Any] | None = None) -> None:
        self.actions = _rows(actions)
        self.metadata = dict(metadata or {})

    def __getitem__(self, key: str) -> Any:
        """Return a field by its name."""
        if key not in ('actions', 'metadata'):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the fields."""
        return iter(('actions', 'metadata'))

    def __len__(self) -> int:
        """Return the number of fields."""
        return 2


class StepConnector(Protocol):
    """A robot. One thread calls all methods."""

    def start(self) -> Any:
        """Open the robot."""

    def get_observation(self) -> Any:
        """Return a ``RobotObservation``, or a mapping or object with its fields."""

    def apply_action(self, action: RobotAction) -> Any:
        """Move the robot along the rows. Only called when actions are applied."""

    def safe_stop(self, reason: str) -> Any:
        """Bring the robot to a safe state; called after every failure."""

    def stop(self) -> Any:
        """Close the robot; called once, at the end."""


class StepTransport(Protocol):
    """A policy. One thread calls ``start`` and ``stop``, another one may call ``infer``."""

    def start(self) -> Any:
        """Open the link."""

    def infer(self, observation: RobotObservation) -> Any:
        """Return a ``RobotAction``, or a mapping or object with its fields."""

    def stop(self) -> Any:
        """Close the link."""


def require_methods(thing: object, names: Sequence[str], what: str) -> None:
    """
    Check that an object can be used, whatever its class.

    :param what: how to name it in the error.
    :raises ConfigurationError: naming the methods that are missing.
    """
    missing = [name for name in names if not callable(getattr(thing, name, None))]
    if missing:
        raise ConfigurationError(f'{what} has no method {", ".join(missing)}. It needs '
                                 f'{", ".join(names)}')


def observation_of(value: object) -> RobotObservation:
    """
    Return what a connector has observed, whichever way it says it.

    :raises StepFailed: when it has no state of finite numbers.
    """
    fields = {name: _field(value, name) for name in ('state', 'cameras', 'task', 'extra')}
    state = fields['state']
    try:
        numbers = [float(number) for number in state if state is not None]
    except (TypeError, ValueError) as exc:
        raise StepFailed(f'the state of an observation must be a list of numbers, got '
                         f'{_shown(state)}') from exc
    if not all(map(math.isfinite, numbers)):
        raise StepFailed(f'the state of an observation holds a value that is not finite: '
                         f'{_shown(numbers)}')
    return RobotObservation(numbers, dict(fields['cameras'] or {}), str(fields['task'] or ''),
                            dict(fields['extra'] or {}))


def action_of(value: object) -> RobotAction:
    """
    Return what a policy has answered, whichever way it says it.

    :raises StepFailed: when it has no rows of finite numbers.
    """
    if isinstance(value, RobotAction):
        return value
    metadata = _field(value, 'metadata')
    return RobotAction(_field(value, 'actions'), metadata if isinstance(metadata, Mapping) else {})


def server_infer_ms(metadata: Mapping[str, Any]) -> float | None:
    """Return how long the policy has computed [ms], wherever the answer says it; None: nowhere."""
    raw = metadata.get('raw')
    timing = metadata.get('timing')
    for place in (timing, metadata, raw):
        if isinstance(place, Mapping):
            for name in ('server_infer_ms', 'infer_ms', 'dt_ms', 'server_dt_ms'):
                value = place.get(name)
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    return float(value)
    return None


def _field(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _rows(value: Any) -> list[list[float]]:
    if hasattr(value, 'tolist'):
        # An array.
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or not value:
        raise StepFailed(f'the actions of an answer must be rows of numbers, got {_shown(value)}')
    rows = [list(row) if isinstance(row, (list, tuple)) else row for row in value]
    if not isinstance(rows[0], list):
        # One row.
        rows = [rows]
    try:
        rows = [[float(number) for number in row] for row in rows]
    except (TypeError, ValueError) as exc:
        raise StepFailed(f'the actions of an answer must be rows of numbers: {exc}') from exc
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        raise StepFailed('the actions of an answer are rows of different lengths')
    if not all(math.isfinite(number) for row in rows for number in row):
        raise StepFailed('the actions of an answer hold a value that is not finite')
    return rows


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f'{text[:77]}...'
