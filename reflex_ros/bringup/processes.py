# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Start processes, watch them, end them in order; leave nothing behind.

Each process has a session of its own, so that Ctrl-C reaches only us and we decide who ends
first; when we die ourselves, however that happens, the kernel ends them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
import contextlib
import json
import os
from pathlib import Path
import queue
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any

from reflex_ros.bringup.process_table import DIE_WITH_PARENT, Process, RESPAWN_DELAY_S
from reflex_ros.errors import ConfigurationError

READY_S = 10.0
END_S = 0.9
"""For each group: three of them end in less than 3 s, whatever hangs."""
CRASHES_PER_MINUTE = 3


class _Forking:
    """Knows which threads are starting a process; no lock, because a signal handler asks."""

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def __enter__(self) -> None:
        """Begin to start one."""
        self.threads.add(threading.get_ident())

    def __exit__(self, *exc: object) -> None:
        """Be done."""
        self.threads.discard(threading.get_ident())


_forking = _Forking()


def is_starting() -> bool:
    """Whether this thread is starting a process: no moment for a signal handler to raise."""
    return threading.get_ident() in _forking.threads


class Child:
    """
    One running process.

    :param log: file that takes its stderr, and its stdout unless ``on_line`` does.
    :param on_line: called in a thread of its own with each line of its stdout.
    """

    def __init__(self, process: Process, log: Path, *, namespace: str = '',
                 environment: dict[str, str] | None = None,
                 on_line: Callable[[str], None] | None = None) -> None:
        self.process = process
        self.log = log
        self._namespace = namespace
        self._environment = environment or {}
        self._on_line = on_line
        self._lock = threading.Lock()
        self.popen = self._start()
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.popen.pid

    def is_running(self) -> bool:
        """Whether it still runs."""
        return self.popen.poll() is None

    def restart(self) -> None:
        """Start it again; it must have ended."""
        self.close()
        self.popen = self._start()
        self.started_at = time.monotonic()

    def send(self, message: dict[str, object]) -> None:
        """Write one line of JSON to its stdin; a process that is gone does not take it."""
        assert self.popen.stdin is not None
        with self._lock:
            try:
                self.popen.stdin.write(json.dumps(message) + '\n')
                self.popen.stdin.flush()
            except (BrokenPipeError, ValueError):
                return

    def close(self) -> None:
        """Let go of its stdin; it must have ended."""
        if self.popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()

    def kill(self) -> None:
        """End it at once (SIGKILL), and wait until it is gone."""
        self.popen.kill()
        self.popen.wait()

    def note(self, text: str) -> None:
        """Append a line to the log file of the process."""
        with contextlib.suppress(OSError), self.log.open('a', encoding='utf-8') as log:
            log.write(f'reflex: {self.process.name}: {text}\n')

    def last_lines(self, count: int = 5) -> str:
        """Return the last lines of the log of the process."""
        try:
            with self.log.open(encoding='utf-8', errors='replace') as stream:
                return ''.join(deque(stream, count)).strip()
        except OSError:
            return ''

    def _start(self) -> subprocess.Popen[str]:
        # The key is in the environment, never among the arguments.
        environment = self.process.complete_environment({**os.environ, **self._environment})
        with self.log.open('a', encoding='utf-8') as log, _forking:
            popen = subprocess.Popen(
                [*DIE_WITH_PARENT, *self.process.command(self._namespace)], env=environment,
                text=True,
                stdin=subprocess.PIPE if self._on_line else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._on_line else log, stderr=log,
                start_new_session=True)
        if self._on_line is not None:
            threading.Thread(target=self._read, args=(popen, self._on_line), daemon=True).start()
        return popen

    @staticmethod
    def _read(popen: subprocess.Popen[str], on_line: Callable[[str], None]) -> None:
        assert popen.stdout is not None
        with popen.stdout as lines:
            for line in lines:
                on_line(line)


class ProcessGroup:
    """
    Some processes that live and end together.

    :param folder: takes one log file for each.
    :param environment: added to ours, for all of them.
    :raises ConfigurationError: when no file can be made in the folder.
    """

    def __init__(self, folder: Path, *, namespace: str = '',
                 environment: dict[str, str] | None = None) -> None:
        _make_folder(folder)
        self.folder = folder
        self.children: dict[str, Child] = {}
        self._namespace = namespace
        self._environment = environment or {}
        if not os.environ.get('ROS_LOG_DIR'):
            # Else each process would leave one more file in ~/.ros/log, for ever.
            self._environment = {'ROS_LOG_DIR': str(folder / 'ros'), **self._environment}
        self._crashes: dict[str, deque[float]] = {}
        self._ending = threading.Event()
        self.is_watching = True
        self.find_hung: Callable[[], Iterable[str]] = tuple
        """Names the processes that live and hang; called 20 times a second in the watching thread.
        They are killed, because what is stopped hears no other signal, and started again."""
        self.on_crash_loop: Callable[[str], None] = lambda _: None
        """Told once, in the watching thread, that a process ended too often to go on."""
        self._looping: set[str] = set()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self, process: Process, on_line: Callable[[str], None] | None = None) -> Child:
        """Start one process."""
        child = Child(process, self.folder / f'{process.name}.log', namespace=self._namespace,
                      environment=self._environment, on_line=on_line)
        self.children[process.name] = child
        if not self._watcher.is_alive():
            self._watcher.start()
        return child

    def start_ready(self, process: Process) -> dict[str, Any]:
        """
        Start a process that prints a line of JSON when it is ready; return that line.

        :raises ConfigurationError: when it ends, or is silent for 10 s, with its last words.
        """
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        child = self.start(process, lines.put)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and (child.is_running() or not lines.empty()):
            try:
                ready: dict[str, Any] = json.loads(lines.get(timeout=0.05))
            except queue.Empty:
                continue
            return ready
        raise ConfigurationError(f'{process.name} did not start: '
                                 f'{child.last_lines() or "no word from it"} (log {child.log})')

    def end(self, order: Sequence[Sequence[str]] = ()) -> list[str]:
        """
        End all with SIGINT, group after group; what is in no group ends with the first.

        :returns: names of those that had to be killed.
        """
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join(2.0)
        killed: list[str] = []
        named = {name for names in order for name in names}
        others = [name for name in self.children if name not in named]
        for index, names in enumerate(order or ((),)):
            group = [self.children[name] for name in (*names, *(others if not index else ()))
                     if name in self.children]
            for child in group:
                _signal(child, signal.SIGINT)
            _wait(group, END_S)
        for child in self.children.values():
            if child.is_running():
                killed.append(child.process.name)
                child.kill()
            child.close()
        return killed

    def forgive(self) -> None:
        """Forget the crashes so far: they were wanted."""
        self._crashes.clear()
        self._looping.clear()

    def _watch(self) -> None:
        while not self._ending.wait(0.05):
            for name in self.find_hung() if self.is_watching else ():
                if (hung := self.children.get(name)) is not None and hung.is_running():
                    hung.note('it hung, and was killed')
                    hung.kill()
            for child in list(self.children.values()):
                if self.is_watching and child.process.respawns and not child.is_running():
                    self._respawn(child)

    def _respawn(self, child: Child) -> None:
        crashes = self._crashes.setdefault(child.process.name, deque(maxlen=CRASHES_PER_MINUTE))
        now = time.monotonic()
        if len(crashes) == CRASHES_PER_MINUTE and now - crashes[0] < 60.0:
            # A person has to look at it.
            if child.process.name not in self._looping:
                self._looping.add(child.process.name)
                self.on_crash_loop(child.process.name)
            return
        if self._ending.wait(RESPAWN_DELAY_S):
            return
        crashes.append(now)
        child.restart()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Rights say nothing for root, or on a full disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise ConfigurationError(
            f'no log can be written to the folder {folder}: {exc.strerror}. Name another one with '
            '--logs, or leave the option out: then a temporary folder is used') from exc


def _signal(child: Child, number: int) -> None:
    if child.is_running():
        child.popen.send_signal(number)


def _wait(children: Sequence[Child], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for child in children:
        try:
            child.popen.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            continue
