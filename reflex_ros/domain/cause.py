# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why something stopped or was refused: a fault code and what happened this time."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.domain.fault_code import FaultCode, Reaction
from reflex_ros.errors import ReflexError


def one_line(text: str) -> str:
    """Return a text as one line that a terminal may show: anybody on the graph may send texts."""
    if text.isprintable():
        return text
    return ''.join(char if char.isprintable() else ' ' for char in text)


@dataclass(frozen=True, slots=True)
class Cause:
    """
    A fault that happened.

    :param text: what happened this time, in one line for a person. Line breaks and control
        characters become blanks.
    """

    code: FaultCode
    text: str

    def __post_init__(self) -> None:
        """Make the text one line."""
        object.__setattr__(self, 'text', one_line(self.text))

    @classmethod
    def named(cls, name: str, text: str) -> Cause:
        """
        Make a cause from a code that came as text, from a file or a message.

        A name that is not in the table becomes INTERNAL; the text keeps the name.
        """
        if name in FaultCode.__members__:
            return cls(FaultCode[name], text)
        return cls(FaultCode.INTERNAL, f'unknown fault code {name!r:.40}: {text}')

    def as_told(self) -> Cause:
        """
        Return the cause as the driver and the supervisor use it when another node tells it.

        Only the driver knows that the arm is too hot. A code that would move the arm to its rest
        pose is a plain stop when anybody else names it.
        """
        moves = self.code.row.reaction is Reaction.REST
        return Cause(FaultCode.OP_STOP, str(self)) if moves else self

    def __str__(self) -> str:
        return f'{self.code.name}: {self.text}'


class ChunkRejected(ReflexError):
    """
    An action chunk must not be played.

    :param code: the first check that failed (BAD_NUMBER, BAD_SHAPE, RANGE, JUMP, ...).
    """

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code
