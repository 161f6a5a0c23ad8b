# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Dataclasses <-> ``diagnostic_msgs/DiagnosticStatus``: beats, permits and the safety state.

The pairs of a status are what ``domain.key_values`` makes of the fields. Entries of
``/diagnostics`` are for people: their values are only written, never read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from reflex_ros.domain import key_values

Value = TypeVar('Value')


def encode(name: str, value: object, *, level: bytes = DiagnosticStatus.OK, message: str = '',
           with_empty: bool = True) -> DiagnosticStatus:
    """
    Make the status of a dataclass.

    :param with_empty: whether an empty text has a pair too. A pair costs each reader, so beats,
        which go out tens of times a second, leave them out.
    """
    return _status(name, key_values.encode(value, with_empty=with_empty), level, message, '')


def decode(kind: type[Value], message: DiagnosticStatus) -> Value:
    """
    Read a dataclass; what is missing, or does not fit its type, has its default.

    Never raises, whatever the message holds: anybody may publish there.
    """
    return key_values.decode(kind, pairs(message))


def decode_complete(kind: type[Value], message: DiagnosticStatus) -> Value | None:
    """Read a dataclass; return None when a value is missing or does not fit."""
    return key_values.decode_complete(kind, pairs(message))


def pairs(message: DiagnosticStatus) -> dict[str, str]:
    """Read the pairs of a status as they are."""
    return {pair.key: pair.value for pair in message.values}


def entry(name: str, values: Mapping[str, object], *, level: bytes = DiagnosticStatus.OK,
          message: str = '', hardware_id: str = '') -> DiagnosticStatus:
    """Make an entry of ``/diagnostics``; numbers have at most four decimals."""
    texts = {key: key_values.to_text(value) for key, value in values.items()}
    return _status(name, texts, level, message, hardware_id)


def _status(name: str, texts: Mapping[str, str], level: bytes, message: str,
            hardware_id: str) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware_id,
        values=[KeyValue(key=key, value=text) for key, text in texts.items()])
