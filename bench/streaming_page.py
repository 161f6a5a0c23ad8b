# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the tables of doc/streaming.md from the newest figures in bench/results.jsonl.

``python -m bench.streaming_page``; the text around the tables is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path

import click

from bench.__main__ import RESULTS
from bench.streaming import Aim, AIMS, Case, MATRIX
from bench.streaming_baselines import Method

PAGE = Path(__file__).resolve().parents[1] / 'doc' / 'streaming.md'
BEGIN = '<!-- Begin of {}, written by `python -m bench.streaming_page`. -->\n'
END = '<!-- End of {}. -->\n'
MISSING = 'not measured'
WORDS = {
    'latched': ('no latch', '', '', 0), 'commanded_percent': ('commanded', '>=', ' %', 1),
    'longest_wait_s': ('longest wait', '<=', ' s', 2),
    'longest_standstill_s': ('longest standstill', '<=', ' s', 1),
    'peak_acceleration': ('peak acceleration', '<=', ' rad/s²', 1),
    'rms_jerk': ('jerk', '<=', ' rad/s³', 1), 'age_p50_ms': ('age', '<=', ' ms', 0),
    'speed': ('speed', '>=', '', 2), 'largest_step_rad': ('largest step', '<=', ' rad', 4),
}
"""How an aim reads: name, comparison, unit, decimals."""
Figures = dict[tuple[str, str], dict[str, float]]


def newest() -> Figures:
    """Return the newest row of each bench and figure."""
    rows: Figures = {}
    for line in RESULTS.read_text(encoding='utf-8').splitlines():
        row = json.loads(line)
        rows[row['bench'], row['figure']] = row
    return rows


def is_met(figure: str, value: float, bound: float) -> bool:
    """Return whether a value keeps an aim's bound."""
    return value >= bound if WORDS[figure][1] == '>=' else value <= bound


def aims(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the table of aims."""
    yield ('case', 'aim', '0.1.0', 'now', 'runs')
    for aim in AIMS:
        asked, now = [], []
        for name, bound in aim.bounds.items():
            words, sign, unit, digits = WORDS[name]
            asked.append(f'{words} {sign} {bound:g}{unit}' if sign else words)
            row = figures.get(('streaming', f'{aim.case.name}: {name}'))
            if row is None:
                now.append(f'{words} {MISSING}')
                continue
            text = f'{row["value"]:.{digits}f}{unit}'
            if name == 'latched':
                text = f'{row["value"]:.0f} latched' if row['value'] else words
            elif name != 'commanded_percent':
                text = f'{words} {text}'
            now.append(text if is_met(name, row['value'], bound) else f'**{text}: missed**')
        yield (aim.case.name, '; '.join(asked), aim.before, '; '.join(now),
               f'{aim.seeds} x {aim.case.seconds:.0f} s')


def missed(figures: Figures) -> Iterator[tuple[Aim, str, float, float]]:
    """Yield aim, figure, value and bound of each aim that is missed."""
    for aim in AIMS:
        for name, bound in aim.bounds.items():
            row = figures.get(('streaming', f'{aim.case.name}: {name}'))
            if row is not None and not is_met(name, row['value'], bound):
                yield aim, name, row['value'], bound


def matrix(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the table of cells: ours, the others, and how smooth ours and the best others are."""
    yield ('inference + jitter', 'ours', *(method.value for method in Method),
           'speed: ours, LeRobot weighted, RTC', 'standstill', 'peak acceleration')
    for case in MATRIX:
        yield (case.name, *_cell(figures, case))


def _cell(figures: Figures, case: Case) -> Iterator[str]:
    rows = {name: figures.get(('streaming_matrix', f'{case.name}: {name}'))
            for name in ('commanded_percent', 'longest_wait_s', 'speed', 'longest_standstill_s',
                         'peak_acceleration', 'latched')}
    commanded, waits, latched = (rows['commanded_percent'], rows['longest_wait_s'],
                                 rows['latched'])
    if commanded is None or waits is None or latched is None:
        yield from [MISSING] + [''] * 8
        return
    for method in ('value', *(method.name.lower() for method in Method)):
        text = f'{commanded[method]:.1f} / {waits[method]:.2f}'
        if waits[method] == 0.0:
            text = f'{commanded[method]:.0f}'
        yield f'**latched**, {text}' if method == 'value' and latched['value'] else text
    for name, digits in (('speed', 2), ('longest_standstill_s', 1), ('peak_acceleration', 0)):
        row = rows[name]
        yield MISSING if row is None else ', '.join(
            f'{row[method]:.{digits}f}' for method in ('value', 'weighted', 'rtc'))


def budget(case: Case, figures: Figures) -> str:
    """Say how much of a chunk is left for a fade when the next answer comes, in one paragraph."""
    link, policy = case.link, case.policy
    lasts = (policy.horizon - 1) / policy.rate_hz
    youngest = link.infer_s + link.network_s
    oldest = youngest + link.jitter_s + link.network_jitter_s
    period = link.infer_s + link.jitter_s
    left = lasts - oldest - period
    rest = (f'{left:.2f} s are left' if left > 0.0
            else f'at worst {-left:.2f} s are missing, so nothing is left')
    row = figures.get(('streaming', f'{case.name}: pace'))
    pace = '' if row is None else f' The pace is {row["value"]:.2f} at the least.'
    return (f'- **{case.name}**: {policy.horizon} rows at {policy.rate_hz:.0f} Hz last '
            f'{lasts:.2f} s. An answer is {youngest:.2f} to {oldest:.2f} s old on arrival, and '
            f'the next comes up to {period:.2f} s later: {rest} for a fade.{pace}\n')


def shortfalls(figures: Figures) -> Iterator[str]:
    """Yield what falls short, and for slow services how much time is left."""
    last = None
    for aim, name, value, bound in missed(figures):
        words, sign, unit, digits = WORDS[name]
        if aim is not last and (aim.case.link.infer_s + aim.case.link.network_s) > 0.75:
            yield budget(aim.case, figures)
        last = aim
        row = figures['streaming', f'{aim.case.name}: {name}']
        others = ', '.join(f'{method.value} {row[key]:.{digits}f}' for method in Method
                           if (key := method.name.lower()) in row)
        text = (f'{words} {value:.{digits}f}{unit}, aim {sign} {bound:g}{unit} ({others})'
                if sign else f'latched in {value:.0f} of {aim.seeds} runs')
        yield f'- **{aim.case.name}**: {text}.\n'
    still = [(case.name, found['value'], found['weighted']) for case in MATRIX
             if (found := figures.get(('streaming_matrix', f'{case.name}: longest_standstill_s')))
             and found['value'] > found['weighted']]
    if still:
        yield ('- The joints stand still, although the clock runs, longer than with LeRobot '
               '(weighted): ' + '; '.join(f'{name} {ours:.1f} s ({other:.1f} s)'
                                          for name, ours, other in still) + '.\n')


def table(rows: Iterator[tuple[str, ...]]) -> str:
    """Return a Markdown table that ends with a newline."""
    header, *body = rows
    return ''.join(f'| {" | ".join(cells)} |\n'
                   for cells in (header, ('---',) * len(header), *body))


@click.command()
def main() -> None:
    """Write the tables of doc/streaming.md."""
    figures = newest()
    page = PAGE.read_text(encoding='utf-8')
    for name, text in (('aims', table(aims(figures))),
                       ('shortfalls', ''.join(shortfalls(figures)) or 'Nothing.\n'),
                       ('matrix', table(matrix(figures)))):
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            raise click.ClickException(f'{PAGE} has no markers of {name}.')
        page = f'{before}{begin}\n{text}\n{end}{after}'
    PAGE.write_text(page, encoding='utf-8')


if __name__ == '__main__':
    main()
