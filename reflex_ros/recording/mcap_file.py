# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
An MCAP file that is whole on disk after every commit, however its program ends.

A usual writer puts the index at the end when it closes the file; when the program is killed, there
is none, and most readers refuse the file. Here every commit writes the index behind the data, and
the next one writes over it, both in one call to the system. So a kill costs what was not yet
committed. A kill in the middle of that call (a thousandth of the time, at most) can tear the end:
``reader.repair`` makes such a file whole again.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import struct
from typing import Any

from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.message_types import definition

CHUNK_BYTES = 4 * 1024 * 1024
_SUMMARY_START = -28
"""Where the footer, at the end of a file, says where the summary starts."""
_DATA_END_BYTES = 13
LIBRARY = 'reflex_ros'


class McapFile:
    """
    A recording that grows. Not thread-safe.

    :param path: new file; only this user may read it.
    :param about: what the recording is of; a metadata record named ``reflex``.
    :raises ConfigurationError: when the library mcap is missing.
    :raises OSError: when the file cannot be made.
    """

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        writer = require_mcap()
        self.path = path
        self.messages = 0
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._tail = _Tail(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
                                   0o600))
        # Pictures are compressed already, and the rest is small: no time for a compressor.
        self._writer = writer.Writer(
            self._tail, chunk_size=CHUNK_BYTES, compression=writer.CompressionType.NONE,
            use_summary_offsets=False)
        self._writer.start(profile='ros2', library=LIBRARY)
        self.describe('reflex', about)
        try:
            self.commit()
        except OSError:
            self.abandon()
            path.unlink(missing_ok=True)
            raise

    @property
    def size(self) -> int:
        """Bytes of the file, including what is not committed yet."""
        return self._tail.tell()

    def write(self, topic: str, kind: str, stamp_ns: int, data: bytes, *,
              text: str = '') -> None:
        """
        Add a message.

        :param kind: type of the message, such as ``sensor_msgs/msg/JointState``.
        :param stamp_ns: when it was received [ns since the epoch].
        :param data: the message in CDR, as ROS 2 sends it.
        :param text: its definition; by default that of ``message_types``.
        """
        channel = self._channels.get(topic)
        if channel is None:
            channel = self._channels[topic] = self._add_channel(topic, kind, text)
        self._writer.add_message(channel, stamp_ns, data, stamp_ns)
        self.messages += 1

    def describe(self, name: str, values: Mapping[str, str]) -> None:
        """Add a metadata record."""
        self._writer.add_metadata(name, dict(values))

    def commit(self) -> None:
        """Make the file whole with everything that was written so far."""
        self._writer.finish()
        self._tail.commit()

    def close(self) -> None:
        """Commit, and close the file; may be called twice."""
        if self._tail.is_open:
            try:
                self.commit()
            finally:
                self._tail.close()

    def abandon(self) -> None:
        """Close the file as the last commit left it, because it cannot be written."""
        if self._tail.is_open:
            self._tail.close()

    def _add_channel(self, topic: str, kind: str, text: str) -> int:
        schema = self._schemas.get(kind)
        if schema is None:
            schema = self._schemas[kind] = self._writer.register_schema(
                kind, 'ros2msg', (text or definition(kind)).encode())
        return int(self._writer.register_channel(topic, 'cdr', schema))


class _Tail:
    """
    What the writer of the library writes to: a file whose end is written again and again.

    :param file: open file descriptor, at its beginning.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._start = 0
        self._pending = bytearray()
        self.is_open = True

    def write(self, data: bytes) -> int:
        self._pending += data
        return len(data)

    def tell(self) -> int:
        return self._start + len(self._pending)

    def commit(self) -> None:
        """Write what is pending; its last part, the index, stays to be written over."""
        done = 0
        with memoryview(self._pending) as view:
            while done < len(view):
                done += os.pwrite(self._file, view[done:], self._start + done)
        (summary_start,) = struct.unpack_from('<Q', self._pending,
                                              len(self._pending) + _SUMMARY_START)
        self._start, self._pending = summary_start - _DATA_END_BYTES, bytearray()

    def close(self) -> None:
        os.close(self._file)
        self.is_open = False


def require_mcap() -> Any:
    """
    Return the module ``mcap.writer``.

    :raises ConfigurationError: when it is not installed.
    """
    try:
        import mcap.writer
    except ImportError as exc:
        raise ConfigurationError('recordings need the library mcap. Install it: '
                                 "pip install 'reflex_ros[record]'") from exc
    return mcap.writer
