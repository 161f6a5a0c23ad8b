# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The arm: port, servos, supply, calibration, delay of the adapter."""

from __future__ import annotations

from collections.abc import Iterator
import os

from reflex_ros.cli.checks.check import Check, failed, passed, skipped, warning
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.discovery import (
    Candidate,
    candidates,
    CONFIGURATION,
    Finding,
    not_found_message,
    probe,
    VARIABLE,
)
from reflex_ros.hardware.port import latency_warning, SerialPort
from reflex_ros.hardware.survey import joint_name, Reading, Survey

LOW_V, TOO_LOW_V = 6.0, 4.5
"""At the servo; the supply of the 7.4 V kit is 5 V."""


def checks(port: str) -> Iterator[Check]:
    """
    Check the arm; writes nothing.

    :param port: port that the configuration names; empty searches, and then an arm that is not
        connected is no failure.
    """
    named = port or os.environ.get(VARIABLE, '')
    ports = [Candidate(port, CONFIGURATION)] if port else candidates(os.environ)
    findings = [probe(candidate) for candidate in ports]
    arms = [finding for finding in findings if finding.models]
    busy = next((finding for finding in findings if 'is in use by' in finding.problem), None)
    if not arms and busy is not None:
        yield skipped('port', busy.problem, 'Stop it to look at the servos')
        return
    if not arms:
        if named:
            yield failed('port', not_found_message(findings), 'Run `reflex so101 find`')
        else:
            yield skipped('port', 'no arm is connected, and no port is configured',
                          'Plug it in, then run `reflex so101 find`')
        return
    yield from _arm(arms[0])


def _arm(found: Finding) -> Iterator[Check]:
    path = found.candidate.path
    yield passed('port', f'{path} at {found.baud} bit/s ({found.candidate.source})')
    slow = latency_warning(path)
    yield warning('serial latency', slow) if slow else passed('serial latency', 'no delay timer')
    bus = Bus(SerialPort(path, found.baud))
    try:
        bus.detect_echo(1)
        survey = Survey(bus)
        _, readings = survey.read()
    finally:
        bus.close()
    yield _servos(survey, readings)
    yield _supply([row.voltage for row in readings.values()])
    bare = [servo.name for servo in survey.servos.values() if servo.calibration is None]
    yield failed('calibration', f'not calibrated: {", ".join(bare)}',
                 'Run `reflex so101 calibrate`') if bare else passed(
        'calibration', 'stored in all servos that answer')


def _servos(survey: Survey, readings: dict[int, Reading]) -> Check:
    missing = [*survey.absent, *survey.silent]
    if missing:
        names = ', '.join(f'{servo_id} ({joint_name(servo_id)})' for servo_id in missing)
        return failed('servos', f'no answer from servo {names}',
                      'Check the cable before it, and the servo supply')
    errors = [f'{joint_name(row.servo_id)}: {", ".join(row.errors)}'
              for row in readings.values() if row.errors]
    if errors:
        return failed('servos', '; '.join(errors), 'Run `reflex so101 info`')
    return passed('servos', f'all {len(survey.servos)} answer')


def _supply(volts: list[float]) -> Check:
    if not volts:
        return skipped('supply', 'no servo answers')
    text = f'{min(volts):.1f} V at the servo with the least'
    if min(volts) < TOO_LOW_V:
        return failed('supply', f'{text}, needed {TOO_LOW_V:g} V',
                      'Check the power supply and its cable')
    if min(volts) < LOW_V:
        return warning('supply', f'{text}: enough to move, with less force than at {LOW_V:g} V',
                       'Use a stronger supply for heavy objects')
    return passed('supply', text)
