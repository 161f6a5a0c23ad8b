# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The files of the stops: one for each, but few when stops repeat.

A mistake can latch ten stops a second. A stop that repeats within a minute is only counted, in the
text of the file that is there, and the cause with the most files gives way to new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import logging
from pathlib import Path
import time

from reflex_ros.recording.mcap_file import McapFile
from reflex_ros.recording.places import new_file, SUFFIX

_log = logging.getLogger(__name__)

KEPT = 100
SAME_CAUSE_S = 60.0
"""A stop with the cause of a file that is no older gets no file of its own [s]."""
MOST_PER_MINUTE = 5
"""Files of all causes together."""


@dataclass
class _Open:
    """
    A file whose text can still change.

    :param written_at: monotonic [s].
    :param repeats: stops with the same cause that came after it.
    :param others: stops with other causes that have no file.
    """

    file: McapFile
    about: Mapping[str, str]
    written_at: float
    repeats: int = 0
    others: int = 0
    until: str = ''
    is_told: bool = True

    def text(self) -> str:
        times = f'{self.repeats + 1} times until {self.until} UTC' if self.repeats else ''
        others = f'then {self.others} stops with other causes' if self.others else ''
        return '; '.join(filter(None, (self.about.get('text'), times, others)))


class StopFiles:
    """
    Writes the files of stops. Not thread-safe.

    :param folder: of the files; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By their causes, the newest one last; none is older than a minute.
        self._open: dict[str, _Open] = {}

    def write(self, about: Mapping[str, str], at_ns: int,
              add_messages: Callable[[McapFile], None]) -> Path | None:
        """
        Write the file of a stop, or count the stop in a file that is there.

        :param about: what the file says of itself; ``code`` is the cause.
        :param at_ns: instant of the stop [ns since the epoch].
        :param add_messages: adds the messages to the new file.
        :returns: the new file; None if the stop was counted.
        :raises OSError: when it cannot be written.
        """
        self.update()
        code = about.get('code', 'stop')
        if (same := self._open.get(code)) is not None:
            same.repeats += 1
            same.until, same.is_told = time.strftime('%H:%M:%S', time.gmtime(at_ns / 1e9)), False
            if same.repeats == 1:
                _log.warning('the stop with the cause %s repeats: for a minute it is only counted,'
                             ' in %s', code, same.file.path.stem)
            return None
        if len(self._open) >= MOST_PER_MINUTE:
            newest = list(self._open.values())[-1]
            newest.others += 1
            newest.is_told = False
            return None
        file = McapFile(new_file(self._folder, code, at_ns), about)
        try:
            add_messages(file)
            file.commit()
        except BaseException:
            file.close()
            raise
        self._open[code] = _Open(file, about, time.monotonic())
        self._remove_oldest()
        return file.path

    def update(self) -> None:
        """
        Write the counts into the open files, and close the files that are a minute old.

        :raises OSError: when a file cannot be written.
        """
        for code, one in list(self._open.items()):
            if time.monotonic() - one.written_at >= SAME_CAUSE_S:
                del self._open[code]
                self._tell(one)
                one.file.close()
            elif not one.is_told:
                self._tell(one)

    def close(self) -> None:
        """
        Close all files; may be called twice.

        :raises OSError: when a file cannot be written.
        """
        while self._open:
            _, one = self._open.popitem()
            self._tell(one)
            one.file.close()

    def _tell(self, one: _Open) -> None:
        if one.is_told:
            return
        one.is_told = True
        try:
            # A later record of the same name counts.
            one.file.describe('reflex', {**one.about, 'text': one.text()})
            one.file.commit()
        except OSError:
            one.file.abandon()
            raise

    def _remove_oldest(self) -> None:
        """Keep 100 files: of the cause with the most of them, the oldest one goes."""
        files = sorted(self._folder.glob(f'*{SUFFIX}'))
        while len(files) > KEPT:
            numbers = Counter(map(_cause, files))
            most = max(numbers.values())
            oldest = next(file for file in files if numbers[_cause(file)] == most)
            files.remove(oldest)
            oldest.unlink(missing_ok=True)


def _cause(file: Path) -> str:
    """Return the cause in the name of a file."""
    return file.stem.split('_')[1] if '_' in file.stem else ''
