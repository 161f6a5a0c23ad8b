# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Fuzz everything that reads bytes of others: ``make fuzz MINUTES=5``.

Cases are mutations of proper inputs and raw bytes. A finding is an exception that is not an error
of ours, a promise of a target that is broken, a case that takes over a second, or one that hangs.
Its input is kept in test/corpus and replayed by test/unit/test_corpus.py from then on. The numbers
of a run are one line of bench/fuzz.jsonl; doc/fuzzing.md says what they mean.

Each target has a random generator of its own, so the cases of a seed are the same on each machine,
and the time decides how many of them are run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import faulthandler
import hashlib
import importlib.util
import json
import os
from pathlib import Path
import random
import re
import signal
import sys
import time
import traceback

import click
from rich.console import Console
from rich.table import Table

from bench.fuzz_systems import SYSTEMS
from bench.fuzz_targets import DECODERS, Target

RESULTS = Path(__file__).parent / 'fuzz.jsonl'
CORPUS = Path(__file__).parents[1] / 'test' / 'corpus'
TARGETS: dict[str, Target] = DECODERS | SYSTEMS
"""All that need no ROS."""
SLOW_S = 1.0
HANG_S = 10.0
DEAD_S = 60.0
"""A case that ignores the end of its time ends the process, with the stacks of its threads [s]."""
TURN_S = 0.05
"""How long a target runs before the next one has its turn [s]."""
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


def _number(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    """Replace a number that is written as text by another one: the rest stays well-formed."""
    found = list(NUMBER.finditer(data[:4096]))
    if found:
        place = rng.choice(found)
        value = float(place[0])
        other = rng.choice((value * rng.uniform(0.9, 1.1), value + rng.gauss(0.0, 5.0), -value,
                            int(value), value * 10.0 ** rng.randrange(-9, 10)))
        data[place.start():place.end()] = repr(other).encode()


def _splice(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    other = rng.choice(seeds)
    begin, end = _span(rng, other)
    place = rng.randrange(len(data) + 1)
    data[place:] = other[begin:end] + data[place:]


def _span(rng: random.Random, data: bytes | bytearray) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(begin + 1 + int(rng.expovariate(0.1)), len(data))


NUMBER = re.compile(rb'-?\d{1,15}(?:\.\d{1,15})?')
CHANGES: tuple[Callable[[random.Random, bytearray, list[bytes]], None], ...] = (
    _flip, _set, _cut, _repeat, _insert, _replace, _splice, _number, _number)


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


def all_targets() -> dict[str, Target]:
    """Return all targets; those of ROS messages where rclpy is installed."""
    if importlib.util.find_spec('rclpy') is None:
        return TARGETS
    from bench.fuzz_messages import MESSAGES
    return TARGETS | MESSAGES


class Hang(Exception):
    """A case has not ended in ``HANG_S``."""


@contextmanager
def hang_alarm() -> Iterator[None]:
    """Raise ``Hang`` in a case that does not end; main thread only."""
    def ring(number: int, frame: object) -> None:
        raise Hang(f'not over after {HANG_S:g} s')
    signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def quiet_libraries() -> Iterator[int]:
    """
    Discard stderr: the middleware writes a line there for every message that it refuses.

    :returns: a descriptor of the stderr from before, for reports of a crash.
    """
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    faulthandler.enable(before)
    try:
        yield before
    finally:
        faulthandler.disable()
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


@dataclass
class Tally:
    """What became of the cases of one target."""

    target: Target
    rng: random.Random
    seeds: list[bytes]
    cases: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    found: dict[str, str] = field(default_factory=dict)
    """Findings by their place: one example of each place is enough."""

    def turn(self, name: str, stderr: int) -> None:
        """Run cases for a turn, and keep those that fail."""
        began = now = time.perf_counter()
        faulthandler.dump_traceback_later(DEAD_S, exit=True, file=stderr)
        while now < began + TURN_S:
            data = mutated(self.rng, self.seeds)
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
            wrong = problem(self.target, data)
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            self.cases += 1
            before, now = now, time.perf_counter()
            self.slowest_s = max(self.slowest_s, now - before)
            if wrong and (place := wrong.partition(': ')[0]) not in self.found:
                self.found[place] = wrong
                click.echo(f'FINDING {name}: {wrong}\n  kept: {keep(name, data)}')
        self.seconds += now - began


def keep(name: str, data: bytes) -> Path:
    """Write an input into the corpus, and return where."""
    place = CORPUS / name / hashlib.sha256(data).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def show(tallies: dict[str, Tally]) -> None:
    """Print a row per target."""
    table = Table('target', 'cases', 'a second', 'slowest [ms]', 'findings')
    for name, tally in tallies.items():
        table.add_row(name, f'{tally.cases:,}', f'{tally.cases / tally.seconds:,.0f}',
                      f'{tally.slowest_s * 1e3:.0f}', str(len(tally.found)))
    Console().print(table)


@click.command()
@click.option('--minutes', default=1.0, show_default=True, help='Duration.')
@click.option('--seed', type=int, help='Seed of the random generators (default: by the time).')
@click.option('--only', multiple=True, help='Fuzz only this target; may be repeated.')
def main(minutes: float, seed: int | None, only: tuple[str, ...]) -> None:
    """Run cases until the time is over, and keep what fails."""
    seed = seed if seed is not None else int(time.time())
    targets = all_targets()
    if unknown := set(only) - set(targets):
        raise click.UsageError(f'no target {", ".join(unknown)}. Known: {", ".join(targets)}')
    tallies = {name: Tally(target, random.Random(f'{seed} {name}'), list(target.seeds) + [
        path.read_bytes() for path in sorted((CORPUS / name).glob('*'))])
        for name, target in targets.items() if not only or name in only}
    began = time.monotonic()
    with hang_alarm(), quiet_libraries() as stderr:
        while time.monotonic() - began < minutes * 60.0 or not all(
                tally.cases for tally in tallies.values()):
            name = min(tallies, key=lambda name: tallies[name].seconds / targets[name].share)
            tallies[name].turn(name, stderr)
    seconds, cases = time.monotonic() - began, sum(each.cases for each in tallies.values())
    findings = {name: sorted(tally.found.values()) for name, tally in tallies.items()
                if tally.found}
    line = {'seed': seed, 'seconds': round(seconds, 1), 'cases': cases,
            'by_target': {name: tally.cases for name, tally in tallies.items()},
            'by_second': {name: round(tally.cases / tally.seconds, 1)
                          for name, tally in tallies.items()},
            'findings': findings, 'at': round(time.time())}
    with RESULTS.open('a', encoding='utf-8') as results:
        results.write(json.dumps(line) + '\n')
    show(tallies)
    click.echo(f'{cases:,} cases in {seconds:.0f} s, seed {seed}, '
               f'{sum(map(len, findings.values()))} findings')
    sys.exit(bool(findings))


if __name__ == '__main__':
    main()
