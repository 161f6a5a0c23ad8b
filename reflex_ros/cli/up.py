# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex up``: start the nodes without ``launch``, from the same process table."""

from __future__ import annotations

from collections.abc import Mapping
import math
import os
from pathlib import Path
import re
import signal
import sys
import time

import click

from reflex_ros.bringup import dds, process_table, run_folders
from reflex_ros.bringup.system import private_domain, System, View
from reflex_ros.cli import keys, render, text
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.domain import key_values
from reflex_ros.domain.safe_stop import State
from reflex_ros.runner import running_graphs

KEYS = {' ': 'stop', 'p': 'promote', 'd': 'demote', 'r': 'reset', 'k': 'park'}
GUIDE_KEYS = {'t': 'take_over', 'h': 'hand_back'}
"""Keys of the live view and the services that they call; with a leader arm, two more."""
FIGURE = re.compile(r'(?<!servo )(?<![\d.])\d+(?:\.\d+)?')
"""A number that may change while the reason stays; the id of a servo is a part of the reason."""
SAY_AGAIN_S = 30.0
HELP = 'Space stop   p promote   d demote   r reset   k park   q end'
GUIDE_HELP = 't take over   h hand back   '


@local_command('reflex up --config my_robot.yaml', 'reflex up --sim')
@click.option('--config', type=click.Path(dir_okay=False, path_type=Path),
              help='File robot.yaml, or ROS parameter file (default: that of the package).')
@click.option('--sim', is_flag=True, help='Use a simulated arm, service and camera.')
@click.option('--namespace', default='', help='ROS namespace of all nodes (default: none).')
@click.option('--network', is_flag=True,
              help='Let other machines see the nodes (default: this machine only).')
@click.option('--description', is_flag=True,
              help='Publish the model of the arm and its frames, for RViz and Foxglove.')
@click.option('--leader', metavar='PATH', default='', help='Serial port of a leader arm, with '
              'which you may take over from the policy; with --sim also `sim`, a simulated one.')
@click.option('--logs', type=click.Path(file_okay=False, path_type=Path),
              help='Folder for the log of each process (default: a temporary folder).')
def up(common: CommonOptions, config: Path | None, sim: bool, namespace: str,
       network: bool, description: bool, leader: str, logs: Path | None) -> None:
    """
    Start driver, stream and supervisor and show their state.

    The command runs until Ctrl-C. It does the same as `ros2 launch reflex_ros connect.launch.py`,
    without `launch`. The policy runs in dry_run. To let it move the arm, press p in the live view,
    or run `reflex promote` in another terminal.
    """
    if len(process_table.namespaces(namespace)) > 1:
        raise click.UsageError('--namespace names several robots: run one `reflex up` for each')
    # A simulated robot must not meet a real one, so it gets its own ROS domain; in one that was
    # chosen it is refused where a real one runs.
    environment = private_domain() if sim else {dds.RANGE: 'SUBNET'} if network else {}
    nodes_environment = {**os.environ, **environment}
    with running_graphs.starting(
            running_graphs.UP_SIM if sim else running_graphs.UP, namespace,
            {**nodes_environment, **dds.environment(nodes_environment)}):
        folder = logs or run_folders.make('up')
        system = System(folder, config=config, namespace=namespace, environment=environment,
                        world=process_table.make_world() if sim else None,
                        has_description=description, leader=leader)
        _run(common, system, f'ROS_DOMAIN_ID={running_graphs.domain_in(nodes_environment)}   '
             f'logs: {folder}', has_leader=bool(leader))


def _run(common: CommonOptions, system: System, place: str, *, has_leader: bool) -> None:
    for warning in system.warnings:
        click.echo(f'Warning: {warning}', err=True)
    if not sys.stderr.isatty():
        click.echo(place, err=True)
    stopped_by_fault = False
    calls, help_line = (KEYS | GUIDE_KEYS, GUIDE_HELP + HELP) if has_leader else (KEYS, HELP)
    # Outermost: what restores the terminal must not be interrupted.
    with keys.pressed(lambda key: _press(key, calls, system), quiet=common.as_json) as has_keys, \
            interruptible():
        try:
            with render.live_display(
                    system.view, lambda: f'{place}\n{help_line if has_keys else "Ctrl-C ends"}',
                    quiet=common.as_json):
                system.start()
                _follow(system)
        except KeyboardInterrupt:
            stopped_by_fault = system.view.state in (State.LATCHED, State.FAULT)
        finally:
            with shielded():
                killed = system.end()
    _report(common, system.view, killed, system.end_report() if stopped_by_fault else '')
    if stopped_by_fault or killed:
        sys.exit(1)


def _press(key: str, calls: Mapping[str, str], system: System) -> None:
    """Do what a key of the live view stands for; in the thread that reads the keys."""
    if key == 'q':
        # As Ctrl-C does: the arm is brought to rest first.
        os.kill(os.getpid(), signal.SIGINT)
    elif key in calls:
        system.request(calls[key])


def _follow(system: System) -> None:
    """Print each new state and each new reason once, unless the live view shows them."""
    view, count, news = system.view, 0, _News()
    while True:
        time.sleep(0.2)
        # Every state, also one that was left before anybody looked.
        states = [state.value for state, _ in view.states[count:]]
        count += len(states)
        lines = news.lines(view, states, time.monotonic())
        if lines and not sys.stderr.isatty():
            click.echo('\n'.join(lines), err=True)


class _News:
    """What is worth a line: a new state, a new reason, a new answer."""

    def __init__(self) -> None:
        self._reason = self._answer = ''
        self._problems: dict[str, str] = {}
        # Reasons of the present state, and when they were said: two may take turns.
        self._said: dict[str, float] = {}

    def lines(self, view: View, states: list[str], now: float) -> list[str]:
        """
        Return the lines that say what is new.

        :param states: entered since the last call.
        :param now: monotonic instant [s].
        """
        state = view.state.value if view.state else ''
        # An age or a figure that changes is nothing new.
        reason = 'old' if view.warning else FIGURE.sub('', view.why)
        lines = states[:-1]
        if states:
            self._said.clear()
        if states or (reason != self._reason
                      and now - self._said.get(reason, -math.inf) > SAY_AGAIN_S):
            self._reason, self._said[reason] = reason, now
            lines.append(': '.join(filter(None, (state, view.warning or view.why))))
        if view.answer != self._answer:
            self._answer = view.answer
            lines.append(view.answer)
        problems = {name: FIGURE.sub('', text) for name, text in view.problems.items()}
        lines += [f'Warning: {name}: {view.problems[name]}' for name, text in problems.items()
                  if text != self._problems.get(name)]
        self._problems = problems
        return lines


def _report(common: CommonOptions, view: View, killed: list[str], stop: str) -> None:
    errors = [f'killed because they did not exit: {", ".join(killed)}'] if killed else []
    if stop:
        errors.insert(0, f'Safe stop fired: {stop}')
    if common.as_json:
        failure = {'error': '; '.join(errors)} if errors else {}
        text.document({'ok': not errors, 'states': [state.value for state, _ in view.states],
                       'causes': list(map(key_values.to_plain, view.causes)),
                       'killed': killed, **failure})
        return
    for error in errors:
        click.echo(error, err=True)
