# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read recordings: what a file holds, its messages, and a file whose end is torn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
import contextlib
from dataclasses import dataclass
import os
from pathlib import Path
import struct
from typing import Any
import zlib

from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.mcap_file import McapFile, require_mcap

ABOUT = 'reflex'
END = struct.Struct('<QQI8s')
"""The last bytes of a file: two places, the checksum of all from the summary on, magic."""
_CHECKED = 12
_TORN = (EOFError, KeyError, ValueError, AssertionError, struct.error, OSError)


@dataclass(frozen=True)
class Topic:
    """One topic of a recording: its type, and the number of its messages."""

    name: str
    kind: str
    messages: int


@dataclass(frozen=True)
class RecordingInfo:
    """
    What a recording holds, from its index.

    :param about: what the recorder said: robot, deployment, cause of a stop.
    :param dropped: messages that the disk could not keep up with.
    """

    path: Path
    size: int
    start_ns: int
    end_ns: int
    topics: tuple[Topic, ...]
    about: Mapping[str, str]
    dropped: int

    @property
    def seconds(self) -> float:
        """Time between the first and the last message [s]."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def messages(self) -> int:
        """Number of all messages."""
        return sum(topic.messages for topic in self.topics)


@dataclass(frozen=True)
class Recorded:
    """A message: ``value`` has the fields of the ROS message as attributes."""

    topic: str
    kind: str
    stamp_ns: int
    value: Any


def info(path: Path) -> RecordingInfo:
    """
    Read what a file holds; one whose end is torn is repaired first.

    :raises ConfigurationError: when the file cannot be read, or is no recording.
    """
    with _reader(path) as reader:
        summary = reader.get_summary()
        metadata = {entry.name: entry.metadata for entry in reader.iter_metadata()}
        statistics = summary.statistics
        counts = statistics.channel_message_counts
        return RecordingInfo(
            path, path.stat().st_size, statistics.message_start_time, statistics.message_end_time,
            tuple(sorted((Topic(channel.topic, summary.schemas[channel.schema_id].name,
                                counts.get(number, 0))
                          for number, channel in summary.channels.items()),
                         key=lambda topic: topic.name)),
            metadata.get(ABOUT, {}), int(metadata.get('dropped', {}).get('messages', 0)))


def messages(path: Path, topics: Collection[str] | None = None,
             kinds: Collection[str] | None = None) -> Iterator[Recorded]:
    """
    Yield the messages in the order of their times.

    :param topics: names; None: all.
    :param kinds: types; None: all. What is not asked for is not decoded.
    :raises ConfigurationError: as ``info``.
    """
    decoders = require_decoder()
    with _reader(path, decoders.DecoderFactory()) as reader:
        if kinds is not None:
            summary = reader.get_summary()
            topics = [channel.topic for channel in summary.channels.values()
                      if summary.schemas[channel.schema_id].name in kinds
                      and (topics is None or channel.topic in topics)]
            if not topics:
                # The library takes an empty list for all topics.
                return
        for schema, channel, message, value in reader.iter_decoded_messages(
                topics=None if topics is None else list(topics)):
            yield Recorded(channel.topic, schema.name, message.log_time, value)


def repair(path: Path) -> int:
    """
    Make a file whole whose end is torn; return the number of its messages.

    :raises ConfigurationError: when nothing in it can be read.
    """
    require_mcap()
    from mcap.exceptions import McapError
    from mcap.records import Channel, Message, Metadata, Schema
    from mcap.stream_reader import StreamReader

    fresh = path.with_name(f'.{path.name}.repaired')
    fresh.unlink(missing_ok=True)
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with path.open('rb') as stream, contextlib.closing(McapFile(fresh, {})) as file:
        try:
            for record in StreamReader(stream, validate_crcs=True).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Metadata):
                    file.describe(record.name, record.metadata)
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    schema = schemas[channel.schema_id]
                    file.write(channel.topic, schema.name, record.log_time, record.data,
                               text=schema.data.decode())
        except (McapError, *_TORN) as exc:
            if not file.messages:
                file.abandon()
                fresh.unlink()
                raise ConfigurationError(f'{path} is not a recording, or nothing in it can be '
                                         f'read ({exc})') from exc
        found = file.messages
    os.replace(fresh, path)
    return found


def require_decoder() -> Any:
    """
    Return the module ``mcap_ros2.decoder``.

    :raises ConfigurationError: when it is not installed.
    """
    try:
        import mcap_ros2.decoder
    except ImportError as exc:
        raise ConfigurationError('reading recordings needs the library mcap-ros2-support. Install '
                                 "it: pip install 'reflex_ros[record]'") from exc
    return mcap_ros2.decoder


@contextlib.contextmanager
def _reader(path: Path, *factories: Any) -> Iterator[Any]:
    require_mcap()
    from mcap.exceptions import McapError
    from mcap.reader import SeekingReader

    try:
        if not is_whole(path):
            repair(path)
        with path.open('rb') as stream:
            yield SeekingReader(stream, decoder_factories=factories)
    except OSError as exc:
        raise ConfigurationError(f'{path} cannot be read: {exc.strerror}. `reflex recordings '
                                 'list` shows what there is') from exc
    except McapError as exc:
        raise ConfigurationError(f'{path} is not a recording: {exc}') from exc


def is_whole(path: Path) -> bool:
    """Tell whether the index at the end of a file is complete, by its checksum."""
    from mcap.writer import MCAP0_MAGIC

    with path.open('rb') as stream:
        size = stream.seek(0, os.SEEK_END)
        if size < END.size:
            return False
        stream.seek(size - END.size)
        summary_start, _, checksum, magic = END.unpack(stream.read(END.size))
        if magic != MCAP0_MAGIC or not 0 < summary_start <= size - END.size:
            return False
        stream.seek(summary_start)
        summary = stream.read(size - _CHECKED - summary_start)
    return bool(zlib.crc32(summary) == checksum)
