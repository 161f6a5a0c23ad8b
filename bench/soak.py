# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run the whole graph for hours, with reconnects and benign faults: ``make soak HOURS=2``.

Every few seconds: memory, descriptors, threads and processor time of each process, and the
counters of the graph, as one JSON line of bench/soak.jsonl. In between, at random: a cable that is
pulled out, a link that is cut, a node that is killed, a person who stops; each is repaired, and
the arm moves again. A stop that nobody has caused is a finding, and so is a process that keeps
growing.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
import random
import tempfile
import time
from typing import Any

import click
import numpy as np

from reflex_ros.bringup.demo import Demo, FAULTS
from reflex_ros.bringup.system import NotInTime
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ReflexError

RESULTS = Path(__file__).parent / 'soak.jsonl'
PICTURE = Path(__file__).parents[1] / 'doc' / 'pictures' / 'soak.png'
SAMPLE_S = 5.0
QUIET_S = (30.0, 90.0)
BENIGN = ('kill_stream', 'drop_link', 'stop', 'kill_service', 'unplug', 'silent_link')
WARM_S = 300.0
"""Until then caches and the log of the emulated bus fill: growth is measured from then on [s]."""
TICK_S = 1.0 / os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')


def of_process(pid: int) -> dict[str, float]:
    """Return memory [MB], descriptors, threads and processor time [s] of a process."""
    root = Path('/proc') / str(pid)
    fields = (root / 'stat').read_text().rpartition(')')[2].split()
    return {'rss_mb': round(int((root / 'statm').read_text().split()[1]) * PAGE / 1e6, 2),
            'files': len(os.listdir(root / 'fd')), 'threads': int(fields[17]),
            'cpu_s': round((int(fields[11]) + int(fields[12])) * TICK_S, 2)}


def sample(demo: Demo, began: float) -> dict[str, Any]:
    """Return one line: every process, and what the graph counts."""
    view, processes = demo.system.view, {}
    for name, child in demo.system.group.children.items():
        try:
            processes[name] = {**of_process(child.pid), 'pid': child.pid}
        except OSError:
            # It is being started again.
            continue
    driver, stream = view.driver, view.stream
    return {'at_s': round(time.monotonic() - began, 1), 'load': os.getloadavg()[0],
            'state': view.state.value if view.state else '', 'processes': processes,
            'cycles': driver.cycles, 'rate_hz': driver.rate_hz, 'late_ms_max': driver.late_ms_max,
            'sent': stream.sent, 'accepted': stream.accepted, 'refused': stream.refused,
            'holds': driver.holds}


class Soak:
    """
    One run.

    :param out: where the lines go.
    """

    def __init__(self, demo: Demo, rng: random.Random, out: Any) -> None:
        self._demo = demo
        self._rng = rng
        self._out = out
        self._began = time.monotonic()
        self.faults: dict[str, int] = {}
        self.findings: list[str] = []

    def run(self, seconds: float) -> None:
        """Move, break, repair, until the time is over."""
        while time.monotonic() - self._began < seconds:
            try:
                self._demo.bring_to_motion()
                self._move(self._rng.uniform(*QUIET_S))
                self._break(self._rng.choice(BENIGN))
            except (NotInTime, ReflexError) as exc:
                self._find(str(exc))
                self._demo.system.call('reset')

    def _move(self, seconds: float) -> None:
        until, moving = time.monotonic() + seconds, (State.ACTIVE, State.DEGRADED)
        while time.monotonic() < until:
            self._write(sample(self._demo, self._began))
            time.sleep(SAMPLE_S)
            view = self._demo.system.view
            if view.state not in moving:
                raise ReflexError(f'a stop that nobody has caused: {view.summary}')

    def _break(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1
        measured = self._demo.inject(FAULTS[name])
        self._write({'at_s': round(time.monotonic() - self._began, 1), 'fault': measured})
        if measured['cause'] != FAULTS[name].cause.name:
            self._find(f'{name} was called {measured["cause"]}')
        if not self._demo.recover(FAULTS[name]):
            self._find(f'{name}: the arm did not move again')

    def _find(self, text: str) -> None:
        self.findings.append(text)
        click.echo(f'FINDING at {time.monotonic() - self._began:.0f} s: {text}')
        self._write({'at_s': round(time.monotonic() - self._began, 1), 'finding': text})

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + '\n')
        self._out.flush()


def growth(lines: list[dict[str, Any]], name: str, figure: str) -> float:
    """Return by how much a figure of a process grows [1/h], over its longest life."""
    lives: dict[int, list[tuple[float, float]]] = {}
    for line in lines:
        if name in line.get('processes', {}) and line['at_s'] > WARM_S:
            found = line['processes'][name]
            lives.setdefault(found['pid'], []).append((line['at_s'], found[figure]))
    longest = max(lives.values(), key=len, default=[])
    if len(longest) < 10:
        return 0.0
    times, values = np.array(longest).T
    return float(np.polyfit(times, values, 1)[0] * 3600.0)


def summary(lines: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a row per process: memory at the end, growth of memory, descriptors and threads."""
    names = {name for line in lines for name in line.get('processes', {})}
    for name in sorted(names):
        own = [line['processes'][name] for line in lines if name in line.get('processes', {})]
        life = [each for each in own if each['pid'] == own[-1]['pid']]
        yield (name, f'{own[-1]["rss_mb"]:.0f}', *(
            f'{growth(lines, name, figure):+.1f}' for figure in ('rss_mb', 'files', 'threads')),
            f'{len({each["pid"] for each in own})}',
            f'{(life[-1]["cpu_s"] - life[0]["cpu_s"]) / max((len(life) - 1) * SAMPLE_S, 1):.0%}')


def draw(lines: list[dict[str, Any]]) -> None:
    """Draw memory, descriptors and threads of each process, and the latest cycle."""
    from reflex_ros.cli import chart

    names = sorted({name for line in lines for name in line.get('processes', {})})
    panels = [chart.Panel(title, {name: [
        (line['at_s'], float(line['processes'][name][figure])) for line in lines
        if name in line.get('processes', {})] for name in names})
        for title, figure in (('memory [MB]', 'rss_mb'), ('descriptors', 'files'),
                              ('threads', 'threads'))]
    panels.append(chart.Panel('latest start of a bus cycle since the driver began [ms]', {
        'late': [(line['at_s'], line['late_ms_max']) for line in lines if 'cycles' in line]}))
    chart.draw(PICTURE, panels)


@click.command()
@click.option('--hours', default=2.0, show_default=True, help='Duration.')
@click.option('--seed', type=int, default=0, help='Seed of the faults.')
def main(hours: float, seed: int) -> None:
    """Run, then print what has grown."""
    with tempfile.TemporaryDirectory() as folder, RESULTS.open('w', encoding='utf-8') as out:
        demo = Demo(Path(folder), dry_run_s=2.0)
        try:
            demo.start()
            soak = Soak(demo, random.Random(seed), out)
            soak.run(hours * 3600.0)
        finally:
            demo.close()
    lines = [json.loads(line) for line in RESULTS.read_text(encoding='utf-8').splitlines()]
    draw(lines)
    click.echo('process | MB | MB/h | descriptors/h | threads/h | started | processor')
    for row in summary(lines):
        click.echo(' | '.join(row))
    cycles = max((line.get('cycles', 0) for line in lines), default=0)
    click.echo(f'{sum(soak.faults.values())} faults {soak.faults}, {len(soak.findings)} findings, '
               f'{cycles} cycles of the last driver')


if __name__ == '__main__':
    main()
