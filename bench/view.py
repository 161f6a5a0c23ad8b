# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the page of ``reflex view``: the way of a stop from a click, and what the page costs.

``python -m bench.view`` takes the picture of the README, doc/pictures/view.png.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

from bench.browser import browser
from bench.system import new_demo, RUNS, spread
from reflex_ros.bringup.demo import Demo, Fault, FAULTS
from reflex_ros.domain.safe_stop import State

PICTURE = Path(__file__).resolve().parents[1] / 'doc' / 'pictures' / 'view.png'
TICKS = os.sysconf('SC_CLK_TCK')
SECONDS = 10.0


@contextmanager
def viewed(demo: Demo) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command beside a system; return its process and the address of the page."""
    with subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros', 'view', '--port', '0', '--domain',
             demo.environment['ROS_DOMAIN_ID']], env={**os.environ, **demo.environment},
            stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def view_stop() -> Iterator[dict[str, Any]]:
    """Measure the time from a click on STOP until the goals are constant."""
    demo = new_demo()
    goals, held = [], []
    try:
        demo.start()
        with viewed(demo) as (_, address), browser() as page:
            page.get(address)
            click = Fault('view_stop', FAULTS['stop'].cause,
                          lambda _: page.find_element('id', 'stop').click())
            for _ in range(max(RUNS, 10)):
                demo.bring_to_motion()
                run = demo.inject(click)
                goals.append(run['goals_constant_ms'])
                held.append(run['held_ms'])
                demo.recover(click)
    finally:
        demo.close()
    yield from spread('click on STOP to goals constant', goals)
    yield from spread('click on STOP to joints at rest', held)


def view_cost() -> Iterator[dict[str, Any]]:
    """Measure the processor time of the page while nobody looks, and while somebody does."""
    demo = new_demo()
    try:
        demo.start()
        demo.bring_to_motion()
        with viewed(demo) as (process, address):
            time.sleep(3.0)
            yield from _cost(process.pid, 'nobody looks')
            with browser() as page:
                page.get(address)
                time.sleep(3.0)
                yield from _cost(process.pid, 'somebody looks')
    finally:
        demo.close()


def _cost(pid: int, when: str) -> Iterator[dict[str, Any]]:
    before = _cpu_s(pid)
    time.sleep(SECONDS)
    yield {'figure': f'processor time, {when}', 'unit': '% of a core', 'n': 1,
           'value': (_cpu_s(pid) - before) / SECONDS * 100.0}


def _cpu_s(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Take the picture: a dry run, the arm and what the policy wants."""
    demo = new_demo()
    try:
        demo.start()
        demo.system.wait_state(State.READY, timeout_s=30.0)
        with viewed(demo) as (_, address), browser((1280, 860)) as page:
            page.get(address)
            time.sleep(6.0)
            page.save_screenshot(str(PICTURE))
    finally:
        demo.close()


if __name__ == '__main__':
    main()
