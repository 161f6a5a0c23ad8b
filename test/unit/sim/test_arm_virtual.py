# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arm in this process: exact times, no waiting, the same bytes for the same seed."""

from __future__ import annotations

import pytest

from reflex_ros.errors import BusTimeout, ConfigurationError, PortLost
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.sim.arm.client import ArmControlError
from reflex_ros.sim.arm.clock import VirtualClock
from reflex_ros.sim.arm.journal import CAPACITY
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import VirtualArm

PING_1 = bytes.fromhex('FF FF 01 02 01 FB')
PONG_1 = bytes.fromhex('FF FF 01 02 00 FC')
SYNC_READ_15 = bytes.fromhex('FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19')
GOAL_2048 = bytes.fromhex(
    'FF FF FE 16 83 2A 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08 F7')


def test_an_exchange_takes_its_time_on_the_line_to_the_nanosecond() -> None:
    arm = VirtualArm()
    port = arm.open()
    port.write(PING_1)
    assert arm.clock.now_ns() == 0
    assert port.read(6) == PONG_1
    assert arm.clock.now_ns() == 170_000
    port.write(SYNC_READ_15)
    assert len(port.read(126)) == 126
    assert arm.clock.now_ns() == 170_000 + 1_700_000


def test_a_read_without_an_answer_takes_the_time_out() -> None:
    arm = VirtualArm()
    port = arm.open()
    assert port.read(1) == b''
    assert arm.clock.now_ns() == 5_000_000
    arm.control.fault('delay', ms=6)
    port.write(PING_1)
    assert port.read(6) == b''
    assert port.read(6) == PONG_1
    assert arm.clock.now_ns() == 5_000_000 + 6_170_000


def test_drain_throws_away_what_has_arrived_and_no_more() -> None:
    arm = VirtualArm()
    port = arm.open()
    port.write(PING_1)
    port.drain()
    arm.clock.sleep(0.001)
    port.write(PING_1)
    port.drain()
    assert port.read(7) == PONG_1


def test_our_bus_moves_the_arm_in_simulated_time() -> None:
    arm = VirtualArm(Settings(pose=(0.0,) * 6))
    bus = Bus(arm.open())
    goal = bus.read(5, reg.PRESENT_POSITION) + 326
    bus.write(5, reg.GOAL_POSITION, goal)
    began = arm.clock.monotonic()
    while abs(bus.read(5, reg.PRESENT_POSITION) - goal) > 2 or bus.read(5, reg.MOVING):
        arm.clock.sleep(0.01)
    assert 0.2 < arm.clock.monotonic() - began < 0.6
    roll = arm.control.state()['joints']['wrist_roll']
    assert abs(roll['position_ticks'] - goal) <= 2


def script(seed: int) -> tuple[bytes, list[list[object]]]:
    """Use everything that is random; return the bytes that the client read, and the log."""
    arm = VirtualArm(Settings(seed=seed, noise_ticks=3))
    port, read = arm.open(), b''
    for name in ('drop', 'noise', 'corrupt', 'jitter'):
        arm.control.fault(name, probability=0.2)
    arm.control.fault('request_loss', probability=0.1)
    for _ in range(100):
        port.write(GOAL_2048)
        port.write(SYNC_READ_15)
        read += port.read(126)
        arm.clock.sleep(0.01)
    return read, arm.control.log(limit=CAPACITY)


def test_equal_seeds_give_equal_bytes_at_equal_times() -> None:
    assert script(7) == script(7)
    assert script(7)[0] != script(8)[0]


def test_what_nobody_reads_is_lost_beyond_a_terminals_buffer() -> None:
    arm = VirtualArm()
    port = arm.open()
    for _ in range(50):
        port.write(SYNC_READ_15)
        arm.clock.sleep(0.1)
    assert len(port.read(10_000)) == 32 * 126 + 3 * 21
    assert arm.control.state()['bus']['bytes_lost'] == 50 * 126 - 32 * 126 - 3 * 21


def test_two_arms_on_one_clock_are_independent() -> None:
    clock = VirtualClock(10**9)
    left, right = VirtualArm(Settings(seed=1), clock), VirtualArm(Settings(seed=2), clock)
    left.control.fault('silent', ids=[1])
    ports = left.open(), right.open()
    for port in ports:
        port.write(PING_1)
    assert [port.read(6) for port in ports] == [b'', PONG_1]
    right.control.unplug()
    assert left.control.state()['plugged'] and not right.control.state()['plugged']


def test_an_unplugged_port_is_lost_for_good_and_a_new_one_works() -> None:
    arm = VirtualArm()
    port = arm.open()
    port.write(PING_1)
    arm.control.unplug()
    for call in (lambda: port.read(1), lambda: port.write(b'x'), port.drain):
        with pytest.raises(PortLost):
            call()
    with pytest.raises(ConfigurationError, match='Plug the simulated cable in'):
        arm.open()
    arm.control.replug()
    with pytest.raises(PortLost):
        port.read(1)
    port.close()
    again = arm.open()
    again.write(PING_1)
    assert again.read(7) == PONG_1
    again.close()
    with pytest.raises(PortLost):
        again.read(1)


def test_a_blocked_adapter_loses_the_port_and_wrong_requests_are_refused() -> None:
    arm = VirtualArm()
    arm.control.fault('blocked')
    with pytest.raises(PortLost, match='timeout'):
        arm.open().write(PING_1)
    with pytest.raises(ArmControlError, match='known are: drop'):
        arm.control.fault('gremlin')


@pytest.mark.slow
def test_an_hour_leaves_nothing_behind_but_counters() -> None:
    arm = VirtualArm(Settings(pose=(0.0,) * 6))
    bus = Bus(arm.open())
    arm.control.fault('silent', ids=[3])
    with pytest.raises(BusTimeout):
        bus.ping(3)
    arm.control.clear()
    port = arm.open()
    arm.control.mark()
    for _ in range(1200):
        port.write(GOAL_2048)
        port.write(SYNC_READ_15)
        assert len(port.read(126)) == 126
        arm.clock.sleep(3.0 - 0.00196)
    state = arm.control.state()
    assert arm.clock.monotonic() == pytest.approx(3600, rel=0.01)
    assert (state['bus']['requests'], state['bus']['replies']) == (2400, 7200)
    assert state['bus']['bytes_in'] == 1200 * (26 + 14)
    assert state['bus']['bytes_out'] == 1200 * 126
    # Gravity heats the lift; it settles instead of running away.
    temperatures = [joint['temperature_c'] for joint in state['joints'].values()]
    assert min(temperatures) >= 34 and max(temperatures) < 50


def test_the_log_is_in_the_order_of_time_although_requests_lie_ahead() -> None:
    arm = VirtualArm()
    port = arm.open()
    port.write(GOAL_2048 + PING_1)
    arm.control.mark()
    entries = [(at_ns, kind) for at_ns, kind, data in arm.control.log()
               if kind == 'request' or data == 'mark']
    assert entries == [(0, 'event'), (260_000, 'request'), (320_000, 'request')]


def test_the_log_forgets_its_oldest_entries() -> None:
    arm = VirtualArm(Settings(fast=True))
    for k in range(CAPACITY + 10):
        arm.bus.journal.record_event(k, 'x')
    assert len(arm.control.log(limit=CAPACITY)) == CAPACITY
    assert arm.control.log(limit=CAPACITY)[0][0] == 10
