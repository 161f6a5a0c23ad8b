# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The live view of a running system on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
import threading

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reflex_ros.bringup.system import View
from reflex_ros.domain.joints import JOINT_NAMES

COLOURS = {'ACTIVE': 'bold green', 'READY': 'green', 'DRY_RUN': 'cyan', 'LATCHED': 'bold red',
           'FAULT': 'bold red', 'STOPPING': 'yellow', 'DEGRADED': 'yellow'}
BAR = 24
SPAN_RAD = 2.0
REFRESH_HZ = 8


@contextmanager
def live_display(view: View, activity: Callable[[], str], *, quiet: bool) -> Iterator[None]:
    """
    Show a live view on stderr while the block runs, if stderr is a terminal.

    :param activity: returns what the command itself is doing, in a few words.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    done = threading.Event()
    with Live(console=console, refresh_per_second=REFRESH_HZ) as live:
        def refresh() -> None:
            while not done.wait(1.0 / REFRESH_HZ):
                live.update(live_view(view, activity()))

        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(1.0)
            live.update(live_view(view, activity()))


def live_view(view: View, activity: str) -> RenderableType:
    """
    Draw the present state of the system.

    :param activity: what the command itself is doing, in a few words.
    """
    state = view.state or 'starting'
    head = Text.assemble(('Reflex ', 'bold'), (f' {state} ', COLOURS.get(state, 'bold')),
                         f'  session {view.stream("session_mode") or "none"}',
                         f'  prompt "{view.stream("prompt")}"' if view.stream('prompt') else '')
    why = view.safety('why')
    lines: list[RenderableType] = [head]
    if activity:
        lines.append(Text(activity, 'italic'))
    if why:
        lines.append(Text(f'Why nothing moves: {why}' if state not in ('ACTIVE', 'PARKING')
                          else why, 'yellow'))
    sides = Table.grid(padding=(0, 3))
    sides.add_row(_joints(view), _gate(view))
    lines += [sides, _figures(view)]
    return Panel(Group(*lines), border_style='dim')


def _joints(view: View) -> Table:
    table = Table(box=None, header_style='dim', title='joints [rad]', title_justify='left')
    for name in ('joint', 'measured', 'commanded', ''):
        table.add_column(name, justify='left' if name in ('joint', '') else 'right')
    measured = view.snapshot.get('positions') or []
    commanded = json.loads(view.driver('setpoint') or '[]')
    armed = view.driver('motion') not in ('', 'passive')
    for index, name in enumerate(JOINT_NAMES):
        value = measured[index] if index < len(measured) else None
        goal = commanded[index] if armed and index < len(commanded) else None
        table.add_row(name, '-' if value is None else f'{value:+.3f}',
                      '-' if goal is None else f'{goal:+.3f}', _bar(value))
    return table


def _bar(value: float | None) -> str:
    if value is None:
        return ''
    place = round((min(max(value / SPAN_RAD, -1.0), 1.0) + 1.0) / 2 * (BAR - 1))
    return ''.join('o' if index == place else '|' if index == BAR // 2 else '.'
                   for index in range(BAR))


def _gate(view: View) -> Table:
    table = Table(box=None, show_header=False, title='promotion gate', title_justify='left')
    is_past = view.state in ('ARMING', 'ACTIVE', 'DEGRADED', 'STOPPING', 'PARKING', 'PARKED')
    for key, value in view.snapshot.get('safety', {}).items():
        if not key.startswith('gate.'):
            continue
        name = key.removeprefix('gate.')
        if is_past:
            table.add_row(Text('-', 'dim'), Text(name, 'dim'), '')
        elif value == 'ok':
            table.add_row(Text('ok', 'green'), name, '')
        else:
            table.add_row(Text('..', 'yellow'), name, Text(value[:48], 'dim'))
    return table


def _figures(view: View) -> Text:
    def number(text: str, form: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return '-'
        return format(value, form) if value >= 0 else '-'

    return Text(
        f'chunks {view.stream("accepted") or 0} accepted of {view.stream("received") or 0}'
        f'   age {number(view.stream("age_ms"), ".0f")} ms'
        f'   round trip {number(view.stream("rtt_ms_p50"), ".0f")} ms'
        f'   bus {number(view.driver("rate_hz"), ".1f")} Hz'
        f', cycle p99 {number(view.driver("cycle_ms_p99"), ".1f")} ms'
        f'   torque {"on" if view.driver("torque") == "true" else "off"}', 'dim')
