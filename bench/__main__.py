# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Run benches, print a table, and append one JSON line per figure to bench/results.jsonl.

Every figure names its bench, its unit and the number of samples (n). Where there is one, it also
names its floor: the least that the task can cost, measured in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
import json
import os
from pathlib import Path
import platform
import time
from typing import Any

import click
from rich.console import Console
from rich.table import Table

BENCHES = {
    'arm_sim': 'bench.arm_sim',
    'cameras': 'bench.cameras',
    'help': 'bench.command_line',
    'whoami': 'bench.command_line',
    'start': 'bench.system',
    'faults': 'bench.system',
    'faults_busy': 'bench.system',
    'upload': 'bench.upload',
    'view_stop': 'bench.view',
    'view_cost': 'bench.view',
    'observation_step': 'bench.stream',
    'open_to_ready': 'bench.stream',
    'bus_cycle': 'bench.bus',
    'driver_cpu': 'bench.bus',
    'servo_codec': 'bench.bus',
    'command_latency': 'bench.bus',
    'long_chunk': 'bench.bus',
    'streaming': 'bench.streaming',
    'streaming_matrix': 'bench.streaming',
    'replug': 'bench.bus',
    'readers': 'bench.readers',
    'readers_busy': 'bench.readers',
}
RESULTS = Path(__file__).parent / 'results.jsonl'


@click.command()
@click.option('--only', type=click.Choice(list(BENCHES)), help='Run only this bench.')
def main(only: str | None) -> None:
    """Run all benches, or one."""
    table = Table('bench', 'figure', 'value', 'unit', 'n', 'floor', 'ratio')
    with RESULTS.open('a', encoding='utf-8') as results:
        for name in [only] if only else BENCHES:
            run: Callable[[], Iterable[dict[str, Any]]] = getattr(
                import_module(BENCHES[name]), name)
            for figure in run():
                row = {'bench': name, **figure, 'at': round(time.time()),
                       'machine': f'{os.cpu_count()} x {platform.machine()}',
                       'load': round(os.getloadavg()[0], 2)}
                if row.get('floor'):
                    row['ratio'] = round(row['value'] / row['floor'], 2)
                results.write(json.dumps(row) + '\n')
                results.flush()
                table.add_row(name, row['figure'], f'{row["value"]:.4g}', row['unit'],
                              str(row['n']), *(f'{row[key]:.4g}' if key in row else ''
                                               for key in ('floor', 'ratio')))
    Console().print(table)


if __name__ == '__main__':
    main()
