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
from rclpy.serialization import deserialize_message

from reflex_ros.domain import key_values

Value = TypeVar('Value')


def encode(name: str, value: object, *, level: bytes = DiagnosticStatus.OK, message: str = '',
           with_empty: bool = True) -> DiagnosticStatus:
    """
    Make the status of a dataclass.

    :param with_empty: whether an empty text has a pair too. Beats leave them out: they are sent
        tens of times a second, and each pair costs time in every reader.
    """
    return _status(name, key_values.encode(value, with_empty=with_empty), level, message, '')


def decode(kind: type[Value], message: DiagnosticStatus) -> Value:
    """
    Read a dataclass. A field gets its default when it is missing or does not fit its type.

    Raises nothing, whatever the message holds: any program may publish there.
    """
    return key_values.decode(kind, pairs(message))


def decode_bytes(kind: type[Value], data: bytes) -> Value | None:
    """
    Read a dataclass from a serialized status; return None if the bytes are no such message.

    A subscription that is not raw drops such bytes in the middleware; a raw one passes them on.
    """
    try:
        return decode(kind, deserialize_message(data, DiagnosticStatus))
    except RuntimeError:
        return None


def decode_complete(kind: type[Value], message: DiagnosticStatus) -> Value | None:
    """Read a dataclass; return None if a value is missing or does not fit its type."""
    return key_values.decode_complete(kind, pairs(message))


def pairs(message: DiagnosticStatus) -> dict[str, str]:
    """Return the pairs of a status as they are; of two equal keys, the last one counts."""
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
