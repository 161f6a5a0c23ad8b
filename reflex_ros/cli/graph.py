# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The commands of the operator: status, gate, promote, demote, take-over, stop and so on.

They find the running graph by the notes of its nodes (``runner.running_graphs``) and visit it over
ROS. The visitor is looked up by name, because only a ROS installation can import it.

A stop must not wait for imports: what only the output needs is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
import json
import os
import subprocess
import sys
from typing import Any, NoReturn

import click

from reflex_ros.bringup import dds, packages, process_table
from reflex_ros.bringup.process_table import Process
from reflex_ros.cli.options import CommonOptions, Function, local_command
from reflex_ros.domain import secret_variables
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.runner import running_graphs
from reflex_ros.runner.running_graphs import Graph, VARIABLES

VISIT, LEAD = 'reflex_ros.nodes.graph_client:visit', 'reflex_ros.nodes.graph_leader:lead'
"""How a command enters a graph: as a visitor, or as the leader that the arm follows."""
OTHERS_S = 30.0
ENDS = 'hq '
"""Keys that end a guidance by keys; space stops the arm."""
HOW_TO_NAME = 'Name one with --domain, --namespace or both'


def _check_namespace(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Refuse a namespace before ROS would, whose texts are for programmers."""
    try:
        is_one = value is None or len(process_table.namespaces(value)) == 1
    except ConfigurationError:
        is_one = False
    if not is_one:
        raise click.UsageError(f'--namespace {value!r}: expected one ROS name, such as left')
    return value


def graph_options(function: Function) -> Function:
    """Add the options that choose the graph."""
    for option in (
            click.option('--domain', type=click.IntRange(0, 232), help='ROS domain of the graph '
                         '(default: the graph that runs on this machine, then ROS_DOMAIN_ID).'),
            click.option('--namespace', callback=_check_namespace,
                         help='ROS namespace of the robot (default: the one that runs on this '
                         'machine).')):
        function = option(function)
    return function


@local_command('reflex status', 'reflex status --namespace left --json')
@graph_options
def status(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    Show the state of the running graph and why nothing moves.

    Every line names the age of its news. The exit code is 1 when the supervisor is silent.
    """
    from reflex_ros.cli import graph_view

    with _visit(domain, namespace) as (graph, visitor):
        seen = visitor.status()
    if not seen.ages_s:
        raise ReflexError(_nobody(graph, 'no node was heard'))
    if common.as_json:
        _print(graph_view.document(graph, seen), graph)
    else:
        for line in graph_view.lines(graph, seen):
            click.echo(line)
    if seen.warning:
        sys.exit(1)


@local_command('reflex gate')
@graph_options
def gate(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    List every check of the promotion gate.

    The exit code is 1 while a check is red. With --json, `gate` has the checks one by one, as
    `status --json` has them.
    """
    with _visit(domain, namespace) as (graph, visitor):
        answer = visitor.call('gate')
        checks: dict[str, object] = {}
        if common.as_json and answer.is_heard:
            from reflex_ros.domain import key_values

            checks['gate'] = [key_values.to_plain(item) for item in visitor.status().safety.gate]
        _finish(common, graph, answer, checks)


@local_command('reflex promote')
@graph_options
def promote(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    Let the policy move the arm, if the gate is green.

    Keep people out of reach of the arm first.
    """
    _call(common, 'promote', domain, namespace)


@local_command('reflex demote')
@graph_options
def demote(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """Stop the arm as planned and go back to dry_run."""
    _call(common, 'demote', domain, namespace)


@local_command('reflex reset')
@graph_options
def reset(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    Clear a latched stop after its cause is repaired.

    Nothing moves by it. It is refused while a node is silent, not at rest
    or not configured. Other causes that persist keep the gate red.
    """
    _call(common, 'reset', domain, namespace)


@local_command('reflex park')
@graph_options
def park(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """Move the arm slowly to its rest pose, then switch torque off."""
    _call(common, 'park', domain, namespace)


@local_command('reflex take-over', 'reflex take-over --keyboard')
@click.option('--keyboard', 'has_keyboard', is_flag=True, help='Guide the arm with the keys of '
              'this terminal, joint by joint. No leader arm is needed.')
@graph_options
def take_over(common: CommonOptions, has_keyboard: bool, domain: int | None,
              namespace: str | None) -> None:
    """
    Guide the arm with a leader arm or keys, in place of the policy.

    The arm approaches the pose of the leader slowly, then follows it. The checks of the driver,
    `reflex stop` and the recording stay as they are. The policy is still asked, and `reflex
    hand-back` lets it move the arm again. Start the graph with `reflex up --leader PORT`.

    With --keyboard, two keys move each joint, h hands the arm back, and space stops it. When this
    terminal dies, the arm stops within a second.
    """
    if has_keyboard:
        _guide_by_keyboard(common, find_graph(domain, namespace))
    else:
        _call(common, 'take_over', domain, namespace)


@local_command('reflex hand-back')
@graph_options
def hand_back(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    Let the policy move the arm again, after `reflex take-over`.

    The arm rests until the policy has seen where it is now.
    """
    _call(common, 'hand_back', domain, namespace)


@local_command('reflex stop')
@graph_options
def stop(common: CommonOptions, domain: int | None, namespace: str | None) -> None:
    """
    Stop the arm and latch the stop.

    The driver obeys by itself: this works without the supervisor too. When several robots run on
    this machine and none is named, all of them are stopped.
    """
    graphs = _candidates(domain, namespace)
    if len(graphs) > 1:
        _stop_all(common, graphs)
        return
    with _visit_graph(graphs[0]) as visitor:
        _finish(common, graphs[0], visitor.stop())


def _guide_by_keyboard(common: CommonOptions, graph: Graph) -> None:
    from reflex_ros.cli import keys
    from reflex_ros.cli.interrupt import interruptible, shielded

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ReflexError('--keyboard needs a terminal. Without one, use a leader arm: `reflex up '
                          '--leader PORT`')
    pressed: list[str] = []
    with _visit_graph(graph, LEAD) as leader:
        answer = leader.take_over()
        if not answer.is_done:
            _finish(common, graph, answer)
        ended = ''

        def press(key: str) -> None:
            if not leader.guide.press(key) and key in ENDS:
                pressed.append(key)

        with interruptible(), suppress(KeyboardInterrupt), keys.pressed(press):
            click.echo(f'You guide the arm: {leader.guide.help}\nh or q: hand back   '
                       'space: stop', err=True)
            ended = leader.follow(lambda: bool(pressed))
        with shielded():
            # Ctrl-C hands the arm back as well: its policy moved it before.
            answer = leader.stop() if ' ' in pressed else leader.call('hand_back')
    if ended:
        raise ReflexError(ended)
    _finish(common, graph, answer)


def _call(common: CommonOptions, name: str, domain: int | None, namespace: str | None) -> None:
    with _visit(domain, namespace) as (graph, visitor):
        _finish(common, graph, visitor.call(name))


def _finish(common: CommonOptions, graph: Graph, answer: Any,
            more: Mapping[str, object] | None = None) -> None:
    """
    Print an answer of the visitor; exit with 1 when the request was refused.

    :param more: further fields of the JSON document.
    """
    if not answer.is_heard:
        raise ReflexError(_nobody(graph, answer.text))
    if common.as_json:
        key = 'message' if answer.is_done else 'error'
        _print({'ok': answer.is_done, key: answer.text, **(more or {})}, graph)
    else:
        click.echo(answer.text, err=not answer.is_done)
    if not answer.is_done:
        sys.exit(1)


def _print(content: dict[str, object], graph: Graph | None = None) -> None:
    """Print a JSON document, with the place of the graph that it is about."""
    from reflex_ros.cli import text

    place = {} if graph is None else {'domain': graph.domain, 'namespace': graph.namespace}
    text.document({**content, **place})


def _stop_all(common: CommonOptions, graphs: Sequence[Graph]) -> None:
    """Stop several graphs at the same time, each in a process: a domain is one per process."""
    def run(graph: Graph) -> dict[str, object]:
        # This machine's note is found again, with the settings of its middleware.
        done = subprocess.run(
            [sys.executable, '-m', 'reflex_ros', 'stop', '--json', '--domain', str(graph.domain),
             '--namespace', graph.namespace], capture_output=True, text=True, check=False,
            timeout=OTHERS_S, env=secret_variables.without(os.environ))
        try:
            answer: dict[str, object] = json.loads(done.stdout)
        except ValueError:
            return {'ok': False, 'error': done.stderr.strip()[-200:]}
        return answer

    with ThreadPoolExecutor(len(graphs)) as pool:
        answers = list(pool.map(run, graphs))
    failed = [answer for answer in answers if not answer['ok']]
    if common.as_json:
        failure = {'error': '; '.join(str(answer.get('error')) for answer in failed)}
        _print({'ok': not failed, 'graphs': answers, **(failure if failed else {})})
    else:
        for graph, answer in zip(graphs, answers, strict=True):
            click.echo(f'{graph}: {answer.get("message") or answer.get("error")}')
    if failed:
        sys.exit(1)


# Which graph.


def _candidates(domain: int | None, namespace: str | None) -> list[Graph]:
    """Return the graphs that run here and fit; if none does, the one that the options name."""
    wanted = None if namespace is None else namespace.strip('/')
    graphs = [graph for graph in running_graphs.find()
              if domain in (None, graph.domain) and wanted in (None, graph.namespace)]
    if graphs:
        return graphs
    if domain is None:
        given = os.environ.get('ROS_DOMAIN_ID') or '0'
        if not given.isdecimal():
            raise click.UsageError(f'ROS_DOMAIN_ID is {given!r}, which is no number')
        domain = int(given)
    # As a node that starts here now.
    environment = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return [Graph(domain, wanted or '', environment | dds.environment())]


def find_graph(domain: int | None, namespace: str | None) -> Graph:
    """
    Return the one graph that is meant.

    :raises click.UsageError: when several run here and fit.
    """
    graphs = _candidates(domain, namespace)
    if len(graphs) > 1:
        raise click.UsageError(f'{len(graphs)} graphs run on this machine: '
                               f'{"; ".join(map(str, graphs))}. {HOW_TO_NAME}')
    return graphs[0]


def become(process: Process, graph: Graph) -> NoReturn:
    """Run a node of a graph in place of this process: signals and exit code are the node's."""
    environment = process.complete_environment(graph.complete_environment(os.environ))
    # A person reads what the node says, and needs neither its clock nor its name.
    environment.setdefault('RCUTILS_CONSOLE_OUTPUT_FORMAT', '[{severity}] {message}')
    command = process.command(graph.namespace)
    os.execvpe(command[0], command, environment)  # noqa: S606  # our own interpreter


@contextmanager
def _visit(domain: int | None, namespace: str | None) -> Iterator[tuple[Graph, Any]]:
    """Enter the one graph that is meant."""
    graph = find_graph(domain, namespace)
    with _visit_graph(graph) as visitor:
        yield graph, visitor


@contextmanager
def _visit_graph(graph: Graph, how: str = VISIT) -> Iterator[Any]:
    packages.check_packages(sim=False)
    # As in the nodes: otherwise the middleware of the two may not find each other.
    for name in VARIABLES:
        os.environ.pop(name, None)
    os.environ.update(graph.environment)
    module, _, name = how.partition(':')
    enter: Callable[[int, str], Any] = getattr(import_module(module), name)
    with enter(graph.domain, graph.namespace) as visitor:
        yield visitor


def _nobody(graph: Graph, what: str) -> str:
    if graph.nodes:
        return (f'{what} in {graph}, although processes run there ({", ".join(graph.nodes)}). '
                'Look at their logs')
    return (f'{what} in {graph}. Start the graph with `reflex up`, or name another one: '
            '--domain, --namespace')
