# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The running system as one object: start it, read its state, call its services, end it.

Nothing here needs ROS: the ``monitor`` process reports the graph and passes calls on. The methods
of ``System`` are for one thread; the lines of the monitor arrive in another one.
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

from reflex_ros.bringup import configuration, dds, packages, process_table
from reflex_ros.bringup.processes import CRASHES_PER_MINUTE, ProcessGroup
from reflex_ros.domain import key_values, supervision
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.graph_status import GraphStatus, SILENT_S
from reflex_ros.domain.hang_watch import HangWatch
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, STREAM, StreamBeat, SUPERVISOR
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState, StateChange
from reflex_ros.errors import ReflexError

ANSWER_S = 10.0
DOMAINS = range(60, 100)
END_ORDER = (('so101',), ('supervisor', 'action_stream'), ('sim_arm', 'sim_leader', 'sim_service'))
"""The driver first: the arm holds before anything else ends. The simulation comes last."""
_claims: dict[str, socket.socket] = {}
"""Domain -> what keeps it for a graph that this process has started."""


class NotInTime(ReflexError):
    """The system did not reach a state, or give an answer, in time."""


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """
    One camera, from its entry in ``/diagnostics``.

    :param rate_hz: frames that arrive.
    :param age_ms: of the newest frame.
    :param sent_bytes_per_s: of the pictures that are sent to the service.
    """

    rate_hz: float = 0.0
    age_ms: float = 0.0
    sent_bytes_per_s: float = 0.0


@dataclass(slots=True)
class View:
    """
    The last known state of the system. The monitor's thread replaces its fields.

    :param state: of the state machine; None before the supervisor was heard.
    :param causes: why it stopped, the first cause first.
    :param states: every state so far, with its monotonic instant [s].
    :param safety: newest ``safety/state``.
    :param driver: newest beat of the driver.
    :param stream: newest beat of action_stream.
    :param cameras: figures of each camera, by name; at 1 Hz.
    :param problems: of processes that stop nothing, such as the recorder, by name; at 1 Hz.
    :param snapshot: as the monitor node prints it.
    :param change: the newest change of state.
    :param answer: the last answer to a request, for a person.
    """

    state: State | None = None
    causes: tuple[CauseRecord, ...] = ()
    states: list[tuple[State, float]] = field(default_factory=list)
    safety: SafetyState = field(default_factory=SafetyState)
    driver: DriverBeat = field(default_factory=DriverBeat)
    stream: StreamBeat = field(default_factory=StreamBeat)
    cameras: dict[str, CameraFigures] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    snapshot: dict[str, Any] = field(default_factory=dict)
    change: StateChange | None = None
    answer: str = ''
    heard_at: float = 0.0
    """When the monitor was heard (monotonic) [s]; 0 before that."""

    @property
    def why(self) -> str:
        """
        Why nothing moves in ``state``; empty if the arm may move or nobody knows.

        A snapshot comes later than a change of state: its reason is that of the state before.
        """
        if self.safety.state is self.state or self.change is None:
            return self.safety.why
        return self.change.why

    @property
    def warning(self) -> str:
        """Say that the supervisor or the monitor is silent, once it was heard; else empty."""
        silent_s = time.monotonic() - self.heard_at
        if self.heard_at and silent_s > SILENT_S:
            return (f'no news from the monitor for {silent_s:.0f} s. It is started again by '
                    'itself; the arm does not need it. Space or `reflex stop` stops the arm')
        ages_s = self.snapshot.get('age_s', {})
        if SUPERVISOR not in ages_s:
            return ''
        return GraphStatus(self.safety, self.driver, self.stream, ages_s=ages_s).warning

    @property
    def summary(self) -> str:
        """Why nothing moves, or else the name of the state."""
        return self.why or (self.state.value if self.state else 'no state')

    def update(self, snapshot: dict[str, Any]) -> None:
        """Replace what the monitor repeats in each snapshot."""
        self.snapshot, self.heard_at = snapshot, time.monotonic()
        self.safety = key_values.decode(SafetyState, snapshot['safety'])
        self.driver = key_values.decode(DriverBeat, snapshot['driver'])
        self.stream = key_values.decode(StreamBeat, snapshot['stream'])
        self.cameras = {name: key_values.decode(CameraFigures, pairs)
                        for name, pairs in snapshot.get('cameras', {}).items()}
        self.problems = snapshot.get('problems', {})

    def enter(self, change: StateChange) -> None:
        """Record a change of the system's state."""
        self.change, self.state, self.causes = change, change.state, change.causes
        self.states.append((change.state, change.at))


class System:
    """
    The processes of one robot.

    :param folder: folder of the log files.
    :param config: robot.yaml or ROS parameter file; None takes the one of this package.
    :param world: simulated arm and service, which are started too; None starts none.
    :param namespace: ROS namespace of the nodes.
    :param environment: variables that are added to the environment of every process.
    :param has_description: publish the model of the arm too, for viewers.
    :param leader: as in ``process_table.nodes``.
    :raises ConfigurationError: for a configuration with mistakes, each with its line.
    """

    def __init__(self, folder: Path, *, config: Path | None = None,
                 world: process_table.World | None = None, namespace: str = '',
                 environment: dict[str, str] | None = None,
                 has_description: bool = False, leader: str = '') -> None:
        packages.check_packages(sim=world is not None)
        self.view = View()
        self.world = world
        self._domain = (environment or {}).get('ROS_DOMAIN_ID')
        self.group = ProcessGroup(folder, namespace=namespace, environment=environment)
        read = configuration.read(config, (namespace,), sim=world is not None)
        self.warnings = read.warnings
        self._nodes = process_table.nodes(read.path, world, read.cameras, leader)
        if has_description:
            self._nodes += (process_table.description(read.path),)
        self._changed = threading.Condition()
        self._answers: dict[str, dict[str, Any]] = {}
        self._hang_watch = HangWatch()
        self.group.find_hung = self._find_hung
        self.group.on_crash_loop = self._stop_crash_loop
        self._simulation = process_table.simulation(world, leader=leader) if world else ()

    def start(self) -> None:
        """
        Start all processes. Blocks until the simulated parts are ready, usually 2 s.

        :raises ConfigurationError: if a simulated part does not start.
        """
        # The monitor first: it starts slowest, and must not miss the first states.
        self.group.start(process_table.monitor(), self._on_line)
        for process in self._simulation:
            self.group.start_ready(process)
        for process in self._nodes:
            self.group.start(process)

    def end(self) -> list[str]:
        """End all processes, the driver first; return the names of those that had to be killed."""
        try:
            return self.group.end(END_ORDER)
        finally:
            _release(self._domain)

    def end_report(self) -> str:
        """Return what stopped the arm and the next step, for when the graph has ended."""
        if not self.view.causes:
            return f'no cause named: {self.view.summary}'
        # The latch of a simulated robot ends with it.
        return supervision.end_report(self.view.causes, time.time(), is_kept=self.world is None)

    def request(self, name: str) -> None:
        """Call a service of the supervisor, and show the answer in the view. Any thread."""
        monitor = self.group.children.get('monitor')
        if monitor is not None:
            self.view.answer = f'{name}: asked'
            monitor.send({'call': name})

    def call(self, name: str) -> dict[str, Any]:
        """
        Call a service of the supervisor. Blocks until the answer comes, at most 10 s.

        :returns: ``success`` and ``message``.
        :raises NotInTime: if no answer comes within 10 s.
        """
        with self._changed:
            self._answers.pop(name, None)
        self.group.children['monitor'].send({'call': name})
        self.wait(lambda: name in self._answers, ANSWER_S, f'an answer to {name}')
        return self._answers[name]

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """
        Block until a condition on the view holds, at most ``timeout_s``.

        :param condition: checked with every line of the monitor.
        :param what: what is awaited, for the error.
        :raises NotInTime: if it does not hold in time; the error says why nothing moves.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0.0:
                    state = self.view.state.value if self.view.state else 'no state'
                    raise NotInTime(f'no {what} within {timeout_s:g} s; the system is in {state}: '
                                    f'{self.view.why or self._last_words()}')
                self._changed.wait(min(left, 0.2))

    def wait_state(self, *states: State, timeout_s: float) -> float:
        """Block until one of some states; return when it was entered (monotonic) [s]."""
        self.wait(lambda: self.view.state in states, timeout_s,
                  ' or '.join(state.value for state in states))
        return self.view.states[-1][1]

    def _find_hung(self) -> list[str]:
        """In the thread that watches the processes."""
        view, children = self.view, self.group.children
        hung = self._hang_watch.hung(
            time.monotonic(), view.heard_at, view.snapshot.get('age_s', {}),
            {name: child.started_at for name, child in list(children.items())
             if child.is_running()},
            {DRIVER: view.driver.lifecycle, STREAM: view.stream.lifecycle}) \
            if view.heard_at else []
        for name in hung:
            view.answer = f'{name} hung: it is started again'
        return hung

    def _stop_crash_loop(self, name: str) -> None:
        """In the thread that watches the processes."""
        text = f'{name} ended more than {CRASHES_PER_MINUTE} times in a minute'
        self.view.answer = f'{text} and is not started again. Look at its log, then start anew'
        self.group.children['monitor'].send(
            {'call': 'stop', 'code': FaultCode.CRASH_LOOP.name, 'text': text})

    def _on_line(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        with self._changed:
            if 'snapshot' in message:
                self.view.update(message['snapshot'])
            elif 'state' in message:
                self.view.enter(key_values.from_plain(StateChange, message))
            elif 'answer' in message:
                self._answers[message['answer']] = message
                self.view.answer = message['message']
            self._changed.notify_all()

    def _last_words(self) -> str:
        for name in ('so101', 'action_stream', 'supervisor'):
            child = self.group.children.get(name)
            words = child.last_lines(1) if child else ''
            if words:
                return f'{name}: {words}'
        return 'nothing was heard from any process'


def private_domain() -> dict[str, str]:
    """
    Choose a DDS domain without a robot; return the variables that select it for a process.

    A domain that ROS_DOMAIN_ID names is kept, because other terminals then use it too. Whether a
    real robot runs there is checked by ``runner.running_graphs``.

    This process keeps the domain until the system in it has ended: another one that starts at the
    same moment, before there is a node to be seen, chooses another domain.
    """
    domain = os.environ.get('ROS_DOMAIN_ID') or str(next(
        filter(_claim, random.sample(DOMAINS, len(DOMAINS))), DOMAINS[0]))
    # Whatever a person has chosen for the real robot, this graph stays on this machine.
    known = {name: os.environ[name] for name in ('RMW_IMPLEMENTATION', 'ROS_DISTRO')
             if name in os.environ}
    return {'ROS_DOMAIN_ID': domain, **dds.environment(known)}


def _claim(domain: int) -> bool:
    """Keep a domain for this process, if nobody on this machine has or uses it."""
    # Port rule of the RTPS specification, section 9.6.1.1.
    first = 7400 + 250 * domain
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # No participant uses this port of the domain, and it is free again when we have ended.
        claim.bind(('127.0.0.1', first + 5))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # That of its first participant.
            probe.bind(('127.0.0.1', first + 10))
    except OSError:
        claim.close()
        return False
    _claims[str(domain)] = claim
    return True


def _release(domain: str | None) -> None:
    """Give a domain free that this process has kept."""
    claim = _claims.pop(domain or '', None)
    if claim is not None:
        claim.close()
