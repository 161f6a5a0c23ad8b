# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Which graphs run on this machine, so that a command in another terminal finds them.

Each node process leaves a note while it runs: a file of its own with its ROS domain, its namespace
and the settings of its middleware. So does a command that starts a graph. Nothing secret is in it.
A note whose process has ended counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
from dataclasses import asdict, dataclass, field, replace
import logging
import os
from pathlib import Path
import time
from typing import Any

from reflex_ros.client import private_file
from reflex_ros.errors import ConfigurationError

VARIABLES = (
    'CYCLONEDDS_URI', 'FASTDDS_BUILTIN_TRANSPORTS', 'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE', 'RMW_IMPLEMENTATION', 'ROS_AUTOMATIC_DISCOVERY_RANGE',
    'ROS_DISCOVERY_SERVER', 'ROS_LOCALHOST_ONLY', 'ROS_SECURITY_ENABLE', 'ROS_SECURITY_KEYSTORE',
    'ROS_SECURITY_STRATEGY', 'ROS_STATIC_PEERS', 'ROS_SUPER_CLIENT',
    'RMW_FASTRTPS_USE_QOS_FROM_XML', 'ZENOH_CONFIG_OVERRIDE')
"""Variables that decide which participants of a domain find each other."""
WHAT = 'the note of a running node'
UP, UP_SIM, DEMO = STARTERS = ('reflex up', 'reflex up --sim', 'reflex demo')
"""Commands that start a graph, as their notes name them."""
LEAVE_S = 2.0
"""Nodes whose starter was killed end by themselves within this time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """
    What one node process says of itself.

    :param started: start of the process in clock ticks since boot: its id may be used again.
    :param node: name of the node.
    :param namespace: namespace of the node, without slashes at its ends.
    :param environment: those of ``VARIABLES`` that are set.
    :param session_id: session at the service that the node holds now; empty without one.
    :param problem: what a person should know of the process, in one line; empty if all is well.
    """

    pid: int
    started: int
    node: str
    domain: int
    namespace: str
    environment: Mapping[str, str]
    session_id: str = ''
    problem: str = ''


@dataclass(frozen=True, slots=True)
class Graph:
    """
    The nodes of one robot, in one ROS domain and one namespace.

    :param nodes: id of the process of each node.
    :param problems: of the nodes that have one.
    """

    domain: int
    namespace: str = ''
    environment: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, int] = field(default_factory=dict)
    session_id: str = ''
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_simulated(self) -> bool:
        """Whether the robot is a simulated one: only its graph has such a camera."""
        return any(name in (UP_SIM, DEMO) or name.startswith('sim_') for name in self.nodes)

    def complete_environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which another process finds this graph."""
        others = {name: value for name, value in inherited.items() if name not in VARIABLES}
        return {**others, **self.environment, 'ROS_DOMAIN_ID': str(self.domain)}

    def __str__(self) -> str:
        name = f', namespace {self.namespace}' if self.namespace else ''
        return f'ROS domain {self.domain}{name}'


class NoteFile:
    """
    The note of this process. A place that cannot be written is no reason to end a node.

    :param node: name of the node.
    :param namespace: namespace of the node.
    :param environment: has the settings of the middleware.
    """

    def __init__(self, node: str, domain: int, namespace: str,
                 environment: Mapping[str, str] = os.environ) -> None:
        pid = os.getpid()
        self._note = Note(pid, _started(pid), node, domain, namespace.strip('/'),
                          {name: environment[name] for name in VARIABLES if environment.get(name)})
        self._file = folders()[0] / f'{pid}.json'
        _forget_ended()
        self._write()

    def hold_session(self, session_id: str) -> None:
        """Name the session at the service that the node holds now; writes only a change."""
        if session_id != self._note.session_id:
            self._note = replace(self._note, session_id=session_id)
            self._write()

    def tell_problem(self, problem: str) -> None:
        """Say what a person should know of the process; writes only a change."""
        if problem != self._note.problem:
            self._note = replace(self._note, problem=problem)
            self._write()

    def remove(self) -> None:
        """Remove the note; may be called twice."""
        with contextlib.suppress(ConfigurationError):
            private_file.remove(self._file, WHAT)

    def _write(self) -> None:
        try:
            private_file.write(self._file, asdict(self._note), WHAT)
        except ConfigurationError as exc:
            _log.debug('`reflex stop` will not find this graph by itself: %s', exc)


def find(*, besides: int = 0) -> list[Graph]:
    """
    Return the graphs that run on this machine, for this user, by domain and namespace.

    :param besides: id of a process whose note does not count.
    """
    graphs: dict[tuple[int, str], Graph] = {}
    for note in (note for _, note in _notes() if note.pid != besides):
        place = note.domain, note.namespace
        graph = graphs.get(place, Graph(*place, note.environment))
        graphs[place] = replace(
            graph, nodes={**graph.nodes, note.node: note.pid},
            session_id=graph.session_id or note.session_id,
            problems={**graph.problems, **({note.node: note.problem} if note.problem else {})})
    return [graphs[place] for place in sorted(graphs)]


def holder(session_id: str) -> Graph | None:
    """Return the graph on this machine that holds a session at the service, if one does."""
    return next((graph for graph in find() if session_id and graph.session_id == session_id), None)


def domain_in(environment: Mapping[str, str]) -> int:
    """
    Return the ROS domain of a process.

    :raises ConfigurationError: when ROS_DOMAIN_ID is no number.
    """
    text = environment.get('ROS_DOMAIN_ID') or '0'
    if not text.isdecimal():
        raise ConfigurationError(f'ROS_DOMAIN_ID is {text!r}, which is no number: set one from 0 '
                                 'to 101, or unset it')
    return int(text)


@contextlib.contextmanager
def starting(command: str, namespace: str, environment: Mapping[str, str]) -> Iterator[None]:
    """
    Leave a note for a command that starts a graph, for as long as the graph runs.

    :param command: one of ``STARTERS``.
    :param environment: of the nodes.
    :raises ConfigurationError: as ``check_place``.
    """
    domain = domain_in(environment)
    # The note first: of two that start at the same moment, none misses the other one.
    note = NoteFile(command, domain, namespace, environment)
    try:
        check_place(domain, namespace, is_simulated=command != UP)
        yield
    finally:
        note.remove()


def check_place(domain: int, namespace: str, *, is_simulated: bool) -> None:
    """
    Refuse to start a graph where it would break another one of this machine.

    Waits 2 s at most for the nodes of a starter that was killed.

    :param is_simulated: whether the robot of the new graph is a simulated one.
    :raises ConfigurationError: when a graph runs in this domain and namespace, or, for a simulated
        robot, when a real one runs in this domain.
    """
    deadline = time.monotonic() + LEAVE_S
    while refusal := _refusal_reason(domain, namespace.strip('/'), is_simulated=is_simulated):
        text, has_starter = refusal
        if has_starter or time.monotonic() > deadline:
            raise ConfigurationError(text)
        time.sleep(0.1)


def _refusal_reason(domain: int, namespace: str, *,
                    is_simulated: bool) -> tuple[str, bool] | None:
    """Return why no graph may start here, and whether the starter of the other one runs."""
    # Not at the top: it imports numpy, and a stop must not wait for that.
    from reflex_ros.domain.graph_status import NAMES

    for graph in find(besides=os.getpid()):
        # A view, a camera or a recorder alone is no other graph.
        others = {name: pid for name, pid in graph.nodes.items()
                  if name in (*STARTERS, *NAMES)}
        if graph.domain != domain or not others:
            continue
        processes = ', '.join(f'{name}: process {pid}' for name, pid in others.items())
        has_starter = not others.keys().isdisjoint(STARTERS)
        if graph.namespace == namespace:
            return (f'a graph already runs in {graph} ({processes}), and two would stop each '
                    "other's arm. `reflex status` shows it. End it first, or start this one with "
                    'another ROS_DOMAIN_ID or namespace'), has_starter
        if is_simulated and not graph.is_simulated:
            return (f'a real robot runs in {graph} ({processes}), and a simulated one must not '
                    'meet it. Unset ROS_DOMAIN_ID: a simulated robot then gets a ROS domain of '
                    'its own'), has_starter
    return None


def folders() -> tuple[Path, ...]:
    """
    Return the folders of the notes, the one to write first.

    A shell without a login session has no XDG_RUNTIME_DIR, so a reader looks into both.
    """
    # Without a home, ~ stays as it is, and so does a folder of that name.
    state = Path(os.path.expanduser(os.environ.get('XDG_STATE_HOME') or '~/.local/state'))
    runtime = os.environ.get('XDG_RUNTIME_DIR', '')
    standard = Path(runtime or f'/run/user/{os.getuid()}') / 'reflex_ros'
    found = (standard, state / 'reflex_ros' / 'running')
    return found if runtime and os.access(runtime, os.W_OK) else found[::-1]


def _notes() -> Iterator[tuple[Path, Note]]:
    """Read the notes of processes that still run."""
    for file, note in _every_note():
        if note is not None and _started(note.pid) == note.started:
            yield file, note


def _every_note() -> Iterator[tuple[Path, Note | None]]:
    for folder in folders():
        for file in sorted(folder.glob('*.json')):
            try:
                yield file, _note(private_file.read(file, WHAT) or {})
            except ConfigurationError:
                yield file, None


def _note(content: Mapping[str, Any]) -> Note | None:
    # By hand: what reads the beats imports numpy, and a stop must not wait for that.
    try:
        note = Note(**content)
    except TypeError:
        return None
    texts = (note.node, note.namespace, note.session_id, note.problem)
    numbers = (note.pid, note.started, note.domain)
    return note if all(isinstance(text, str) for text in texts) \
        and all(type(number) is int for number in numbers) \
        and isinstance(note.environment, dict) \
        and all(name in VARIABLES and isinstance(value, str)
                for name, value in note.environment.items()) else None


def _forget_ended() -> None:
    """Remove the notes of processes that were killed."""
    for file, note in _every_note():
        if note is not None and _started(note.pid) != note.started:
            with contextlib.suppress(ConfigurationError):
                private_file.remove(file, WHAT)


def _started(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; -1 when it does not run."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
        return -1 if fields[0] == 'Z' else int(fields[19])
    except (OSError, ValueError, IndexError):
        return -1
