# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The demonstration: a policy runs in dry_run, passes the gate, is promoted, moves, stops, parks.

With a fault it is a measurement: the fault is injected while the arm moves, and the emulator of
the arm, not the driver, says when the goals stopped changing and when the joints came to rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import contextlib
from dataclasses import dataclass, replace
from importlib import import_module
import math
from pathlib import Path
import signal
import time
from typing import Any

from reflex_ros.bringup import packages, process_table
from reflex_ros.bringup.system import NotInTime, private_domain, System
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State
from reflex_ros.errors import ConfigurationError, ReflexError

RAD_PER_TICK = 2.0 * math.pi / 4096
DRY_RUN_S = 20.0
READY_S = 20.0
ACTIVE_S = 12.0
LATCHED_S = 20.0
ANSWER_S = 2.0
PARKED_S = 20.0
FAST_RAD_S = 0.35
MOVED_RAD = 0.02
MOVED_S = 5.0
"""A fault is injected when some joint moves at least this fast."""
REST_S = 0.5
"""Rest counts when it has lasted this long."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One fault to demonstrate.

    :param cause: code that must be latched first.
    :param repair: makes it whole again; None when the respawn does.
    :param keeps_torque: whether the arm must end under torque.
    """

    name: str
    cause: FaultCode
    inject: Callable[[Demo], None]
    repair: Callable[[Demo], None] | None = None
    keeps_torque: bool = True


class Demo:
    """
    One run.

    :param folder: for logs.
    :param say: told in a few words what happens next.
    :param leader: as in ``process_table.nodes``.
    :param changes: to the fields of :class:`process_table.World`.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda _: None,
                 leader: str = '', **changes: Any) -> None:
        packages.check_packages(sim=True)
        world = process_table.make_world()
        self.link: Any = import_module('reflex_ros.sim.link').Link(world.service_port)
        self.world = replace(world, stream_port=self.link.port, **changes)
        self.environment = private_domain()
        self.system = System(folder, world=self.world, environment=self.environment,
                             leader=leader)
        self.arm: Any = None
        self._say = say
        self._began = time.monotonic()
        self._max_step_ticks = 0
        self._travel_rad = 0.0

    def run(self, seconds: float, fault: Fault | None = None, *,
            recover: bool = False) -> dict[str, Any]:
        """
        Run it all.

        :param seconds: how long the arm moves [s].
        :param fault: what to break while it moves.
        :param recover: repair the fault, reset, promote and move again.
        :returns: the result, JSON-ready; ``ok`` says whether everything went as it should.
        :raises ReflexError: when it could not even begin.
        """
        self.start()
        self.bring_to_motion()
        self._say(f'ACTIVE: the arm follows the policy for {seconds:g} s')
        self._move(seconds)
        if fault is None:
            self._stop_and_park()
            return self._result(self.system.view.state == State.PARKED)
        return self.break_once(fault, recover=recover)

    def break_once(self, fault: Fault, *, recover: bool = False) -> dict[str, Any]:
        """
        Break something while the arm moves.

        :param recover: repair the fault, reset, promote and move again.
        :returns: the result as of ``run``, with ``fault``: what was measured.
        :raises NotInTime: as ``inject``.
        """
        measured = self.inject(fault)
        ok = measured['latched'] and measured['cause'] == fault.cause.name \
            and self._torque_on() is fault.keeps_torque
        if recover:
            measured['recovered'] = self.recover(fault)
            ok = ok and measured['recovered']
        return {**self._result(ok), 'fault': measured}

    def close(self) -> list[str]:
        """End everything; return the names of those that had to be killed."""
        killed = self.system.end()
        self.link.close()
        if self.arm is not None:
            self.arm.close()
        return killed

    def start(self) -> None:
        """Start everything."""
        self._say('starting the simulated service, arm and camera, and the nodes')
        self.system.start()
        self.arm = import_module('reflex_ros.sim.arm.client').ArmControl(self.world.control)
        self.arm.mark()

    def bring_to_motion(self) -> None:
        """
        Wait for the gate, promote, wait until the arm follows the policy.

        :raises ReflexError: when a step is not reached, with the reason.
        """
        system = self.system
        system.wait_state(State.DRY_RUN, State.READY, timeout_s=DRY_RUN_S)
        self._say('DRY_RUN: the policy runs, nothing moves; waiting for the gate')
        system.wait_state(State.READY, timeout_s=READY_S)
        self._say('READY: the gate is green; promoting')
        answer = system.call('promote')
        if not answer['success']:
            raise ReflexError(f'promote: {answer["message"]}')
        system.wait_state(State.ACTIVE, timeout_s=ACTIVE_S)

    def _move(self, seconds: float) -> None:
        """Let it move; a stop that nobody asked for ends the demonstration."""
        until = time.monotonic() + seconds
        try:
            self.system.wait(lambda: self.system.view.state not in (State.ACTIVE, State.DEGRADED),
                             until - time.monotonic(), 'stop')
        except NotInTime:
            return
        # At the first moment of a stop nobody has said yet why.
        with contextlib.suppress(NotInTime):
            self.system.wait_state(State.LATCHED, State.FAULT, timeout_s=LATCHED_S)
        raise ReflexError(
            f'Safe stop fired while the arm moved: {self.system.end_report()}')

    def _stop_and_park(self) -> None:
        self._say('stopping as planned, then slowly to the rest pose')
        self.system.call('park')
        self.system.wait_state(State.PARKED, State.LATCHED, timeout_s=PARKED_S)
        self.system.wait(lambda: not self.system.view.driver.torque, ANSWER_S,
                         'word that the torque is off')

    def inject(self, fault: Fault) -> dict[str, Any]:
        """
        Break something while the arm moves, and measure how it comes to rest.

        :returns: ``goals_constant_ms`` and ``held_ms`` from the injection on, ``cause``.
        :raises NotInTime: when it does not come to rest or is not latched.
        """
        self._say(f'waiting for a fast moment, then: {fault.name}')
        self._wait_arm(lambda state: max(
            abs(joint['velocity_rad_s']) for joint in state['joints'].values()) >= FAST_RAD_S,
            10.0, 'fast motion')
        self._note(self.arm.state())
        # The emulator's figures count from its mark on: this instant is the injection.
        injected_ns = self.arm.mark()
        fault.inject(self)
        self._wait_arm(lambda state: state['at_rest_since_ns'] is not None and (
            state['now_ns'] - state['at_rest_since_ns'] > REST_S * 1e9), 10.0, 'rest')
        state = self.arm.state()
        self._say('the arm is at rest; waiting for the latch')
        # Without a driver it is FAULT until somebody has repaired that.
        latched = (State.LATCHED,) if fault.repair is None else (State.LATCHED, State.FAULT)
        self.system.wait_state(*latched, timeout_s=LATCHED_S)
        held = self.arm.state()
        last_change_ns = held['goal_last_change_ns'] or injected_ns
        return {
            'name': fault.name,
            'goals_constant_ms': round(max(last_change_ns - injected_ns, 0) / 1e6, 1),
            'held_ms': round((state['at_rest_since_ns'] - injected_ns) / 1e6, 1),
            'latched': True, 'cause': self.system.view.causes[0].code.name,
            'moved_after_rest': held['at_rest_since_ns'] != state['at_rest_since_ns']}

    def recover(self, fault: Fault) -> bool:
        """Repair, reset, promote; return whether the arm moved again."""
        self._say('repairing, then reset, then promote')
        if fault.repair is not None:
            fault.repair(self)
        deadline = time.monotonic() + 20.0
        answer = self.system.call('reset')
        while not answer['success'] and time.monotonic() < deadline:
            # Refused while the cause persists: that is what is being waited for.
            time.sleep(0.1)
            answer = self.system.call('reset')
        if not answer['success']:
            raise ReflexError(f'reset: {answer["message"]}')
        self.arm.mark()
        self.bring_to_motion()
        with contextlib.suppress(NotInTime):
            self._wait_arm(lambda state: self._largest(state, 'travel_rad') > MOVED_RAD, MOVED_S,
                           'motion')
        moved = self._largest(self.arm.state(), 'travel_rad')
        self.system.call('demote')
        self.system.wait_state(State.DRY_RUN, State.READY, timeout_s=5.0)
        return moved > MOVED_RAD

    def _wait_arm(self, condition: Callable[[dict[str, Any]], bool], timeout_s: float,
                  what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition(self.arm.state()):
            if time.monotonic() > deadline:
                raise NotInTime(f'the simulated arm showed no {what} within {timeout_s:g} s')
            time.sleep(0.02)

    def _note(self, state: dict[str, Any]) -> None:
        self._max_step_ticks = max(self._max_step_ticks, state['max_goal_step_ticks'])
        self._travel_rad = max(self._travel_rad, self._largest(state, 'travel_rad'))

    @staticmethod
    def _largest(state: dict[str, Any], key: str) -> float:
        return max(float(joint[key]) for joint in state['joints'].values())

    def _torque_on(self) -> bool:
        return all(joint['torque'] for joint in self.arm.state()['joints'].values())

    def _result(self, ok: bool) -> dict[str, Any]:
        view = self.system.view
        self._note(self.arm.state())
        driver, stream = view.driver, view.stream
        rejected = Counter(stream.rejected) + Counter(driver.rejected)
        return {
            'ok': ok,
            'states': [{'name': state.value, 'seconds': round(at - self._began, 3)}
                       for state, at in view.states],
            'observations_sent': stream.sent,
            'chunks_received': stream.received,
            'chunks_accepted': stream.accepted,
            'chunks_rejected': {code.name: count for code, count in rejected.items()},
            'bus_cycles': driver.cycles,
            'bus_rate_hz': driver.rate_hz,
            'cycle_ms_p99': driver.cycle_ms_p99,
            'max_step_rad': round(self._max_step_ticks * RAD_PER_TICK, 5),
            'moved_rad': round(self._travel_rad, 4),
            'rtt_ms_p50': stream.rtt_ms_p50,
            'final_state': view.state.value if view.state else '',
            'torque_on': self._torque_on(),
        }


def _kill(name: str) -> Callable[[Demo], None]:
    def inject(demo: Demo) -> None:
        demo.system.group.children[name].kill()
    return inject


def _signal_stream(number: int) -> Callable[[Demo], None]:
    def inject(demo: Demo) -> None:
        demo.system.group.children['action_stream'].popen.send_signal(number)
    return inject


def _restart_service(demo: Demo) -> None:
    demo.system.group.children['sim_service'].restart()


FAULTS = {fault.name: fault for fault in (
    Fault('kill_stream', FaultCode.STREAM_DEAD, _kill('action_stream')),
    Fault('kill_supervisor', FaultCode.SUPERVISOR_DEAD, _kill('supervisor')),
    Fault('kill_driver', FaultCode.DRIVER_DEAD, _kill('so101')),
    Fault('kill_service', FaultCode.NET_CLOSED, _kill('sim_service'), _restart_service),
    Fault('drop_link', FaultCode.NET_CLOSED, lambda demo: demo.link.cut(),
          lambda demo: demo.link.restore()),
    Fault('stop', FaultCode.OP_STOP, lambda demo: demo.system.group.children['monitor'].send(
        {'call': 'stop'})),
    Fault('pause_stream', FaultCode.STREAM_DEAD, _signal_stream(signal.SIGSTOP),
          _signal_stream(signal.SIGCONT)),
    Fault('silent_link', FaultCode.NET_SILENT, lambda demo: demo.link.silence(),
          lambda demo: demo.link.restore()),
    Fault('unplug', FaultCode.USB_GONE, lambda demo: demo.arm.unplug(),
          lambda demo: demo.arm.replug()),
    Fault('mute_servo', FaultCode.SERVO_MISSING, lambda demo: demo.arm.fault('silent', ids=[3]),
          lambda demo: demo.arm.clear()),
    Fault('second_writer', FaultCode.FOREIGN_WRITE, lambda demo: demo.arm.set(
        id=1, register='goal_position', value=2900), lambda demo: demo.arm.clear()),
    Fault('overheat', FaultCode.OVERHEAT, lambda demo: demo.arm.set(ids=[2], temperature_c=64.0),
          lambda demo: demo.arm.set(ids=[2], temperature_c=35.0), keeps_torque=False),
)}
"""By name. The first six end at rest within 400 ms; a link that goes silent cannot be told from a
slow one at once: there the arm rests when its chunk has run out. An overheated arm is brought to
its rest pose before it is latched."""


def fault_named(name: str) -> Fault:
    """
    Look a fault up.

    :raises ConfigurationError: naming those that exist.
    """
    if name not in FAULTS:
        raise ConfigurationError(f'fault {name!r} does not exist. Known: {", ".join(FAULTS)}')
    return FAULTS[name]
