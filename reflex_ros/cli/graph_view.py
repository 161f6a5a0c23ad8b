# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex status`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from reflex_ros.domain import key_values
from reflex_ros.domain.graph_status import GraphStatus, NAMES
from reflex_ros.domain.heartbeats import DRIVER, STREAM, SUPERVISOR
from reflex_ros.runner.running_graphs import Graph


def document(graph: Graph, seen: GraphStatus) -> dict[str, object]:
    """Return the status as JSON data."""
    failure = {'error': seen.warning} if seen.warning else {}
    return {'ok': not seen.warning, **failure, 'sessionId': graph.session_id,
            'ageS': dict(seen.ages_s), 'problems': dict(graph.problems),
            **{name: key_values.to_plain(value) for name, value in (
                ('safety', seen.safety), (DRIVER, seen.driver), (STREAM, seen.stream),
                (SUPERVISOR, seen.supervisor))}}


def lines(graph: Graph, seen: GraphStatus) -> Iterator[str]:
    """Yield the status as lines of text: the state first, then every node with its age."""
    safety, stream, driver = seen.safety, seen.stream, seen.driver
    if seen.warning:
        yield f'Warning: {seen.warning}'
        yield f'Last known state: {safety.state.value if SUPERVISOR in seen.ages_s else "none"}'
    else:
        yield f'{safety.state.value} for {safety.for_s:.0f} s'
    if safety.why:
        yield f'Why nothing moves: {safety.why}'
    for name, problem in graph.problems.items():
        if name not in NAMES:
            yield f'Warning: {name}: {problem}'
    details = {
        DRIVER: (driver.lifecycle.value, driver.motion.value,
                 driver.torque_text, driver.problem),
        STREAM: (stream.lifecycle.value, f'link {stream.link.value}',
                 stream.commander.text,
                 _named('session', graph.session_id), stream.session_mode.value,
                 _named('prompt', stream.prompt), stream.problem),
        SUPERVISOR: (seen.supervisor.lifecycle.value, seen.supervisor.problem),
    }
    for name in NAMES:
        if name in seen.ages_s:
            words = ', '.join(filter(None, details[name]))
            yield f'{name}: {words}; heard {seen.ages_s[name]:.1f} s ago'
        else:
            yield f'{name}: not heard'
    yield str(graph)


def _named(name: str, value: str) -> str:
    return f'{name} {value}' if value else ''
