# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The campaign: break one thing at a time in the running system, and measure what the arm does.

``make faults ARGS='--n 15 --load'``. Every trial is one JSON line in bench/campaign.jsonl, so an
interrupted campaign keeps what it has; ``python -m bench.campaign_page`` makes the tables of
doc/campaign.md and the picture from them.

The whole graph runs in real processes, with the simulated service and the simulated bus. All times
are the emulator's, from its mark just before the fault. The arm moves at ``--speed`` or faster
then, at a random phase of everything. Its servo model has 85 ms dead time and 30 ms lag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import contextlib
from dataclasses import dataclass
import json
import math
import os
from pathlib import Path
import random
import signal
import subprocess
import tempfile
import threading
import time
from typing import Any

import click
import httpx

from bench.system import busy
from reflex_ros.bringup.demo import Demo, FAULTS, RAD_PER_TICK
from reflex_ros.bringup.system import NotInTime
from reflex_ros.domain.fault_code import FaultCode as Code
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ReflexError

RESULTS = Path(__file__).parent / 'campaign.jsonl'
FAST_S = 30.0
LOUD, SILENT, OTHER = 'loud', 'silent', 'other'
STOPPED = (State.STOPPING, State.LATCHED, State.FAULT)
Act = Callable[[Demo], Any]


@dataclass(frozen=True)
class Trial:
    """
    One fault of the campaign.

    :param causes: codes that name it rightly.
    :param kind: ``loud``: a death, a hang, a loud loss or the operator. ``silent``: seen only by
        waiting. ``other``: nothing can hold the arm, it happens later than it is switched on, or
        the reaction is meant to take its time.
    :param repair: makes it whole again; None when that happens by itself.
    :param latency_ms: of one inference.
    :param jitter_ms: largest extra latency.
    :param is_important: one of the six that are measured most often.
    """

    name: str
    causes: tuple[Code, ...]
    inject: Act
    repair: Act | None = None
    kind: str = LOUD
    latency_ms: float = 80.0
    jitter_ms: float = 40.0
    is_important: bool = False


def _signal(name: str, number: int) -> Act:
    return lambda demo: demo.system.group.children[name].popen.send_signal(number)


def _service(name: str, value: Any = None) -> Act:
    def switch(demo: Demo) -> None:
        httpx.post(f'{demo.world.url}/admin/fault', timeout=5.0, json={
            'name': name, **({} if value is None else {'value': value})}).raise_for_status()
    return switch


def _clear_service(demo: Demo) -> None:
    httpx.post(f'{demo.world.url}/admin/clear', json={}, timeout=5.0).raise_for_status()


def _arm(name: str, **values: Any) -> Act:
    return lambda demo: demo.arm.fault(name, **values)


def _clear_arm(demo: Demo) -> None:
    demo.arm.clear()


def _demo(name: str, kind: str = LOUD, *, important: bool = False, **values: Any) -> Trial:
    fault = FAULTS[name]
    return Trial(name, (fault.cause,), fault.inject, fault.repair, kind, is_important=important,
                 **values)


def _again(demo: Demo) -> None:
    demo.link.restore()


def _write_goals(demo: Demo, ticks: int) -> None:
    """Write goals as another program on the bus would, again and again, until the arm stops."""
    until = time.monotonic() + 2.0
    while time.monotonic() < until and demo.system.view.state not in STOPPED:
        # The driver overwrites a goal within 10 ms, so a single one may stay unseen.
        demo.arm.set(id=4, register='goal_position', value=ticks)
        time.sleep(0.03)


DEAD_LINK = (Code.NET_SILENT, Code.UNDERRUN)
NOISE = (Code.BUS_NOISE, Code.SERVO_MISSING, Code.SENSOR_JUMP, Code.UNPOWERED, Code.JOINTS_STALE)
TRIALS = {trial.name: trial for trial in (
    _demo('kill_driver', important=True),
    _demo('kill_stream', important=True),
    _demo('kill_supervisor', important=True),
    _demo('kill_service'),
    _demo('stop', important=True),
    Trial('dead_link', DEAD_LINK, lambda demo: demo.link.silence(), _again, SILENT,
          latency_ms=100.0, jitter_ms=0.0, is_important=True),
    Trial('dead_link_slow', DEAD_LINK, lambda demo: demo.link.silence(), _again, SILENT,
          latency_ms=400.0, jitter_ms=200.0),
    Trial('hang_driver', (Code.DRIVER_DEAD, Code.DRV_STALL), _signal('so101', signal.SIGSTOP),
          _signal('so101', signal.SIGCONT)),
    Trial('hang_stream', (Code.STREAM_DEAD,), _signal('action_stream', signal.SIGSTOP),
          _signal('action_stream', signal.SIGCONT)),
    Trial('hang_supervisor', (Code.SUPERVISOR_DEAD,), _signal('supervisor', signal.SIGSTOP),
          _signal('supervisor', signal.SIGCONT)),
    Trial('hang_service', DEAD_LINK, _signal('sim_service', signal.SIGSTOP),
          _signal('sim_service', signal.SIGCONT), SILENT),
    _demo('drop_link', important=True),
    Trial('trickle', DEAD_LINK, _service('trickle', 1000), _clear_service, SILENT),
    Trial('no_answers', DEAD_LINK, _service('silence'), _clear_service, SILENT),
    Trial('wrong_numbers', (Code.SEQ_OLD, *DEAD_LINK), _service('wrong_seq', 'future'),
          _clear_service, SILENT),
    # These two happen with the next answer.
    Trial('session_expires', (Code.SESSION_EXPIRED,), _service('expire'), None, OTHER),
    Trial('session_fails', (Code.SERVER_ERROR,), _service('fail'), None, OTHER),
    Trial('not_finite', (Code.BAD_NUMBER, Code.BAD_FRAME), _service('nan', 'huge'),
          _clear_service, SILENT),
    Trial('rows_leap', (Code.JUMP,), _service('jump', '60:shoulder_pan'), _clear_service, SILENT),
    _demo('unplug'),
    # Nothing holds an arm without supply: it falls.
    Trial('no_supply', (Code.UNPOWERED, Code.SERVO_MISSING), lambda demo: demo.arm.power(False),
          lambda demo: demo.arm.power(True), OTHER),
    _demo('mute_servo'),
    Trial('noise', NOISE, _arm('corrupt', probability=0.5), _clear_arm, OTHER),
    # A right checksum: every register of that servo may be forged, also its torque and goal.
    Trial('forged_positions', (Code.SENSOR_JUMP, Code.SERVO_REBOOT, Code.FOREIGN_WRITE, *NOISE),
          _arm('value', ids=[2], probability=0.3, offset=0, value=1500), _clear_arm, OTHER),
    Trial('jam', (Code.TRACKING, Code.OVERLOAD, Code.OVERCURRENT), _arm('jam', ids=[1]),
          _clear_arm, OTHER),
    Trial('second_writer', (Code.FOREIGN_WRITE,), lambda demo: _write_goals(demo, 2600),
          None, OTHER),
    # While it starts it is silent, and its joint has no torque: it falls.
    Trial('servo_restarts', (Code.SERVO_REBOOT, Code.SERVO_MISSING), _arm('reboot', ids=[3]),
          _clear_arm, OTHER),
    Trial('no_camera', (Code.CAM_LOST,), _signal('sim_camera', signal.SIGSTOP),
          _signal('sim_camera', signal.SIGCONT), OTHER),
    _demo('overheat', OTHER),
)}
"""By name, the important ones and the deaths first."""


class Rig:
    """One running system, which is started anew when it cannot be brought back to motion."""

    def __init__(self, folder: Path, seed: int, speed: float) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._speed = speed
        self._demo: Demo | None = None
        self._latency: tuple[float, float] | None = None
        self.steps = 0.0
        self.false_stops = 0

    def run(self, trial: Trial) -> dict[str, Any]:
        """Do one trial; return its line."""
        try:
            demo = self._moving(trial)
            line = self._measure(demo, trial)
            line['recovered'] = self._recover(demo, trial)
            return line
        except (ReflexError, OSError, httpx.HTTPError) as exc:
            self.close()
            return {'error': str(exc)}

    def close(self) -> None:
        """End the system."""
        demo, self._demo = self._demo, None
        if demo is not None:
            with contextlib.suppress(OSError):
                # A stopped process does not obey.
                for child in demo.system.group.children.values():
                    child.popen.send_signal(signal.SIGCONT)
            demo.close()

    def _moving(self, trial: Trial) -> Demo:
        """Return the system while the arm moves fast, at a random phase."""
        latency = trial.latency_ms, trial.jitter_ms
        if latency != self._latency:
            self.close()
        if self._demo is None:
            self._latency = latency
            self._demo = Demo(self._folder, prompt='hurry', dry_run_s=1.0,
                              latency_ms=trial.latency_ms, jitter_ms=trial.jitter_ms)
            self._demo.start()
            self._demo.bring_to_motion()
        demo = self._demo
        # Crashes on purpose are no crash loop.
        demo.system.group.forgive()
        deadline = time.monotonic() + FAST_S
        while True:
            time.sleep(self._rng.uniform(0.0, 0.05))
            if self.speed_of(demo) >= self._speed:
                return demo
            if demo.system.view.state not in (State.ACTIVE, State.DEGRADED):
                self.false_stops += 1
                raise ReflexError(f'stopped before the fault: {demo.system.view.summary}')
            if time.monotonic() > deadline:
                raise NotInTime(f'the arm did not reach {self._speed:g} rad/s')

    @staticmethod
    def speed_of(demo: Demo) -> float:
        """Return the speed of the fastest joint [rad/s]."""
        return max(abs(float(joint['velocity_rad_s']))
                   for joint in demo.arm.state()['joints'].values())

    def _measure(self, demo: Demo, trial: Trial) -> dict[str, Any]:
        speed = self.speed_of(demo)
        before = len(demo.system.view.states)
        injected_ns = demo.arm.mark()
        trial.inject(demo)
        demo._wait_arm(lambda state: state['at_rest_since_ns'] is not None and (
            state['now_ns'] - state['at_rest_since_ns'] > 0.5e9), 25.0, 'rest')
        rest = demo.arm.state()
        is_latched = True
        if trial.repair is not None and 'hang_supervisor' in trial.name:
            # Nobody latches while the supervisor hangs; the driver holds the arm.
            trial.repair(demo)
        try:
            demo.system.wait_state(State.LATCHED, State.FAULT, timeout_s=20.0)
        except NotInTime:
            is_latched = False
        held = demo.arm.state()
        joints = held['joints'].values()
        changed_ns = held['goal_last_change_ns'] or injected_ns
        stopped = [at for state, at in demo.system.view.states[before:] if state in STOPPED]
        causes = [cause.code.name for cause in demo.system.view.causes]
        return {
            'speed_rad_s': round(speed, 3),
            'detected_ms': round(stopped[0] * 1e3 - injected_ns / 1e6, 1) if stopped else None,
            'goals_constant_ms': round(max(changed_ns - injected_ns, 0) / 1e6, 1),
            'at_rest_ms': round((rest['at_rest_since_ns'] - injected_ns) / 1e6, 1),
            'travel_deg': round(math.degrees(max(joint['travel_rad'] for joint in joints)), 2),
            'largest_step_deg': round(math.degrees(
                held['max_goal_step_ticks'] * RAD_PER_TICK), 3),
            'goals_outside': sum(joint['goals_outside_limits'] for joint in joints),
            'latched': is_latched, 'cause': causes[0] if causes else '',
            'cause_right': bool(causes) and causes[0] in {code.name for code in trial.causes},
            'torque_kept': all(joint['torque'] for joint in joints)}

    def _recover(self, demo: Demo, trial: Trial) -> bool:
        """Repair, reset, promote; return whether the arm moves again without a restart."""
        try:
            if trial.repair is not None:
                trial.repair(demo)
            deadline = time.monotonic() + 30.0
            while not demo.system.call('reset')['success']:
                if time.monotonic() > deadline:
                    raise NotInTime('no reset')
                time.sleep(0.1)
            demo.arm.mark()
            demo.bring_to_motion()
            demo._wait_arm(lambda state: demo._largest(state, 'travel_rad') > 0.02, 8.0, 'motion')
        except ReflexError:
            self.close()
            return False
        return True


@click.command()
@click.option('--n', default=3, show_default=True, help='Trials of each fault.')
@click.option('--important', default=0, help='Trials of the six most important ones (default: n).')
@click.option('--only', multiple=True, help='Name of a fault, or a code; may be repeated.')
@click.option('--load', is_flag=True, help='Keep the machine busy with four processes.')
@click.option('--speed', default=0.8, show_default=True,
              help='Least speed of the fastest joint at the fault [rad/s].')
@click.option('--systems', default=2, show_default=True, help='Systems side by side.')
@click.option('--minutes', default=0.0, help='Begin no trial after this time (default: no limit).')
@click.option('--out', type=click.Path(path_type=Path), default=RESULTS, show_default=True,
              help='File to which the lines are added.')
def main(n: int, important: int, only: tuple[str, ...], load: bool, speed: float, systems: int,
         minutes: float, out: Path) -> None:
    """Break one thing at a time, and write one JSON line per trial."""
    chosen = [trial for trial in TRIALS.values() if not only or trial.name in only
              or {code.name for code in trial.causes} & set(only)]
    if not chosen:
        raise click.UsageError(f'no such fault. Known: {", ".join(TRIALS)}')
    until = time.monotonic() + 60.0 * minutes if minutes else math.inf
    about = {'load': load, 'systems': systems, 'version': _version(),
             'machine': f'{os.cpu_count()} cores'}
    queue = list(_plan(chosen, n, important or n))
    lock = threading.Lock()

    def work(number: int) -> None:
        rig = Rig(Path(tempfile.mkdtemp(prefix='reflex-campaign-')), number + int(time.time()),
                  speed)
        try:
            while time.monotonic() < until:
                with lock:
                    if not queue:
                        return
                    trial = queue.pop(0)
                line = {'fault': trial.name, **rig.run(trial), **about,
                        'at': round(time.time())}
                with lock, out.open('a', encoding='utf-8') as file:
                    file.write(json.dumps(line) + '\n')
                click.echo(_short(line))
        finally:
            rig.close()

    with busy() if load else contextlib.nullcontext(), ThreadPoolExecutor(systems) as pool:
        for future in [pool.submit(work, number) for number in range(systems)]:
            future.result()


def _plan(chosen: list[Trial], n: int, important: int) -> Iterator[Trial]:
    """Yield the trials round by round, so that an interrupted campaign has some of each."""
    for number in range(max(n, important)):
        for trial in chosen:
            if number < (important if trial.is_important else n):
                yield trial


def _short(line: dict[str, Any]) -> str:
    if 'error' in line:
        return f'{line["fault"]}: {line["error"]}'
    return (f'{line["fault"]}: goals constant {line["goals_constant_ms"]:.0f} ms, at rest '
            f'{line["at_rest_ms"]:.0f} ms, {line["travel_deg"]:.1f} deg, {line["cause"]}'
            f'{"" if line["cause_right"] else " (WRONG)"}'
            f'{"" if line["recovered"] else ", NOT RECOVERED"}')


def _version() -> str:
    return subprocess.run(['git', 'describe', '--always', '--dirty'], capture_output=True,
                          text=True, check=False).stdout.strip()


if __name__ == '__main__':
    main()
