# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The recorder: a thread that writes messages to files, and keeps the last seconds for a stop.

It never delays anybody: ``put`` only appends to a queue, and when the disk does not keep up,
messages are dropped and counted, in the file too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import logging
import os
from pathlib import Path
import threading
import time
from typing import NamedTuple

from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.recording.mcap_file import McapFile, require_mcap
from reflex_ros.recording.places import make_private, new_file, stops_folder
from reflex_ros.recording.stop_files import StopFiles

_log = logging.getLogger(__name__)

MODES = ('runs', 'always', 'off')
COMMIT_S = 0.5
"""A killed program loses at most this much, and what came meanwhile."""
AFTER_STOP_S = 1.0
"""A stop's file also shows how the arm came to rest."""
BEFORE_RUN_S = 2.0
END_S = 10.0
RETRY_S = 10.0
"""After a write that failed."""
MB = 1_000_000
SMALL = 300
"""About the size of a message of joints [bytes]."""


@dataclass(frozen=True)
class RecorderSettings:
    """
    What is kept, and the limits.

    :param folder: folder of the recordings.
    :param mode: ``off``, ``runs`` (while actions are applied) or ``always``. In every mode a stop
        writes its last seconds.
    :param before_stop_s: how long before a stop its file begins [s].
    :param queue_mb: most bytes that wait for the disk [MB]; then messages are dropped.
    :param ring_mb: most bytes of the last seconds that are kept in memory [MB].
    :param part_s: a longer recording goes on in another file [s], because the index that is
        written with every commit grows with its file.
    :param warn_free_mb: less free space is a warning [MB].
    :param min_free_mb: with less free space nothing is recorded [MB].
    """

    folder: Path
    mode: str = 'runs'
    before_stop_s: float = 10.0
    queue_mb: float = 64.0
    ring_mb: float = 128.0
    part_s: float = 600.0
    warn_free_mb: float = 2000.0
    min_free_mb: float = 500.0


@dataclass(frozen=True)
class RecorderStatus:
    """
    What the recorder does.

    :param file: file that is written now; empty when none is.
    :param messages: written since the start.
    :param written: bytes since the start.
    :param dropped: messages that were lost because the disk did not keep up.
    :param problem: why nothing can be recorded; empty when all is well.
    :param warning: what will soon be a problem.
    """

    file: str = ''
    messages: int = 0
    written: int = 0
    dropped: int = 0
    problem: str = ''
    warning: str = ''


class _Message(NamedTuple):
    topic: str
    kind: str
    stamp_ns: int
    data: bytes | Callable[[], bytes]
    text: str
    size: int


@dataclass
class _Stop:
    due: float
    at_ns: int
    about: dict[str, str] = field(default_factory=dict)


class Recorder:
    """
    Records messages in CDR.

    ``put``, ``set_running`` and ``stopped`` may be called from any thread.

    :param about: what every file says of this robot and program.
    :raises ConfigurationError: when the library mcap is missing, or the folder cannot be used.
    """

    def __init__(self, settings: RecorderSettings, about: Mapping[str, str]) -> None:
        require_mcap()
        make_private(settings.folder)
        make_private(stops_folder(settings.folder))
        self._settings = settings
        self._about = dict(about)
        self._lock = threading.Condition()
        self._waiting: deque[_Message] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._is_running = settings.mode == 'always'
        self._is_ending = False
        self._stops: deque[_Stop] = deque()
        self._stop_files = StopFiles(stops_folder(settings.folder))
        # Below: the thread's own.
        self._ring: deque[_Message] = deque()
        self._ring_bytes = 0
        self._file: McapFile | None = None
        self._part_ends = self._retry_at = 0.0
        self._newest_ns = 0
        self._dropped_in_file = 0
        self._messages = self._written = 0
        self._problem = self._warning = ''
        self._thread = threading.Thread(target=self._run, name='recorder', daemon=True)
        self._thread.start()

    def put(self, topic: str, kind: str, stamp_ns: int, data: bytes | Callable[[], bytes], *,
            text: str = '', size: int = 0) -> None:
        """
        Keep a message, as ``McapFile.write``; never blocks.

        :param data: the message in CDR, or what makes it, in the recorder's thread.
        :param size: about how many bytes that will be.
        """
        size = len(data) if isinstance(data, bytes) else size or SMALL
        with self._lock:
            if self._waiting_bytes + size > self._settings.queue_mb * MB:
                self._dropped += 1
                return
            self._waiting.append(_Message(topic, kind, stamp_ns, data, text, size))
            self._waiting_bytes += size

    def set_running(self, is_running: bool) -> None:
        """Say whether actions are applied; matters in the mode ``runs``."""
        if self._settings.mode == 'runs':
            with self._lock:
                self._is_running = is_running

    def stopped(self, about: Mapping[str, str]) -> None:
        """
        Write the last seconds to a file of their own, a second from now.

        A stop that repeats soon is counted in the file of the first one.

        :param about: the cause; ``code`` is a part of the file's name.
        """
        with self._lock:
            self._stops.append(_Stop(time.monotonic() + AFTER_STOP_S, time.time_ns(), dict(about)))

    def status(self) -> RecorderStatus:
        """Return what the recorder does; never blocks for long."""
        file = self._file
        return RecorderStatus('' if file is None else str(file.path), self._messages,
                              self._written, self._dropped, self._problem, self._warning)

    def close(self) -> None:
        """Write what waits, for 10 s at most; may be called twice."""
        with self._lock:
            self._is_ending = True
            self._lock.notify()
        self._thread.join(END_S)

    # In the recorder's thread.

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._is_ending:
                    self._lock.wait(COMMIT_S)
                batch, self._waiting = self._waiting, deque()
                self._waiting_bytes = 0
                is_running, is_ending, dropped = self._is_running, self._is_ending, self._dropped
            try:
                self._write(batch, dropped, is_running, is_ending)
            except (OSError, ReflexError) as exc:
                self._fail(exc)
            self._write_stops(is_ending)
            if is_ending:
                return

    def _write(self, batch: deque[_Message], dropped: int, is_running: bool,
               is_ending: bool) -> None:
        batch = deque(message._replace(data=message.data()) if callable(message.data) else message
                      for message in batch)
        for message in batch:
            self._remember(message)
        if time.monotonic() < self._retry_at:
            return
        self._check_disk()
        if self._problem:
            self._end_file()
            return
        if self._file is not None:
            for message in batch:
                self._add(self._file, message)
        elif is_running:
            self._file = self._begin_file()
        if self._file is None:
            return
        if dropped != self._dropped_in_file:
            self._dropped_in_file = dropped
            self._file.describe('dropped', {'messages': str(dropped)})
        self._file.commit()
        if is_ending or not is_running or time.monotonic() > self._part_ends:
            self._end_file()

    def _begin_file(self) -> McapFile:
        now_ns = time.time_ns()
        file = McapFile(new_file(self._settings.folder, self._about.get('name', 'run'),
                                 now_ns), self._about)
        self._part_ends = time.monotonic() + self._settings.part_s
        self._dropped_in_file = self._dropped
        _log.info('recording to %s (on this machine only)', file.path)
        # After the last message of the file before; several may have one stamp.
        since_ns = max(now_ns - BEFORE_RUN_S * 1e9, self._newest_ns)
        for message in self._ring:
            if message.stamp_ns > since_ns:
                self._add(file, message)
        return file

    def _end_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
            _log.info('recorded: %s', file.path)

    def _add(self, file: McapFile, message: _Message) -> None:
        _write(file, message)
        self._newest_ns = max(self._newest_ns, message.stamp_ns)
        self._messages += 1
        self._written += message.size

    def _remember(self, message: _Message) -> None:
        ring = self._ring
        ring.append(message)
        self._ring_bytes += message.size
        oldest = message.stamp_ns - (self._settings.before_stop_s + 2 * AFTER_STOP_S) * 1e9
        while ring and (ring[0].stamp_ns < oldest
                        or self._ring_bytes > self._settings.ring_mb * MB):
            self._ring_bytes -= ring.popleft().size

    def _write_stops(self, is_ending: bool) -> None:
        while self._stops and (is_ending or time.monotonic() >= self._stops[0].due):
            stop = self._stops.popleft()
            try:
                self._write_stop(stop)
            except (OSError, ReflexError) as exc:
                _log.warning('the file of the stop is not written: %s', _reason(exc))
        try:
            if is_ending:
                self._stop_files.close()
            else:
                self._stop_files.update()
        except OSError as exc:
            _log.warning('how often a stop came is not written: %s', _reason(exc))

    def _write_stop(self, stop: _Stop) -> None:
        def add_messages(file: McapFile) -> None:
            for message in self._ring:
                if message.stamp_ns >= stop.at_ns - self._settings.before_stop_s * 1e9:
                    _write(file, message)

        path = self._stop_files.write(
            {**self._about, **stop.about, 'stopped_at_ns': str(stop.at_ns)}, stop.at_ns,
            add_messages)
        if path is not None:
            _log.info('the last %g s before the stop: `reflex stops show %s`',
                      self._settings.before_stop_s, path.stem)

    def _check_disk(self) -> None:
        """Compare the free space with the limits."""
        found = os.statvfs(self._settings.folder)
        free_mb = found.f_bavail * found.f_frsize / MB
        where = f'{free_mb:.0f} MB are free in {self._settings.folder}'
        problem = warning = ''
        if free_mb < self._settings.min_free_mb:
            problem = f'nothing is recorded: {where}. Free some, or record to another folder'
        elif free_mb < self._settings.warn_free_mb:
            warning = (f'{where}; below {self._settings.min_free_mb:.0f} MB the recording ends')
        if problem and problem[:8] != self._problem[:8]:
            _log.error('%s', problem)
        self._problem, self._warning = problem, warning

    def _fail(self, exc: Exception) -> None:
        """Say that recording is not possible now; it is tried again with the next messages."""
        problem = f'nothing is recorded: {_reason(exc)}'
        if problem != self._problem:
            _log.error('%s', problem)
        self._problem = problem
        self._retry_at = time.monotonic() + RETRY_S
        file, self._file = self._file, None
        if file is not None:
            file.abandon()


def _write(file: McapFile, message: _Message) -> None:
    assert isinstance(message.data, bytes)
    file.write(message.topic, message.kind, message.stamp_ns, message.data, text=message.text)


def _reason(exc: Exception) -> str:
    return str(exc) if isinstance(exc, ConfigurationError) else getattr(
        exc, 'strerror', None) or str(exc)
