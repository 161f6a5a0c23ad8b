# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The one description of the processes that make up the system.

``reflex up`` and ``reflex demo`` start it directly, the launch file hands it to ``launch``;
neither knows more about a process than what stands here. The API key travels in the environment
only, and only to the process that talks to the service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
import os
from pathlib import Path
import re
import shutil
import socket
import sys

from reflex_ros.bringup import run_folders, sros2
from reflex_ros.domain import secret_variables
from reflex_ros.errors import ConfigurationError

SIM_KEY = 'rfx_sim'
RESPAWN_DELAY_S = 1.0
SIM_LEADER = 'sim'
_SETPRIV = shutil.which('setpriv')
DIE_WITH_PARENT = (_SETPRIV, '--pdeathsig', 'TERM') if _SETPRIV else ()
"""Put before a command, this lets the kernel end the process when its parent dies. ``preexec_fn``
would do the same, but it runs Python after a fork: it hangs when another thread held a lock."""


@dataclass(frozen=True, slots=True)
class Process:
    """
    One process.

    :param module: started with ``python -m``.
    :param executable: of a ROS node, as ``ros2 run reflex_ros`` knows it; empty for the others.
    :param node: name of the ROS node, when it is not that of the executable.
    :param subcommand: of ``reflex``, which starts the same process as ``module``.
    :param parameters: of a ROS node, over those in ``parameter_files``.
    :param environment: added to ours.
    :param respawns: start it again when it ends by itself.
    :param has_key: it talks to the service. The others get an environment without secrets.
    """

    name: str
    module: str
    executable: str = ''
    node: str = ''
    subcommand: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    parameter_files: tuple[Path, ...] = ()
    parameters: Mapping[str, str | float | bool] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    respawns: bool = False
    has_key: bool = False

    def complete_environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return all variables of the process: those inherited that it may have, and its own."""
        allowed = inherited if self.has_key else secret_variables.without(inherited)
        enclave = sros2.environment(self.name, inherited) if self.executable else {}
        return {**allowed, **enclave, **self.environment}

    def command(self, namespace: str = '') -> list[str]:
        """Make the argument list that starts it without ``launch``."""
        command = [sys.executable, '-m', self.module, *self.arguments]
        if not self.executable:
            return command
        command.append('--ros-args')
        for file in self.parameter_files:
            command += ['--params-file', str(file)]
        for name, value in self.parameters.items():
            command += ['-p', f'{name}:={_yaml(value)}']
        if self.node:
            command += ['-r', f'__node:={self.node}']
        if namespace:
            command += ['-r', f'__ns:=/{namespace.strip("/")}']
        return command


@dataclass(frozen=True, slots=True)
class World:
    """
    Where the simulated arm and service are.

    :param link: stable name of the arm's port.
    :param control: control socket of the arm.
    :param service_port: of the service, on 127.0.0.1.
    :param stream_port: where the action stream is reached, when that is another one.
    :param latency_ms: of one inference [ms].
    :param jitter_ms: largest extra latency [ms].
    :param prompt: what the simulated policy is asked to do.
    :param dry_run_s: time in dry_run that the gate asks for [s]; None: that of ``sim.yaml``.
    """

    link: Path
    control: Path
    service_port: int
    stream_port: int | None = None
    latency_ms: float = 80.0
    jitter_ms: float = 40.0
    prompt: str = 'wave'
    dry_run_s: float | None = None

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return f'http://127.0.0.1:{self.service_port}'

    @property
    def actions_url(self) -> str:
        """URL of the action stream."""
        return f'ws://127.0.0.1:{self.stream_port or self.service_port}/v1/actions'

    @property
    def leader(self) -> Path:
        """Stable name of the port of a simulated leader arm, if one runs."""
        return self.link.with_name(f'{self.link.name}_leader')


def make_world() -> World:
    """Choose a folder and a free port for a simulated world of our own."""
    folder = run_folders.make('sim')
    return World(folder / 'arm', folder / 'arm.sock', free_port())


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


def simulation(world: World, *, linger_s: float = 0.0, leader: str = '') -> tuple[Process, ...]:
    """
    Describe the simulated arms and service; each prints a line of JSON when it is ready.

    :param leader: as in ``nodes``.
    :param linger_s: how long the arm stays after it was told to end [s], so that a driver which
        was told at the same moment can still bring it to rest.
    """
    return (
        Process('sim_arm', 'reflex_ros.sim.arm', subcommand=('sim', 'arm'),
                arguments=('--link', str(world.link), '--control', str(world.control),
                           *(('--linger-s', str(linger_s)) if linger_s else ()))),
        Process('sim_service', 'reflex_ros.sim.service', subcommand=('sim', 'service'),
                arguments=('--port', str(world.service_port),
                           '--latency-ms', str(world.latency_ms),
                           '--jitter-ms', str(world.jitter_ms)),
                environment={'REFLEX_SIM_KEY': SIM_KEY}),
        *([Process('sim_leader', 'reflex_ros.sim.arm', subcommand=('sim', 'arm'),
                   arguments=('--link', str(world.leader), '--control',
                              f'{world.leader}.sock', '--part', 'c001', '--hand'))]
          if leader == SIM_LEADER else []))


def nodes(config: Path | None = None, world: World | None = None,
          cameras: Collection[str] = (), leader: str = '') -> tuple[Process, ...]:
    """
    Describe the nodes.

    :param config: ROS parameter file of the robot (``bringup.configuration``); ours when None.
    :param world: the simulated world, or None for a real arm and the hosted service.
    :param cameras: names of the cameras of this machine; a simulated world has simulated ones.
    :param leader: port of an arm with which a person may take over; ``sim``: a simulated one,
        which a hand moves. Empty: none.
    :raises ConfigurationError: for a simulated leader outside a simulated world.
    """
    if leader == SIM_LEADER and world is None:
        raise ConfigurationError('leader `sim` is for a simulated arm. Name the port of the '
                                 'leader arm, or add --sim (launch file: sim:=true)')
    config = config or share_folder() / 'config' / 'robot.yaml'
    files: tuple[Path, ...] = (config,)
    environment: dict[str, str] = {}
    driver: dict[str, str | float | bool] = {}
    stream: dict[str, str | float | bool] = {}
    supervisor: dict[str, str | float | bool] = {}
    publishers = [Process(f'camera_{name}', 'reflex_ros.nodes.camera_node', 'camera_node',
                          node=f'camera_{name}', parameter_files=files, respawns=True)
                  for name in cameras]
    if world is not None:
        files += (share_folder() / 'config' / 'sim.yaml',)
        environment = {'REFLEX_API_KEY': SIM_KEY}
        driver = {'port': str(world.link)}
        stream = {'service.rpc_url': world.url, 'service.actions_url': world.actions_url,
                  'prompt': world.prompt}
        supervisor = {'state_dir': str(world.link.parent)}
        if world.dry_run_s is not None:
            supervisor['gate.dry_run_s'] = world.dry_run_s
        publishers = [
            Process(f'sim_camera_{name}', 'reflex_ros.nodes.sim_camera_node', 'sim_camera_node',
                    node=f'sim_camera_{name}', parameter_files=files, parameters={'camera': name})
            for name in cameras] or [
            Process('sim_camera', 'reflex_ros.nodes.sim_camera_node', 'sim_camera_node',
                    parameter_files=files)]
    return (
        Process('so101', 'reflex_ros.nodes.so101_driver_node', 'so101_driver_node',
                parameter_files=files, parameters=driver, respawns=True),
        Process('action_stream', 'reflex_ros.nodes.action_stream_node', 'action_stream_node',
                parameter_files=files, parameters=stream, environment=environment, respawns=True,
                has_key=True),
        Process('supervisor', 'reflex_ros.nodes.supervisor_node', 'supervisor_node',
                parameter_files=files, parameters=supervisor, respawns=True),
        Process('recorder', 'reflex_ros.nodes.recorder_node', 'recorder_node',
                parameter_files=files, respawns=True),
        *([Process('leader', 'reflex_ros.nodes.leader_node', 'leader_node', parameter_files=files,
                   parameters={'port': str(world.leader) if world and leader == SIM_LEADER
                               else leader}, respawns=True)] if leader else []),
        *publishers)


def check_launch_arguments(known: Collection[str], given: Collection[str], *,
                           typed: Collection[str] = ()) -> None:
    """
    Refuse a launch argument that the launch file does not know; ``launch`` itself ignores it.

    ``simulate:=true`` would start the real arm. Another launch file may include ours, and then the
    arguments of both are mixed: of those that nobody typed for our file, only a name that
    resembles ``sim`` is refused, and only when ``sim`` is not given.

    :param given: names of all launch arguments so far.
    :param typed: names on a command line that starts our launch file itself.
    :raises ConfigurationError: with the nearest known name.
    """
    for name in sorted({*given, *typed} - {*known}):
        nearest = nearest_name(name, known)
        if name in typed or (nearest == 'sim' and 'sim' not in given):
            hint = f'Did you mean {nearest!r}? ' if nearest else ''
            raise ConfigurationError(f'launch argument {name!r} is unknown. {hint}Known '
                                     f'arguments: {", ".join(known)}')


def nearest_name(name: str, known: Collection[str]) -> str:
    """Find the known name that a name resembles or continues; empty when there is none."""
    begins = [other for other in known if name.startswith(other)]
    return (begins or get_close_matches(name, known, 1, 0.6) or [''])[0]


def namespaces(text: str) -> tuple[str, ...]:
    """
    Read the namespaces of the robots to start, separated by commas; none means one without.

    :raises ConfigurationError: when one is no ROS name or stands there twice.
    """
    found = tuple(name.strip().strip('/') for name in text.split(','))
    if found == ('',):
        return found
    wrong = [name for name in found
             if not re.fullmatch(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', name, re.ASCII)]
    if wrong or len(set(found)) != len(found):
        raise ConfigurationError(f'namespace {text!r}: expected different ROS names with commas, '
                                 'such as left,right')
    return found


def monitor() -> Process:
    """Describe the process that shows the graph to a terminal."""
    return Process('monitor', 'reflex_ros.nodes.monitor_node', 'monitor_node', respawns=True)


def description(config: Path) -> Process:
    """Describe the process that publishes the model of the arm, for viewers."""
    return Process('description', 'reflex_ros.nodes.description_node', 'description_node',
                   parameter_files=(config,), respawns=True)


def share_folder() -> Path:
    """
    Find config/ and launch/: beside the sources, or where the package was installed.

    :raises ConfigurationError: when they are in neither place.
    """
    sources = Path(__file__).resolve().parents[2]
    prefixes = [Path(prefix) for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(':')
                if prefix]
    for folder in (sources, *(prefix / 'share' / 'reflex_ros'
                              for prefix in (*prefixes, Path(sys.prefix)))):
        if (folder / 'config' / 'robot.yaml').is_file():
            return folder
    raise ConfigurationError('the package is not installed completely: config/robot.yaml is '
                             'missing. Install it again')


def _yaml(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return f'"{value}"' if isinstance(value, str) else str(value)
