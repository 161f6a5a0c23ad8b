# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the commands of a user: bounded in time and output, without the API key, and never by a shell.

A command that takes too long is ended with everything that it started in its process group.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time

from reflex_ros.domain import secret_variables
from reflex_ros.errors import ConfigurationError, ReflexError

MAX_OUTPUT = 32 * 2 ** 20
"""Most bytes of one answer: three pictures of 4 MB, as base64, and room."""
KEPT_ERRORS = 2000
"""Bytes of stderr that are kept, from its end."""
GRACE_S = 0.2
"""Time between SIGTERM and SIGKILL [s]."""
BLOCK = 65536


class CommandError(ReflexError, RuntimeError):
    """A command failed, took too long, or wrote what cannot be used."""


def split(command: str | Sequence[str]) -> list[str]:
    """
    Split a command into its arguments as a shell would, without running one.

    :raises CommandError: for an empty command.
    :raises ConfigurationError: for a quotation that does not end.
    """
    if isinstance(command, str):
        try:
            argv = shlex.split(command)
        except ValueError as exc:
            raise ConfigurationError(f'command {command!r}: {exc}') from exc
    else:
        argv = list(map(str, command))
    if not argv or not argv[0]:
        raise CommandError('command must not be empty')
    return argv


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group; blocks for 0.2 s at most when they do not end by SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if number is signal.SIGTERM:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
    process.wait()


def start(argv: Sequence[str], name: str) -> subprocess.Popen[bytes]:
    """
    Start a command in a process group of its own.

    :param name: what it is for, for errors.
    :raises CommandError: when it cannot be started.
    """
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=secret_variables.without(os.environ), start_new_session=True, bufsize=0)
    except OSError as exc:
        raise CommandError(f'The {name} command cannot be started: {exc.strerror}: {argv[0]}. '
                           'Check its path, and that it may be executed') from exc


def run(argv: Sequence[str], content: bytes, timeout_s: float, name: str) -> bytes:
    """
    Run a command to its end and return what it wrote to stdout.

    :param content: what it reads from stdin.
    :param timeout_s: longest time for all of it [s]; 0 or less: none.
    :param name: what it is for, for errors.
    :raises CommandError: when it cannot be started, fails, takes too long or writes too much.
    """
    process = start(argv, name)
    try:
        output, errors = _exchange(process, content, _Deadline(timeout_s), argv, name)
    except BaseException:
        # Ctrl-C too: the command may be moving the robot.
        end_group(process)
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    if process.returncode:
        said = (errors.strip() or output[-KEPT_ERRORS:].strip()).decode(errors='replace')
        raise CommandError(f'The {name} command failed ({process.returncode}): '
                           f'{said or "it wrote nothing"}')
    return output


class _Deadline:
    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s if timeout_s > 0.0 else None

    @property
    def left_s(self) -> float | None:
        return None if self._at is None else max(self._at - time.monotonic(), 0.0)

    def error(self, argv: Sequence[str], name: str) -> CommandError:
        return CommandError(
            f'The {name} command timed out after {float(self.timeout_s)}s: {argv[0]}. Measure '
            f'how long it takes; raise {"safe_stop" if name == "safe stop" else "command"}'
            '_timeout_s only if it cannot be faster')


def _exchange(process: subprocess.Popen[bytes], content: bytes, deadline: _Deadline,
              argv: Sequence[str], name: str) -> tuple[bytes, bytes]:
    """Write stdin and read stdout and stderr until the process has ended."""
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None and stdout is not None and stderr is not None
    output, errors, written = bytearray(), bytearray(), 0
    with selectors.DefaultSelector() as selector:
        for pipe in (stdin, stdout, stderr):
            os.set_blocking(pipe.fileno(), False)
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        selector.register(stderr, selectors.EVENT_READ)
        while {stdout, stderr} & {key.fileobj for key in selector.get_map().values()}:
            left_s = deadline.left_s
            if left_s == 0.0:
                raise deadline.error(argv, name)
            ready = selector.select(0.02 if left_s is None else min(left_s, 0.02))
            for key, _ in ready:
                if key.fileobj is stdin:
                    try:
                        written += os.write(stdin.fileno(), content[written:written + BLOCK])
                    except BrokenPipeError:
                        written = len(content)
                    if written >= len(content):
                        selector.unregister(stdin)
                        stdin.close()
                    continue
                data = os.read(key.fd, BLOCK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is stdout:
                    output += data
                    if len(output) > MAX_OUTPUT:
                        raise CommandError(f'The {name} command wrote more than {MAX_OUTPUT} '
                                           f'bytes: {argv[0]}. Send smaller pictures')
                else:
                    errors = (errors + data)[-KEPT_ERRORS:]
            if not ready and process.poll() is not None:
                # It has ended; what it started in the background may keep the pipes open.
                break
    try:
        process.wait(deadline.left_s)
    except subprocess.TimeoutExpired:
        raise deadline.error(argv, name) from None
    return bytes(output), bytes(errors)


class LineProcess:
    """
    A command that runs for the whole session and exchanges lines.

    :param name: what it is for, for errors.
    """

    def __init__(self, argv: Sequence[str], name: str) -> None:
        self._argv = list(argv)
        self._name = name
        self._process = start(argv, name)
        self._lines: deque[tuple[float, bytes]] = deque(maxlen=1)
        self._errors = b''
        self._changed = threading.Condition()
        self._is_over = False
        self._problem = ''
        self._threads = [threading.Thread(target=job, name=f'{name} {what}', daemon=True)
                         for job, what in ((self._read, 'lines'), (self._read_errors, 'errors'))]
        for thread in self._threads:
            thread.start()
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)

    def ask(self, content: bytes, timeout_s: float, *, may_skip: bool = False) -> bytes:
        """
        Send a line, and return the newest line that has come and was not returned before.

        A process that writes without being asked is read in the same way: a line that waits longer
        than ``timeout_s`` is too old, and the next one is waited for.

        :param may_skip: whether the process may leave unread what it is sent.
        :raises CommandError: when no line comes in time, or the process has ended.
        """
        deadline = _Deadline(timeout_s)
        self._send(content + b'\n', deadline, may_skip=may_skip)
        with self._changed:
            while True:
                if self._lines:
                    at, line = self._lines.pop()
                    if timeout_s <= 0.0 or time.monotonic() - at <= timeout_s:
                        return line
                if self._is_over:
                    raise CommandError(self._last_words())
                if deadline.left_s == 0.0:
                    raise deadline.error(self._argv, self._name)
                self._changed.wait(deadline.left_s)

    def end(self) -> None:
        """Close its stdin, then end it and its group; blocks for a second at most."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(3 * GRACE_S)
        end_group(self._process)
        for thread in self._threads:
            thread.join(GRACE_S)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _send(self, content: bytes, deadline: _Deadline, *, may_skip: bool) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        while content:
            try:
                content = content[os.write(pipe.fileno(), content[:BLOCK]):]
            except BlockingIOError:
                if may_skip:
                    return
                if deadline.left_s == 0.0:
                    raise deadline.error(self._argv, self._name) from None
                time.sleep(0.002)
            except (BrokenPipeError, ValueError):
                return

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        held = bytearray()
        while data := os.read(stdout.fileno(), BLOCK):
            held += data
            *whole, rest = held.split(b'\n')
            held = bytearray(rest)
            with self._changed:
                for line in whole:
                    if line.strip():
                        self._lines.append((time.monotonic(), bytes(line)))
                if len(held) > MAX_OUTPUT:
                    self._problem = f'wrote a line of more than {MAX_OUTPUT} bytes'
                    break
                self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _read_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while data := os.read(stderr.fileno(), BLOCK):
            self._errors = (self._errors + data)[-KEPT_ERRORS:]

    def _last_words(self) -> str:
        if self._problem:
            return f'The {self._name} command {self._problem}: {self._argv[0]}'
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._threads[1].join(GRACE_S)
        said = self._errors.strip().decode(errors='replace')
        return (f'The {self._name} command failed ({self._process.poll()}): '
                f'{said or "it has ended. With persistent: true it must run on"}')
