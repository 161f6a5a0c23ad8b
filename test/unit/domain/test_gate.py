# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The gate is green when every item is; a red one says why."""

from __future__ import annotations

from dataclasses import fields, replace
import math
from typing import Any

from domain_builders import NET_CLOSED
import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import ARM_ITEMS, evaluate, GateInputs
from reflex_ros.domain.heartbeats import (
    DriverBeat,
    Lifecycle,
    Link,
    Readiness,
    SessionMode,
    StreamBeat,
)
from reflex_ros.domain.supervision import NEVER

DRIVER = DriverBeat(lifecycle=Lifecycle.INACTIVE, at_rest=True, cycles=500, rate_hz=100.0,
                    cycle_ms_p99=4.0)
STREAM = StreamBeat(lifecycle=Lifecycle.ACTIVE, progress=9, link=Link.OPEN,
                    session_mode=SessionMode.DRY_RUN, session_received=100, session_accepted=100,
                    open_s=12.0, age_ms_p95=350.0, expires_s=1500.0,
                    readiness=Readiness.READY)
GREEN = GateInputs(driver=DRIVER, stream=STREAM, driver_age_s=0.05, stream_age_s=0.02,
                   is_latched=False, latch_obstacle='', duplicates=(), dry_run_s=10.0,
                   max_age_ms=1000.0)
FROZEN = Cause(FaultCode.CAM_FROZEN, 'camera top: the same frame for 0.40 s')


def with_changes(**changes: Any) -> GateInputs:
    """Change the green inputs; each name is looked up in inputs, driver and stream."""
    inputs = GREEN
    for name, value in changes.items():
        for part in ('driver', 'stream'):
            beat = getattr(inputs, part)
            if name in {field.name for field in fields(beat)}:
                inputs = replace(inputs, **{part: replace(beat, **{name: value})})
        if name in {field.name for field in fields(inputs)}:
            inputs = replace(inputs, **{name: value})
    assert inputs != GREEN
    return inputs


RED = [
    ('latch', {'is_latched': True}, '`reflex reset`'),
    ('driver', {'driver': replace(DRIVER, lifecycle=Lifecycle.UNCONFIGURED)},
     'so101 is unconfigured'),
    ('driver', {'driver': replace(DRIVER, lifecycle=Lifecycle.ACTIVE)}, 'so101 is active'),
    ('driver', {'driver_age_s': 1.0}, 'no beat from so101 for 1.0 s'),
    ('driver', {'driver_age_s': math.nan}, 'no beat'),
    ('driver', {'driver_age_s': 1.0 - NEVER}, 'no beat from so101 yet'),
    ('stream', {'stream_age_s': 1.0 - NEVER}, 'no sign of work from action_stream yet'),
    ('bus', {'cycles': 0}, 'no bus cycle'),
    ('bus', {'cycle_ms_p99': 30.0}, 'cycle p99 30.0 ms, allowed 30 ms'),
    ('bus', {'cycle_ms_p99': math.nan}, 'cycle p99'),
    ('bus', {'port_lost': True}, 'port'),
    ('bus', {'unfit': {'bus': 'UNPOWERED: no servo answers'}}, 'no servo answers'),
    *((name, {'unfit': {name: 'servo 3 (elbow_flex) has it'}}, 'servo 3 (elbow_flex) has it')
      for name in ARM_ITEMS),
    ('standstill', {'at_rest': False}, 'the arm is moving'),
    ('stream', {'link': Link.OPENING, 'remark': 'attempt 3 failed'}, 'opening (attempt 3 failed)'),
    ('stream', {'link': Link.CLOSED}, 'closed'),
    ('stream', {'stream_age_s': 1.0}, 'no sign of work'),
    ('session', {'session_mode': SessionMode.NONE}, 'no mode yet'),
    ('session', {'session_mode': SessionMode.APPLY_ACTIONS}, 'apply_actions'),
    ('session', {'fault': NET_CLOSED}, 'the stream is closed'),
    ('deployment', {'readiness': Readiness.UNKNOWN}, 'not checked yet'),
    ('deployment', {'readiness': Readiness.BLOCKED, 'unready': {
        'deployment': 'no deployment is set'}}, 'no deployment is set'),
    ('expiry', {'expires_s': 300.0}, 'ends in 300 s'),
    ('expiry', {'expires_s': 0.0}, 'ends in 0 s'),
    ('inputs', {'gap': FROZEN}, 'the same frame'),
    ('cameras', {'slow_cameras': 'camera top delivers 4.0 Hz'}, 'delivers 4.0 Hz'),
    ('dry_run', {'open_s': 9.9}, 'needed 10 s'),
    ('validation', {'session_accepted': 98}, '98 of 100'),
    ('validation', {'session_received': 5, 'session_accepted': 4}, '4 of 5'),
    ('latency', {'age_ms_p95': 700.0}, '700 ms'),
    ('latency', {'age_ms_p95': math.nan}, 'nan ms'),
    ('commander', {'foreign_s': 0.0}, 'another program'),
    ('commander', {'foreign_s': 5.0}, '5.0 s ago'),
    ('resources', {'driver': replace(DRIVER, shortage='the process has 900 of 1024 descriptors')},
     'so101: the process has 900'),
    ('resources', {'stream': replace(STREAM, shortage='the process holds 1200 MB')},
     'action_stream: the process holds 1200 MB'),
    ('units', {'policy_remark': 'all rows are 0'}, 'UNITS: all rows are 0'),
    ('stop_device', {'stop_device': 'the stop device button is pressed'}, 'button is pressed'),
    ('disk', {'latch_obstacle': 'No space left on device'}, 'No space'),
    ('graph', {'duplicates': ('so101', 'action_stream')}, 'so101, action_stream'),
]


def test_gate_is_green_when_everything_is_well() -> None:
    items = evaluate(GREEN)
    assert all(item.is_green and item.text == '' for item in items), items
    assert {item.name for item in items} == {name for name, _, _ in RED}, 'an item has no case'


@pytest.mark.parametrize(('name', 'changes', 'reason'), RED)
def test_one_thing_that_is_wrong_makes_one_item_red_and_is_named(
        name: str, changes: dict[str, Any], reason: str) -> None:
    red = [item for item in evaluate(with_changes(**changes)) if not item.is_green]
    assert [item.name for item in red] == [name]
    assert reason in red[0].text


def test_each_failed_check_of_the_deployment_is_an_item_of_its_own() -> None:
    unready = {'robot_paired': 'No robot is paired. Run `reflex robots pair robot_1`',
               'balance_sufficient': 'Top up the balance'}
    items = evaluate(with_changes(readiness=Readiness.BLOCKED, unready=unready))
    assert {item.name: item.text for item in items if not item.is_green} == unready


def test_promotion_without_a_deployment_is_allowed_by_a_setting_and_never_in_silence() -> None:
    [item] = [item for item in evaluate(with_changes(readiness=Readiness.UNCHECKED)) if item.text]
    assert item.is_green and 'service.allow_unchecked' in item.text


@pytest.mark.parametrize('changes', [
    {'session_accepted': 99}, {'cycle_ms_p99': 29.9}, {'open_s': 10.0}, {'expires_s': -1.0},
    {'expires_s': 300.1}, {'age_ms_p95': 699.0}, {'foreign_s': 5.1}, {'driver_age_s': 0.99},
    {'stream_age_s': 0.99}, {'session_received': 1, 'session_accepted': 1}])
def test_value_just_inside_its_bound_is_green(changes: dict[str, Any]) -> None:
    assert all(item.is_green for item in evaluate(with_changes(**changes)))


def test_without_chunks_every_item_about_chunks_is_red_and_says_so() -> None:
    items = evaluate(with_changes(session_received=0, session_accepted=0))
    red = {item.name: item.text for item in items if not item.is_green}
    assert set(red) == {'dry_run', 'validation', 'latency'}
    assert red['latency'] == 'no chunk yet'


def test_beats_that_say_nothing_promise_nothing() -> None:
    red = {item.name for item in evaluate(with_changes(driver=DriverBeat(), stream=StreamBeat()))
           if not item.is_green}
    assert red >= {'driver', 'bus', 'standstill', 'stream', 'session', 'dry_run', 'validation',
                   'latency'}


def test_bounds_of_the_settings_count() -> None:
    assert all(item.is_green for item in evaluate(with_changes(
        dry_run_s=12.0, max_age_ms=501.0, min_expiry_s=1499.0)))
    red = [item.name for item in evaluate(with_changes(
        dry_run_s=12.1, max_age_ms=500.0, min_expiry_s=1500.0)) if not item.is_green]
    assert red == ['expiry', 'dry_run', 'latency']


def test_remark_on_units_bars_nothing_where_a_person_knows_better() -> None:
    items = evaluate(with_changes(policy_remark='all rows are 0', allow_remarks=True))
    assert all(item.is_green for item in items)
