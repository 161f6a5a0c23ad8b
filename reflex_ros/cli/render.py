# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The live view of a running system on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import threading

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reflex_ros.bringup.system import View
from reflex_ros.cli.link_line import link_line
from reflex_ros.domain.heartbeats import MotionState
from reflex_ros.domain.safe_stop import State

COLOURS = {'ACTIVE': 'bold green', 'READY': 'green', 'DRY_RUN': 'cyan', 'LATCHED': 'bold red',
           'FAULT': 'bold red', 'STOPPING': 'yellow', 'DEGRADED': 'yellow'}
BAR = 24
WIDE = 110
"""Columns from which the joints have bars."""
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
    state = view.state.value if view.state else 'starting'
    head = Text.assemble(('Reflex ', 'bold'), (f' {state} ', COLOURS.get(state, 'bold')),
                         f'  session {view.stream.session_mode.value or "none"}',
                         f'  prompt "{view.stream.prompt}"' if view.stream.prompt else '')
    why = view.why
    lines: list[RenderableType] = [head]
    if activity:
        lines.append(Text(activity, 'italic'))
    if view.answer:
        lines.append(Text(view.answer, 'bold'))
    if view.warning:
        lines.append(Text(f'This is old: {view.warning}', 'bold red'))
    for name, problem in view.problems.items():
        lines.append(Text(f'Warning: {name}: {problem}', 'yellow'))
    if why:
        lines.append(Text(f'Why nothing moves: {why}'
                          if view.state not in (State.ACTIVE, State.PARKING) else why, 'yellow'))
    if view.stream.commander.text:
        lines.append(Text(f'Guidance: {view.stream.commander.text}', 'bold yellow'))
    if view.safety.remark:
        lines.append(Text(f'The policy: {view.safety.remark}', 'yellow'))
    lines += [_Sides(view), _Figures(view)]
    return Panel(Group(*lines), border_style='dim')


def _joints(view: View, *, has_bars: bool) -> Table:
    table = Table(box=None, header_style='dim', title='joints [rad]', title_justify='left')
    for name in ('joint', 'measured', 'commanded', *([''] if has_bars else [])):
        # A name that is cut off may be that of another joint: shoulder_pan, shoulder_lift.
        table.add_column(name, justify='left' if name in ('joint', '') else 'right', no_wrap=True,
                         min_width=None if name else BAR, overflow='fold')
    measured = view.snapshot.get('positions') or []
    commanded = view.driver.setpoint
    armed = view.driver.motion is not MotionState.PASSIVE
    for index, name in enumerate(view.snapshot.get('joints') or []):
        value = measured[index] if index < len(measured) else None
        goal = commanded[index] if armed and index < len(commanded) else None
        table.add_row(name, '-' if value is None else f'{value:+.3f}',
                      '-' if goal is None else f'{goal:+.3f}',
                      *([_bar(value)] if has_bars else []))
    return table


def _bar(value: float | None) -> str:
    if value is None:
        return ''
    place = round((min(max(value / SPAN_RAD, -1.0), 1.0) + 1.0) / 2 * (BAR - 1))
    return ''.join('o' if index == place else '|' if index == BAR // 2 else '.'
                   for index in range(BAR))


def _gate(view: View) -> Table:
    table = Table(box=None, show_header=False, title='promotion gate', title_justify='left')
    is_past = view.state in (State.ARMING, State.ACTIVE, State.DEGRADED, State.STOPPING,
                             State.PARKING, State.PARKED)
    for item in view.safety.gate:
        if is_past:
            table.add_row(Text('-', 'dim'), Text(item.name, 'dim'), '')
        elif item.is_green:
            table.add_row(Text('ok', 'green'), item.name, '')
        else:
            table.add_row(Text('..', 'yellow'), item.name, Text(item.text[:48], 'dim'))
    return table


@dataclass(frozen=True, slots=True)
class _Sides:
    """The joints beside the gate; without their bars where there is no room for them."""

    view: View

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        joints = _joints(self.view, has_bars=options.max_width >= WIDE)
        least = console.measure(joints, options=options).maximum
        table = Table.grid(padding=(0, 3))
        table.add_column(min_width=least, no_wrap=True)
        table.add_column()
        table.add_row(joints, _gate(self.view))
        yield table


@dataclass(frozen=True, slots=True)
class _Figures:
    """The line of figures, as wide as it may be."""

    view: View

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = self.view
        yield Text(link_line(view.stream, view.driver, view.cameras, options.max_width), 'dim')
