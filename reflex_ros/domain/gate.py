# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The promotion gate: the conditions that must all be met before actions may be applied.

Each item says why it is red. The supervisor evaluates the gate at 10 Hz, and READY lasts only
while all items are green (safety design, section 7). Nothing here has a state or reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import (
    DRIVER,
    DriverBeat,
    Lifecycle,
    Link,
    Readiness,
    SessionMode,
    STREAM,
    StreamBeat,
)

MIN_ACCEPTED = 0.99
MAX_CYCLE_MS = 30.0
MIN_EXPIRY_S = 300.0
AGE_SHARE = 0.7
FOREIGN_S = 5.0
NEVER_HEARD_S = 1e8


@dataclass(frozen=True, slots=True)
class GateItem:
    """
    One condition.

    :param text: why the condition is not met; when it is met, a remark or empty.
    """

    name: str
    is_green: bool
    text: str


@dataclass(frozen=True, slots=True)
class GateInputs:
    """
    What the gate depends on.

    :param driver_age_s: time since the driver's last beat [s].
    :param stream_age_s: time since the stream's last beat that showed progress [s].
    :param latch_obstacle: why a stop could not be latched on disk; empty when it could.
    :param duplicates: names under which two processes run.
    :param stop_device: why a stop device bars the motion; empty when none does.
    :param allow_remarks: whether rows that look like a mistake in units bar nothing.
    :param dry_run_s: time for which the stream must have been open [s].
    :param max_age_ms: largest age of an observation that a chunk may answer [ms].
    :param min_expiry_s: time that must be left until the session ends [s].
    """

    driver: DriverBeat
    stream: StreamBeat
    driver_age_s: float
    stream_age_s: float
    is_latched: bool
    latch_obstacle: str
    duplicates: tuple[str, ...]
    dry_run_s: float
    max_age_ms: float
    min_expiry_s: float = MIN_EXPIRY_S
    stop_device: str = ''
    allow_remarks: bool = False


ARM_ITEMS = ('servos', 'supply', 'heat', 'pose', 'calibration')
"""Items of which the connector itself says why they are red (``DriverBeat.unfit``)."""
BEFORE_MOTION = ('driver', 'standstill', 'session', 'dry_run', *ARM_ITEMS)
"""Items that only a system before the promotion can fulfil; an arm that moves has passed them."""


def evaluate(inputs: GateInputs) -> tuple[GateItem, ...]:
    """Return all items, green or red; the gate is green when all of them are."""
    driver, stream = inputs.driver, inputs.stream
    ratio = stream.session_accepted / stream.session_received if stream.session_received else 0.0
    is_new = stream.session_received < 10 and stream.session_accepted < stream.session_received
    age_limit = AGE_SHARE * inputs.max_age_ms
    return (
        _item('latch', not inputs.is_latched, 'a stop is latched: run `reflex reset`'),
        _item('resources', not driver.shortage and not stream.shortage,
              '; '.join(f'{name}: {beat.shortage}' for name, beat in (
                  (DRIVER, driver), (STREAM, stream)) if beat.shortage)),
        _item('disk', not inputs.latch_obstacle, inputs.latch_obstacle),
        _item('driver', inputs.driver_age_s < 1.0 and driver.lifecycle is Lifecycle.INACTIVE,
              f'{DRIVER} is {driver.lifecycle.value}' if inputs.driver_age_s < 1.0
              else f'no beat from {DRIVER} {_since(inputs.driver_age_s)}'),
        _item('bus', driver.cycles > 0 and driver.cycle_ms_p99 < MAX_CYCLE_MS
              and not driver.port_lost and not driver.unfit.get('bus'), _bus_text(driver)),
        *(_item(name, name not in driver.unfit, driver.unfit.get(name, ''))
          for name in ARM_ITEMS),
        _item('standstill', driver.at_rest, 'the arm is moving'),
        _item('stream', inputs.stream_age_s < 1.0 and stream.link is Link.OPEN,
              f'the action stream is {stream.link.value} ({stream.remark or "no reason given"})'
              if inputs.stream_age_s < 1.0
              else f'no sign of work from {STREAM} {_since(inputs.stream_age_s)}'),
        _item('session', stream.session_mode is SessionMode.DRY_RUN and stream.fault is None,
              stream.fault.text if stream.fault
              else f'the session is in {stream.session_mode.value or "no mode yet"}'),
        *_deployment_items(stream),
        _item('expiry', stream.expires_s < 0 or stream.expires_s > inputs.min_expiry_s,
              f'the session ends in {stream.expires_s:.0f} s, needed {inputs.min_expiry_s:.0f} s'),
        _item('inputs', stream.gap is None, stream.gap.text if stream.gap else ''),
        _item('cameras', not stream.slow_cameras, stream.slow_cameras),
        _item('dry_run', stream.open_s >= inputs.dry_run_s and stream.session_accepted > 0,
              f'{stream.open_s:.0f} s with {stream.session_accepted} chunks in dry_run, needed '
              f'{inputs.dry_run_s:g} s'),
        _item('validation', ratio >= MIN_ACCEPTED and not is_new,
              f'{stream.session_accepted} of {stream.session_received} chunks accepted'
              + (f'; the newest refusal: {stream.refusal}' if stream.refusal else '')),
        _item('units', not stream.policy_remark or inputs.allow_remarks,
              f'{FaultCode.UNITS.name}: {stream.policy_remark}'),
        _item('latency', stream.session_received > 0 and stream.age_ms_p95 < age_limit,
              f'chunk age p95 {stream.age_ms_p95:.0f} ms, allowed {age_limit:.0f} ms'
              if stream.session_received else 'no chunk yet'),
        _item('commander',
              not driver.intruders and (driver.foreign_s < 0 or driver.foreign_s > FOREIGN_S),
              driver.intruders or
              f'another program published on {DRIVER}/command {driver.foreign_s:.1f} s ago'),
        _item('stop_device', not inputs.stop_device, inputs.stop_device),
        _item('graph', not inputs.duplicates,
              f'two processes run under the name {", ".join(inputs.duplicates)}'),
    )


def _deployment_items(stream: StreamBeat) -> Iterator[GateItem]:
    """Yield one green item, or a red item for each check that bars ``apply_actions``."""
    if stream.readiness is Readiness.READY:
        yield GateItem('deployment', True, '')
    elif stream.readiness is Readiness.UNCHECKED:
        yield GateItem('deployment', True, 'no deployment: its readiness is not checked, because '
                       'service.allow_unchecked is true')
    else:
        for name, text in (stream.unready or {'deployment': 'not checked yet'}).items():
            yield GateItem(name, False, text)


def _since(age_s: float) -> str:
    # An age that no machine reaches stands for a beat that never came (supervision.NEVER).
    return f'for {age_s:.1f} s' if age_s < NEVER_HEARD_S else 'yet'


def _bus_text(driver: DriverBeat) -> str:
    if driver.port_lost:
        return 'the port is gone'
    if not driver.cycles:
        return 'no bus cycle yet'
    return driver.unfit.get('bus') or (
        f'cycle p99 {driver.cycle_ms_p99:.1f} ms, allowed {MAX_CYCLE_MS:g} ms')


def _item(name: str, is_green: bool, text: str) -> GateItem:
    return GateItem(name, is_green, '' if is_green else text)
