# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Fuzz everything that reads bytes of others: ``make fuzz MINUTES=5``.

Cases are mutations of proper inputs and raw bytes. A finding is an exception that is not an error
of ours, a promise of a target that is broken, or a case that takes over a second. Its input is
kept in test/corpus and replayed by test/unit/test_corpus.py from then on. The numbers of a run are
one line of bench/fuzz.jsonl.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import hashlib
import json
from pathlib import Path
import random
import sys
import time
import traceback

import click

from bench.fuzz_targets import Target, TARGETS

RESULTS = Path(__file__).parent / 'fuzz.jsonl'
CORPUS = Path(__file__).parents[1] / 'test' / 'corpus'
SLOW_S = 1.0
LONGEST = 1 << 16
TOKENS = (b'NaN', b'1e999', b'-1e999', b'null', b'true', b'-0', b'0', b'1' * 400, b'"', b'\\u0000',
          b'\\ud800', b'[' * 200, b'{"a":' * 100, b']', b'}', b',', b':', b'\x00', b'\xff\xff',
          b'\xff' * 8, b'\x7f\xff\xff\xff', b'\x1f', b'!!python/object:os.system', b'&a *a',
          b'- ', b'\n', b'\t', b'1.7976931348623157e308', b'2e-324', 'é'.encode(), b'inf')


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return a case: some changes to a seed, or bytes of any kind."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + int(rng.expovariate(0.5))):
        rng.choice(CHANGES)(rng, data, seeds)
    return bytes(data[:LONGEST])


def _flip(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _cut(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    begin, end = _span(rng, data)
    del data[begin:end]


def _repeat(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    begin, end = _span(rng, data)
    data[end:end] = bytes(data[begin:end]) * rng.choice((1, 1, 1, 20))


def _insert(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.choice(TOKENS)


def _replace(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    begin, end = _span(rng, data)
    data[begin:end] = rng.choice(TOKENS)


def _splice(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    other = rng.choice(seeds)
    begin, end = _span(rng, other)
    place = rng.randrange(len(data) + 1)
    data[place:] = other[begin:end] + data[place:]


def _span(rng: random.Random, data: bytes | bytearray) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(begin + 1 + int(rng.expovariate(0.1)), len(data))


CHANGES: tuple[Callable[[random.Random, bytearray, list[bytes]], None], ...] = (
    _flip, _set, _cut, _repeat, _insert, _replace, _splice)


def problem(target: Target, data: bytes) -> str:
    """Run one case; return what is wrong, empty if nothing is."""
    began = time.perf_counter()
    try:
        target.run(data)
    except Exception as exc:
        # Whatever it is: errors of ours were caught by the target.
        place = traceback.extract_tb(exc.__traceback__)[-1]
        return f'{type(exc).__name__} at {Path(place.filename).name}:{place.lineno}: {exc}'[:300]
    took_s = time.perf_counter() - began
    return f'took {took_s:.1f} s' if took_s > SLOW_S else ''


@click.command()
@click.option('--minutes', default=1.0, show_default=True, help='Duration.')
@click.option('--seed', type=int, help='Seed of the random generator (default: by the time).')
@click.option('--only', type=click.Choice(list(TARGETS)), help='Fuzz only this target.')
def main(minutes: float, seed: int | None, only: str | None) -> None:
    """Run cases until the time is over, and keep what fails."""
    seed = seed if seed is not None else int(time.time())
    rng = random.Random(seed)
    names = [only] if only else list(TARGETS)
    weights = [TARGETS[name].share for name in names]
    seeds = {name: list(TARGETS[name].seeds) + [
        path.read_bytes() for path in sorted((CORPUS / name).glob('*'))] for name in names}
    cases: Counter[str] = Counter()
    found: dict[str, str] = {}
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60.0:
        for name in rng.choices(names, weights, k=500):
            data = mutated(rng, seeds[name])
            cases[name] += 1
            wrong = problem(TARGETS[name], data)
            # One example of each place is enough.
            if wrong and (key := f'{name}: {wrong.partition(": ")[0]}') not in found:
                found[key] = wrong
                place = CORPUS / name / hashlib.sha256(data).hexdigest()[:16]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
                click.echo(f'FINDING {name}: {wrong}\n  kept: {place}')
    seconds = time.monotonic() - began
    line = {'seed': seed, 'seconds': round(seconds, 1), 'cases': cases.total(),
            'by_target': dict(cases), 'findings': sorted(found.values())}
    with RESULTS.open('a', encoding='utf-8') as results:
        results.write(json.dumps(line) + '\n')
    click.echo(f'{cases.total()} cases in {seconds:.0f} s '
               f'({cases.total() / seconds:.0f} a second), {len(found)} findings')
    sys.exit(bool(found))


if __name__ == '__main__':
    main()
