# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The running system as one object: start it, see its state, call its services, end it.

Knows no ROS: the ``monitor`` process tells what happens in the graph and passes calls on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import json
import os
from pathlib import Path
import random
import socket
import threading
import time
from typing import Any

from reflex_ros.bringup import process_table
from reflex_ros.bringup.processes import ProcessGroup
from reflex_ros.errors import ReflexError

ANSWER_S = 10.0
FAST_DDS = 'rmw_fastrtps_cpp'
DOMAINS = range(60, 100)
END_ORDER = (('so101',), ('supervisor', 'action_stream'), ('sim_arm', 'sim_service'))
"""The arm first: it holds before anything else ends. What it stands on comes last."""


class NotInTime(ReflexError):
    """The system did not get where it should in time."""


@dataclass(slots=True)
class View:
    """
    What is known of the system now.

    :param state: of the state machine; empty before the supervisor was heard.
    :param states: every state so far, with its monotonic instant [s].
    :param snapshot: as the monitor node prints it.
    """

    state: str = ''
    causes: list[dict[str, Any]] = field(default_factory=list)
    states: list[tuple[str, float]] = field(default_factory=list)
    snapshot: dict[str, Any] = field(default_factory=dict)

    def safety(self, key: str) -> str:
        """Read one value of safety/state."""
        return str(self.snapshot.get('safety', {}).get(key, ''))

    def driver(self, key: str) -> str:
        """Read one value of the driver's beat."""
        return str(self.snapshot.get('driver', {}).get(key, ''))

    def stream(self, key: str) -> str:
        """Read one value of the stream's beat."""
        return str(self.snapshot.get('stream', {}).get(key, ''))


class System:
    """
    The processes of one robot.

    :param folder: for the log files.
    :param config: ROS parameter file, ours when None.
    :param world: simulated arm and service, started too, or None.
    """

    def __init__(self, folder: Path, *, config: Path | None = None,
                 world: process_table.World | None = None, namespace: str = '',
                 environment: dict[str, str] | None = None) -> None:
        self.view = View()
        self.world = world
        self.group = ProcessGroup(folder, namespace=namespace, environment=environment)
        self._nodes = process_table.nodes(config, world)
        self._changed = threading.Condition()
        self._answers: dict[str, dict[str, Any]] = {}
        self._simulation = process_table.simulation(world) if world else ()

    def start(self) -> None:
        """
        Start everything.

        :raises ConfigurationError: when a simulated part does not start.
        """
        # The watcher first: it starts slowest, and must not miss the first states.
        self.group.start(process_table.monitor(), self._on_line)
        for process in self._simulation:
            self.group.start_ready(process)
        for process in self._nodes:
            self.group.start(process)

    def end(self) -> list[str]:
        """End everything, the arm first; return the names of those that had to be killed."""
        return self.group.end(END_ORDER)

    def call(self, name: str) -> dict[str, Any]:
        """
        Call a service of the supervisor.

        :returns: ``success`` and ``message``.
        :raises NotInTime: when there is no answer within 10 s.
        """
        with self._changed:
            self._answers.pop(name, None)
        self.group.children['monitor'].send({'call': name})
        self.wait(lambda: name in self._answers, ANSWER_S, f'an answer to {name}')
        return self._answers[name]

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """
        Wait until a condition on the view holds; it is checked at every message.

        :raises NotInTime: with what was awaited, and why the system says it is not so.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0.0:
                    raise NotInTime(f'no {what} within {timeout_s:g} s; the system is in '
                                    f'{self.view.state or "no state"}: '
                                    f'{self.view.safety("why") or self._last_words()}')
                self._changed.wait(min(left, 0.2))

    def wait_state(self, *names: str, timeout_s: float) -> float:
        """Wait for one of some states; return the monotonic instant at which it was entered."""
        self.wait(lambda: self.view.state in names, timeout_s, ' or '.join(names))
        return self.view.states[-1][1]

    def _on_line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        with self._changed:
            if 'snapshot' in message:
                self.view.snapshot = message['snapshot']
            elif 'state' in message:
                self.view.state = message['state']
                self.view.causes = message['causes']
                self.view.states.append((message['state'], message['at']))
            elif 'answer' in message:
                self._answers[message['answer']] = message
            self._changed.notify_all()

    def _last_words(self) -> str:
        for name in ('so101', 'action_stream', 'supervisor'):
            child = self.group.children.get(name)
            words = child.last_lines(1) if child else ''
            if words:
                return f'{name}: {words}'
        return 'nothing was heard from any process'


def private_domain() -> dict[str, str]:
    """Choose a DDS domain that no robot is on, reachable from this machine only."""
    domain = os.environ.get('ROS_DOMAIN_ID') or str(next(
        filter(_is_free, random.sample(DOMAINS, len(DOMAINS))), DOMAINS[0]))
    if os.environ.get('RMW_IMPLEMENTATION', FAST_DDS) != FAST_DDS:
        return {'ROS_DOMAIN_ID': domain, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    # The same reach, but without shared memory: the profile says why.
    profile = str(process_table.share_folder() / 'config' / 'loopback.xml')
    return {'ROS_DOMAIN_ID': domain, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SYSTEM_DEFAULT',
            'FASTDDS_DEFAULT_PROFILES_FILE': profile, 'FASTRTPS_DEFAULT_PROFILES_FILE': profile}


def _is_free(domain: int) -> bool:
    """Whether nobody on this machine holds the port of a domain's first participant."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Port rule of the RTPS specification, section 9.6.1.1.
            probe.bind(('127.0.0.1', 7400 + 250 * domain + 10))
        except OSError:
            return False
    return True
