# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 monitor``: the readings of every servo: live, in a file, or as a chart."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, ExitStack
import csv
from dataclasses import dataclass, field
import math
from pathlib import Path
import time

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from reflex_ros.cli import text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.interrupt import interruptible
from reflex_ros.cli.loss_curve import check_plot
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.output_file import writing
from reflex_ros.cli.so101_port import arm_command, open_bus
from reflex_ros.domain.counted import counted
from reflex_ros.hardware.survey import joint_name, Reading, Survey

COLUMNS = ('joint', 'tick', 'deg', 'rad', 'rad/s', 'load %', 'A', 'V', 'degC', 'torque', 'errors')
TEXTS = ('joint', 'torque', 'errors')
CSV_HEAD = ('time_s', 'id', 'joint', 'position_ticks', 'position_rad', 'velocity_rad_s', 'load',
            'current_a', 'voltage_v', 'temperature_c', 'torque', 'errors')
PANELS: tuple[tuple[str, Callable[[Reading], float]], ...] = (
    ('position [deg], or tick when not calibrated',
     lambda r: r.ticks if r.position is None else math.degrees(r.position)),
    ('load [% of the drive]', lambda r: 100.0 * r.load),
    ('current [A]', lambda r: r.current),
    ('temperature [degC]', lambda r: r.temperature),
)
HISTORY = 100_000
REDRAW_S = 0.1
WARM_C, HOT_C = 55, 62


@dataclass(slots=True)
class History:
    """
    The readings so far.

    :param samples: instant [s] and readings by servo id; the newest ``HISTORY`` are kept.
    :param misses: servo id -> number of missed answers.
    """

    samples: deque[tuple[float, Mapping[int, Reading]]] = field(
        default_factory=lambda: deque(maxlen=HISTORY))
    misses: dict[int, int] = field(default_factory=dict)
    newest: dict[int, Reading] = field(default_factory=dict)

    def add(self, at: float, readings: Mapping[int, Reading], silent: tuple[int, ...]) -> None:
        """Add one sample."""
        self.samples.append((at, readings))
        self.newest |= readings
        for servo_id in silent:
            self.misses[servo_id] = self.misses.get(servo_id, 0) + 1

    @property
    def seconds(self) -> float:
        """Time from the first sample to the newest [s]."""
        return self.samples[-1][0] - self.samples[0][0] if self.samples else 0.0

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return (len(self.samples) - 1) / self.seconds if self.seconds else 0.0


@arm_command(
    'reflex so101 monitor', 'reflex so101 monitor --seconds 10 --csv arm.csv --plot arm.png',
    'reflex so101 monitor --seconds 1 --json')
@click.option('--seconds', type=FiniteRange(0.1),
              help='Duration in seconds (default: until Ctrl-C).')
@click.option('--rate', 'rate_hz', type=FiniteRange(1.0, 200.0), default=50.0,
              show_default=True, help='Samples per second.')
@click.option('--csv', 'csv_path', type=click.Path(dir_okay=False, path_type=Path),
              help='CSV file for every sample.')
@click.option('--plot', type=click.Path(dir_okay=False, path_type=Path),
              help='PNG file for charts of position, load, current and temperature.')
def monitor(common: CommonOptions, seconds: float | None, rate_hz: float, csv_path: Path | None,
            plot: Path | None, port: str | None) -> None:
    """
    Show position, load, current and temperature of every servo.

    The command works with an arm that is not calibrated and with missing servos, and writes
    nothing to the servos. At the end it prints the last values. It exits with 1 when a servo
    never answered.
    """
    check_plot(plot)
    history = History()
    with interruptible(), open_bus(port) as bus, _csv(csv_path) as write_row:
        survey = Survey(bus)
        absent = survey.absent
        try:
            with _view(history, bus.port.name, quiet=common.as_json) as redraw:
                for at, readings in _samples(survey, seconds, rate_hz):
                    history.add(at, readings, survey.silent)
                    write_row(at - history.samples[0][0], readings)
                    redraw()
        except KeyboardInterrupt:
            # Ctrl-C is the usual way to end this command.
            pass
        name = bus.port.name
    if plot:
        with writing(plot, '--plot'):
            _plot(plot, history)
    lines = (*text.grid(COLUMNS, [_cells(reading) for reading in history.newest.values()]),
             f'\n{counted(len(history.samples), "sample")} in {history.seconds:.1f} s, '
             f'{history.rate_hz:.1f} Hz{_silence(history)}',
             *([f'Readings: {csv_path}'] if csv_path else []),
             *([f'Charts: {plot}'] if plot else []))
    files = {'csv': str(csv_path or ''), 'plot': str(plot or '')}
    value = _document(history, name, absent) | files
    if absent:
        text.fail(common, f'servo {", ".join(map(str, absent))} never answered. Check the cable '
                  'before it, and the servo supply', value, *lines)
    text.report(common, value, *lines)


def _samples(survey: Survey, seconds: float | None,
             rate_hz: float) -> Iterator[tuple[float, dict[int, Reading]]]:
    began = due = time.monotonic()
    while seconds is None or due - began <= seconds:
        yield survey.read()
        # A late sample delays all later ones: the rate does not rise to catch up.
        due = max(due + 1.0 / rate_hz, time.monotonic())
        time.sleep(max(due - time.monotonic(), 0.0))


@contextmanager
def _csv(path: Path | None) -> Iterator[Callable[[float, Mapping[int, Reading]], None]]:
    with ExitStack() as stack:
        writer = None
        if path is not None:
            with writing(path, '--csv'):
                writer = csv.writer(stack.enter_context(
                    path.open('w', newline='', encoding='utf-8')))
            writer.writerow(CSV_HEAD)

        def write_row(at: float, readings: Mapping[int, Reading]) -> None:
            if writer is None:
                return
            for servo_id, r in readings.items():
                writer.writerow((
                    f'{at:.4f}', servo_id, joint_name(servo_id), r.ticks,
                    '' if r.position is None else f'{r.position:.5f}', f'{r.velocity:.4f}',
                    r.load, f'{r.current:.4f}', r.voltage, r.temperature, int(r.torque),
                    ' '.join(r.errors)))

        yield write_row


@contextmanager
def _view(history: History, port: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda: None
        return
    drawn_at = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        def redraw() -> None:
            nonlocal drawn_at
            now = time.monotonic()
            if now - drawn_at >= REDRAW_S:
                drawn_at = now
                live.update(_live_table(history, port), refresh=True)

        yield redraw


def _live_table(history: History, port: str) -> Table:
    table = Table(box=None, header_style='dim', title_justify='left', caption_justify='left',
                  title=f'{port}   {history.rate_hz:.1f} Hz   press Ctrl-C to stop',
                  caption=_silence(history).lstrip(', ') or None)
    for name in COLUMNS:
        table.add_column(name, justify='left' if name in TEXTS else 'right')
    for reading in history.newest.values():
        hot = reading.errors or reading.temperature >= HOT_C
        table.add_row(*_cells(reading), style='bold red' if hot else 'yellow'
                      if reading.temperature >= WARM_C else None)
    return table


def _cells(r: Reading) -> tuple[str, ...]:
    return (joint_name(r.servo_id), str(r.ticks),
            '-' if r.position is None else f'{math.degrees(r.position):+.1f}',
            '-' if r.position is None else f'{r.position:+.3f}', f'{r.velocity:+.2f}',
            f'{100 * r.load:+.0f}', f'{r.current:.2f}', f'{r.voltage:.1f}', str(r.temperature),
            'on' if r.torque else 'off', ', '.join(r.errors))


def _silence(history: History) -> str:
    parts = [f'servo {servo_id} silent {counted(count, "time")}'
             for servo_id, count in sorted(history.misses.items())]
    return ''.join(f', {part}' for part in parts)


def _document(history: History, port: str, absent: tuple[int, ...]) -> dict[str, object]:
    return {
        'ok': not absent, 'port': port, 'samples': len(history.samples),
        'seconds': round(history.seconds, 3), 'rate_hz': round(history.rate_hz, 2),
        'absent': list(absent), 'misses': {str(id_): n for id_, n in history.misses.items()},
        'servos': [{
            'id': r.servo_id, 'joint': joint_name(r.servo_id), 'position_ticks': r.ticks,
            'position_rad': r.position, 'velocity_rad_s': r.velocity, 'load': r.load,
            'current_a': r.current, 'voltage_v': r.voltage, 'temperature_c': r.temperature,
            'torque': r.torque, 'errors': list(r.errors)} for r in history.newest.values()]}


def _plot(path: Path, history: History) -> None:
    from reflex_ros.cli import chart

    began = history.samples[0][0] if history.samples else 0.0
    chart.draw(path, [chart.Panel(title, {
        joint_name(servo_id): [(at - began, value(readings[servo_id]))
                               for at, readings in history.samples if servo_id in readings]
        for servo_id in history.newest}) for title, value in PANELS])
