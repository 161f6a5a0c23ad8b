# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Fields of a serialized ROS message, read without ROS.

A raw subscription delivers the bytes of a message. Most inputs are replaced by a newer one before
they are needed, so it would be a waste to unpack each; what is needed of every one stands at the
front.

The layout is CDR, OMG's Common Data Representation (DDS-XTypes 1.3, section 7.4); all middlewares
of ROS 2 use it. A number is aligned to its own size, counted from the end of the 4-byte header.
"""

from __future__ import annotations

import struct

from reflex_ros.errors import ReflexError

# Representation identifiers of plain CDR, version 1 and 2: byte order, and the largest alignment.
_KINDS = {0x0000: ('>', 8), 0x0001: ('<', 8), 0x0006: ('>', 4), 0x0007: ('<', 4)}
LONGEST_TEXT = 256


class DamagedMessage(ReflexError):
    """A message that does not hold what its type says; the text gives the reason."""


class CdrReader:
    """
    Reads one field after the other; never beyond the end.

    :param message: serialized.
    :raises DamagedMessage: when it is in another representation.
    """

    def __init__(self, message: bytes) -> None:
        view = memoryview(message)
        kind = _KINDS.get(int.from_bytes(view[:2], 'big')) if len(view) >= 4 else None
        if kind is None:
            raise DamagedMessage('the message is not plain CDR: it begins with '
                                 f'{bytes(view[:4]).hex() or "nothing"}')
        self._order, self._largest_alignment = kind
        self._body = view[4:]
        self._at = 0

    @property
    def offset(self) -> int:
        """Where in the message the next field begins, before it is aligned [bytes]."""
        return 4 + self._at

    def header(self) -> int:
        """Read a ``std_msgs/msg/Header``; return its stamp [ns]."""
        seconds, nanoseconds = self._unpack('iI', 4)
        self.text()
        return int(seconds) * 10 ** 9 + int(nanoseconds)

    def number(self) -> int:
        """Read a ``uint32``."""
        return int(self._unpack('I', 4)[0])

    def byte(self) -> int:
        """Read a ``uint8``."""
        return self.view(1)[0]

    def text(self) -> str:
        """
        Read a string; its length counts the zero at its end.

        :raises DamagedMessage: when it is longer than a name can be.
        """
        raw = self.view(self.number())
        if len(raw) > LONGEST_TEXT:
            raise DamagedMessage(f'the message has a text of {len(raw)} bytes in place of a name')
        return bytes(raw).rstrip(b'\0').decode('utf-8', 'replace')

    def texts(self) -> tuple[str, ...]:
        """Read a sequence of strings."""
        count = self.number()
        if count > len(self._body):
            raise DamagedMessage(f'the message claims {count} names in {len(self._body)} bytes')
        return tuple(self.text() for _ in range(count))

    def doubles(self) -> tuple[float, ...]:
        """Read a sequence of ``float64``."""
        count = self.number()
        return self._unpack(f'{count}d', 8, 8 * count) if count else ()

    def bytes(self) -> memoryview:
        """Read a sequence of ``uint8``; a view into the message."""
        return self.view(self.number())

    def view(self, length: int) -> memoryview:
        """
        Return the next bytes.

        :raises DamagedMessage: when there are not as many.
        """
        end = self._at + length
        if end > len(self._body):
            raise DamagedMessage(f'the message ends early: {len(self._body)} bytes, {end} '
                                 'expected')
        self._at, begin = end, self._at
        return self._body[begin:end]

    def _unpack(self, fields: str, size: int, length: int = 0) -> tuple[float, ...]:
        self._at += -self._at % min(size, self._largest_alignment)
        return struct.unpack(self._order + fields, self.view(length or size * len(fields)))
