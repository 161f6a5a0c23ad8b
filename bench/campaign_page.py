# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the tables of doc/campaign.md, and its picture, from the lines in bench/campaign.jsonl.

``python -m bench.campaign_page``; the text around the tables is written by hand. The picture needs
Matplotlib: ``pip install -e '.[bench]'``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.campaign import LOUD, RESULTS, TRIALS
from bench.streaming_page import table

DOC = Path(__file__).resolve().parents[1] / 'doc'
PAGE = DOC / 'campaign.md'
SAFETY = DOC / 'safety.md'
PICTURE = DOC / 'pictures' / 'campaign.png'
BEGIN = '<!-- Begin of {}, written by `python -m bench.campaign_page`. -->\n'
END = '<!-- End of {}. -->\n'
DEATHS = 'deaths, hangs, loud losses, operator'
Line = dict[str, Any]
ROW = ('n', 'detected [ms]', 'goals constant [ms]', 'at rest [ms]', 'travel [deg]', 'latched',
       'cause right', 'recovered')
AIMS: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    (DEATHS, 'goals_constant_ms', (100, 180, 250)),
    (DEATHS, 'at_rest_ms', (240, 320, 380)),
    ('dead_link', 'goals_constant_ms', (600, 800, 900)),
    ('dead_link_slow', 'goals_constant_ms', (1200, 1500, 1700)),
)
"""Trials, figure, and what p50, p99 and maximum must not exceed."""


def lines() -> list[Line]:
    """Read all trials."""
    return [json.loads(line) for line in RESULTS.read_text(encoding='utf-8').splitlines()]


def measured(found: Sequence[Line], *, load: bool) -> list[Line]:
    """Return the trials that came to their end, with or without load."""
    return [line for line in found if line['load'] is load and 'error' not in line]


def aims(found: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """Yield the table of aims, for the busy machine."""
    yield ('trials', 'figure', 'n', 'aim p50 / p99 / max', 'seen p50 / p99 / max', '')
    busy = measured(found, load=True)
    for name, figure, bounds in AIMS:
        values = [line[figure] for line in busy if name == line['fault'] or (
            name == DEATHS and TRIALS[line['fault']].kind == LOUD)]
        if not values:
            continue
        seen = [float(np.percentile(values, q)) for q in (50, 99, 100)]
        yield (f'`{name}`' if name in TRIALS else name, figure.replace('_ms', ' [ms]').replace(
            '_', ' '), str(len(values)), ' / '.join(f'{bound:.0f}' for bound in bounds),
            ' / '.join(f'{value:.0f}' for value in seen),
            'met' if all(value <= bound for value, bound in zip(seen, bounds, strict=True))
            else '**missed**')
    every = [line for line in found if 'error' not in line]
    yield ('all', 'largest goal step [deg]', str(len(every)), '1.15 at most',
           f'{max(line["largest_step_deg"] for line in every):.2f}',
           'met' if max(line['largest_step_deg'] for line in every) <= 1.15 else '**missed**')
    outside = sum(line['goals_outside'] for line in every)
    yield ('all', 'goals outside the limits', str(len(every)), '0', str(outside),
           'met' if not outside else '**missed**')
    killed = [line['travel_deg'] for line in every if line['fault'] == 'kill_driver']
    if killed:
        yield ('`kill_driver`', 'travel after it [deg]', str(len(killed)), '10 at most',
               f'{max(killed):.1f}', 'met' if max(killed) <= 10.0 else '**missed**')


def faults(found: Sequence[Line], *, load: bool) -> Iterator[tuple[str, ...]]:
    """Yield one row per fault."""
    yield ('fault', *ROW)
    chosen = measured(found, load=load)
    for name in TRIALS:
        rows = [line for line in chosen if line['fault'] == name]
        if rows:
            yield (f'`{name}`', str(len(rows)), *(
                _spread(rows, key, digits) for key, digits in (
                    ('detected_ms', 0), ('goals_constant_ms', 0), ('at_rest_ms', 0),
                    ('travel_deg', 1))), *(
                f'{sum(bool(line[key]) for line in rows)}/{len(rows)}'
                for key in ('latched', 'cause_right', 'recovered')))


PLAIN = {
    'stop': 'you press stop', 'kill_driver': 'the driver dies', 'kill_stream': 'the stream dies',
    'kill_supervisor': 'the supervisor dies', 'hang_driver': 'the driver hangs',
    'hang_stream': 'the stream hangs', 'hang_supervisor': 'the supervisor hangs',
    'drop_link': 'the connection to the service breaks',
    'dead_link': 'the connection is silent (inference 100 ms)',
    'dead_link_slow': 'the connection is silent (inference 400 to 600 ms)',
    'unplug': 'the USB cable is unplugged', 'mute_servo': 'a servo does not answer',
    'no_supply': 'the servo supply fails: the arm falls', 'jam': 'a joint is blocked',
    'second_writer': 'another program writes to the servos', 'no_camera': 'a camera is lost',
    'overheat': 'a servo is too hot: the arm parks, then lets go',
}
"""Faults in the words of a person at the arm."""


def at_the_arm(found: Sequence[Line]) -> Iterator[tuple[str, ...]]:
    """Yield the table for a person: what happens, how fast and how far at worst, what to do."""
    yield ('what happens', 'at rest within [s]', 'moves at most [deg]', 'trials', 'what you do')
    for name, words in PLAIN.items():
        rows = [line for line in found if line['fault'] == name and 'error' not in line]
        if rows:
            yield (words, f'{max(line["at_rest_ms"] for line in rows) / 1e3:.1f}',
                   f'{max(line["travel_deg"] for line in rows):.0f}', str(len(rows)),
                   TRIALS[name].causes[0].value.next_step)


def failures(found: Sequence[Line]) -> Iterator[str]:
    """Yield the trials that were not finished, or that named another cause, as a list."""
    for line in found:
        if 'error' in line:
            yield f'- `{line["fault"]}`: the trial was not finished: {line["error"][:160]}\n'
        elif not line['cause_right'] or not line['recovered'] or not line['latched']:
            what = [text for text, is_so in (
                (f'named {line["cause"] or "nothing"}', not line['cause_right']),
                ('not latched', not line['latched']),
                ('not recovered without a restart', not line['recovered'])) if is_so]
            yield f'- `{line["fault"]}`: {", ".join(what)}\n'


def draw(found: Sequence[Line]) -> None:
    """Draw the distributions of the busy machine: one line of points per fault."""
    from matplotlib.figure import Figure

    busy = measured(found, load=True)
    names = [name for name in TRIALS if any(line['fault'] == name for line in busy)]
    figure = Figure(figsize=(12.0, 0.3 * len(names) + 1.4), layout='constrained')
    axes = figure.subplots()
    for row, name in enumerate(reversed(names)):
        rows = [line for line in busy if line['fault'] == name]
        for key, colour, offset in (('goals_constant_ms', '#0b6fb8', 0.12),
                                    ('at_rest_ms', '#d1661b', -0.12)):
            axes.plot([max(line[key], 0.0) for line in rows], [row + offset] * len(rows), '|',
                      color=colour, markersize=9,
                      label=key.replace('_ms', '').replace('_', ' ') if not row else None)
    axes.set_yticks(range(len(names)), [
        f'{name} ({sum(line["fault"] == name for line in busy)})' for name in reversed(names)])
    axes.set_xscale('symlog', linthresh=100)
    axes.set_xlabel('ms after the fault, four busy processes beside it')
    axes.grid(axis='x', color='#dddddd')
    axes.legend(loc='lower right')
    figure.savefig(PICTURE, dpi=80)


SAFETY_PARTS: dict[str, Callable[[Sequence[Line]], str]] = {
    'at_the_arm': lambda found: table(at_the_arm(found)),
}
PARTS: dict[str, Callable[[Sequence[Line]], str]] = {
    'aims': lambda found: table(aims(found)),
    'busy': lambda found: table(faults(found, load=True)),
    'quiet': lambda found: table(faults(found, load=False)),
    'failures': lambda found: ''.join(failures(found)) or 'None.\n',
}
"""Name of a generated part -> its text."""


def _spread(rows: Sequence[Line], key: str, digits: int) -> str:
    values = [line[key] for line in rows if line[key] is not None]
    if not values:
        return '-'
    return ' / '.join(f'{float(np.percentile(values, q)):.{digits}f}' for q in (50, 99, 100))


def main() -> None:
    """Replace the generated parts of the pages."""
    found = lines()
    _replace(PAGE, PARTS, found)
    _replace(SAFETY, SAFETY_PARTS, found)
    draw(found)


def _replace(page: Path, parts: Mapping[str, Callable[[Sequence[Line]], str]],
             found: Sequence[Line]) -> None:
    text = page.read_text(encoding='utf-8')
    for name, make in parts.items():
        head, _, rest = text.partition(BEGIN.format(name))
        _, _, tail = rest.partition(END.format(name))
        text = f'{head}{BEGIN.format(name)}{make(found)}{END.format(name)}{tail}'
    page.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
