# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A robot behind the commands of a user: observe, act, stop (protocol reference, section f.5).

A command is split as a shell would, and no shell runs. It reads one JSON object from stdin and
writes one to stdout. By default each call is a process of its own; with ``persistent: true`` the
observe and the action command run for the whole session, and exchange one line per step.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
import json
import shutil
from typing import Any

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import commands
from reflex_ros.runner.connect.commands import CommandError, LineProcess
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation

Command = str | list[str]
_KNOWN = ('state', 'images', 'cameras', 'task')


class SubprocessConnector:
    """
    A ``StepConnector`` made of commands.

    :param observe_command: writes ``{"state": [...], "images": {...}, "task": "..."}``; images as
        base64 JPEG, further fields go along.
    :param action_command: reads ``{"action_chunk": {"actions": [[...]]}}``; needed to apply
        actions.
    :param safe_stop_command: reads ``{"reason": "..."}``; always a process of its own.
    :param command_timeout_s: longest time for observe and action [s]; 0: none.
    :param safe_stop_timeout_s: longest time for the safe stop [s]; 0: none.
    :param persistent: whether observe and action run on and exchange lines.
    :raises ConfigurationError: when a command is missing or cannot be split.
    """

    def __init__(self, observe_command: Command, action_command: Command = '',
                 safe_stop_command: Command = '', command_timeout_s: float = 2.0,
                 safe_stop_timeout_s: float = 5.0, persistent: bool = False) -> None:
        if not observe_command:
            raise ConfigurationError('SubprocessConnector requires observe_command')
        self._observe = commands.split(observe_command)
        self._act = commands.split(action_command) if action_command else []
        self._safe_stop = commands.split(safe_stop_command) if safe_stop_command else []
        self._timeout_s = command_timeout_s
        self._stop_timeout_s = safe_stop_timeout_s
        self._is_persistent = persistent
        self._running: dict[str, LineProcess] = {}

    def start(self) -> None:
        """
        Check that the commands exist, and start those that run on.

        :raises CommandError: when one cannot be started.
        """
        for name, argv in (('observe', self._observe), ('action', self._act),
                           ('safe stop', self._safe_stop)):
            if argv and shutil.which(argv[0]) is None:
                raise CommandError(f'The {name} command cannot be started: {argv[0]} is not an '
                                   'executable file, here or on the PATH')
        if self._is_persistent:
            self._running['observe'] = LineProcess(self._observe, 'observe')

    def get_observation(self) -> RobotObservation:
        """
        Ask the observe command.

        :raises CommandError: when it fails, takes too long, or writes no JSON object.
        """
        found = _decode(self._call('observe', self._observe, b'{}'))
        return RobotObservation(
            found.get('state') or [], dict(found.get('images') or found.get('cameras') or {}),
            str(found.get('task') or ''),
            {name: value for name, value in found.items() if name not in _KNOWN})

    def apply_action(self, action: RobotAction) -> None:
        """
        Hand the rows to the action command; returns when it has ended or answered.

        What it writes is not looked at.

        :raises CommandError: when there is no such command, or it fails or takes too long.
        """
        if not self._act:
            raise CommandError('command must not be empty: set action_command')
        if self._is_persistent and 'action' not in self._running:
            # Not before actions are applied: it may hold the robot.
            self._running['action'] = LineProcess(self._act, 'action')
        chunk = {'actions': action.actions, **action.metadata}
        self._call('action', self._act, _encode({'action_chunk': chunk}))

    def safe_stop(self, reason: str) -> None:
        """
        Run the safe-stop command, if there is one.

        :raises CommandError: when it fails or takes too long.
        """
        if self._safe_stop:
            commands.run(self._safe_stop, _encode({'reason': reason}), self._stop_timeout_s,
                         'safe stop')

    def stop(self) -> None:
        """End the commands that run on; blocks for a second each at most."""
        while self._running:
            self._running.popitem()[1].end()

    def _call(self, name: str, argv: list[str], content: bytes) -> bytes:
        process = self._running.get(name)
        if process is None:
            return commands.run(argv, content, self._timeout_s, name)
        return process.ask(content, self._timeout_s, may_skip=name == 'observe')


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(',', ':'), default=_plain).encode()


def _plain(value: object) -> object:
    """Return what JSON can say instead: arrays as lists, bytes as base64."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode('ascii')
    raise TypeError(f'{type(value).__name__} has no form in JSON')


def _decode(output: bytes) -> dict[str, Any]:
    """
    Read what the observe command wrote: one JSON object, or logs and then one in the last line.

    :raises CommandError: when there is none.
    """
    text = output.decode(errors='replace').strip()
    if not text:
        return {}
    for candidate in (text, text.splitlines()[-1]):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError) as exc:
            problem = exc
            continue
        if isinstance(value, dict):
            return value
        raise CommandError('The observe command must emit a JSON object, not '
                           f'{type(value).__name__}')
    raise CommandError(f'The observe command must emit a JSON object: {problem}. It wrote '
                       f'{text[:80]!r}') from problem
