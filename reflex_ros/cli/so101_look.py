# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 find``, ``ping`` and ``info``: commands that read and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
import sys

import click

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.so101_port import arm_command, open_bus
from reflex_ros.errors import BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import ArmBuild, BUILDS
from reflex_ros.hardware.calibration import JointCalibration
from reflex_ros.hardware.discovery import (
    Candidate,
    candidates,
    Finding,
    not_found_message,
    OPTION,
    probe,
)
from reflex_ros.hardware.lerobot_file import find as find_file
from reflex_ros.hardware.lerobot_file import load, Role
from reflex_ros.hardware.port import latency_warning
from reflex_ros.hardware.so101 import SO101_JOINTS
from reflex_ros.hardware.survey import (
    error_names,
    JOINT_INDEX,
    joint_name,
    Reading,
    Servo,
    Survey,
)


@arm_command('reflex so101 find', 'reflex so101 find --json')
def find(common: CommonOptions, port: str | None) -> None:
    """
    List the serial ports and show which one is an arm.

    The command pings servos 1 to 6 on each port, at every usual baud rate, and writes nothing.
    It exits with 1 when no port is an arm.
    """
    ports = [Candidate(port, OPTION)] if port else candidates(os.environ)
    findings = [probe(candidate) for candidate in ports]
    found = any(finding.is_arm for finding in findings)
    error = '' if found else not_found_message(findings, lists_ports=True)
    if common.as_json:
        text.document({'ok': found, 'ports': [_describe(finding) for finding in findings],
                       **({'error': error} if error else {})})
    else:
        text.show_grid(('port', 'what', 'servos', 'USB serial', 'found by'), [
            (finding.candidate.path, _verdict(finding), _servos(finding),
             finding.candidate.serial, finding.candidate.source) for finding in findings])
        for finding in findings:
            if warning := latency_warning(finding.candidate.path):
                click.echo(f'Warning: {warning}', err=True)
        if error:
            raise ConfigurationError(error)
    if not found:
        sys.exit(1)


@arm_command('reflex so101 ping', 'reflex so101 ping 6')
@click.argument('servo_ids', metavar='[SERVO_ID]...', nargs=-1, type=click.IntRange(0, 253))
def ping(common: CommonOptions, servo_ids: tuple[int, ...], port: str | None) -> None:
    """
    Check whether the servos answer.

    Without SERVO_ID, the command checks servos 1 to 6. It exits with 1 when one of them does not
    answer.
    """
    answers: dict[int, int | None] = {}
    with open_bus(port) as bus:
        for servo_id in servo_ids or [joint.servo_id for joint in SO101_JOINTS]:
            try:
                answers[servo_id] = bus.ping(servo_id).error
            except BusTimeout:
                answers[servo_id] = None
        name = bus.port.name
    missing = [servo_id for servo_id, error in answers.items() if error is None]
    value = {'ok': True, 'port': name, 'servos': [
        {'id': servo_id, 'joint': joint_name(servo_id), 'answers': error is not None,
         'errors': list(error_names(error or 0))} for servo_id, error in answers.items()]}
    lines = text.grid(('id', 'joint', 'answer'), [
        (servo_id, joint_name(servo_id), 'no answer' if error is None
         else ', '.join(error_names(error)) or 'ok') for servo_id, error in answers.items()])
    if missing:
        text.fail(common, _silence(missing), value, *lines)
    text.report(common, value, *lines)


@arm_command('reflex so101 info', 'reflex so101 info --id my_arm', has_id=True)
@click.option('--role', type=click.Choice(sorted(BUILDS)), default='follower',
              show_default=True, help="Kind of arm: selects parts, gears and LeRobot's folder.")
def info(common: CommonOptions, role: str, port: str | None, arm_id: str) -> None:
    """
    Show settings and calibration of every servo.

    The command compares the calibration with LeRobot's file. It exits with 1 when a servo does
    not answer.
    """
    build = BUILDS[role]
    with open_bus(port) as bus:
        survey = Survey(bus)
        name = bus.port.name
        _, readings = survey.read()
    try:
        path = find_file(arm_id, os.environ, Role(role))
        reference = load(path)
        file_note = f'{path}: {_agreement(survey, reference)}'
    except ConfigurationError as exc:
        file_note = str(exc)
    if common.as_json:
        text.document({
            'ok': not survey.absent, 'port': name,
            **({'error': _silence(survey.absent)} if survey.absent else {}),
            'absent': list(survey.absent),
            'calibration_file': file_note,
            'servos': [{'id': servo.servo_id, 'joint': servo.name,
                        'model': servo.values[reg.MODEL_NUMBER], 'firmware': servo.firmware,
                        'part': build.parts[JOINT_INDEX[id_]],
                        'gear': build.gears[JOINT_INDEX[id_]],
                        'calibrated': servo.calibration is not None,
                        'uncalibrated': servo.uncalibrated,
                        'torque': readings[id_].torque if id_ in readings else None,
                        'registers': {register.name: value
                                      for register, value in servo.values.items()}}
                       for id_, servo in survey.servos.items()]})
        if survey.absent:
            sys.exit(1)
        return
    _print_info(name, survey, readings, file_note, build)
    if survey.absent:
        raise ServoFault(_silence(survey.absent))


def _print_info(name: str, survey: Survey, readings: Mapping[int, Reading],
                file_note: str, build: ArmBuild) -> None:
    click.echo(f'port {name}\n')
    text.show_grid(
        ('id', 'joint', 'model', 'part', 'gear', 'firmware', 'range [tick]', 'offset', 'P I D',
         'supply', 'torque', 'calibrated'), [
            (id_, servo.name, servo.values[reg.MODEL_NUMBER], build.parts[JOINT_INDEX[id_]],
             f'1/{build.gears[JOINT_INDEX[id_]]}', servo.firmware,
             f'{servo.values[reg.MIN_POSITION_LIMIT]}..{servo.values[reg.MAX_POSITION_LIMIT]}',
             servo.values[reg.HOMING_OFFSET],
             f'{servo.values[reg.P_COEFFICIENT]} {servo.values[reg.I_COEFFICIENT]} '
             f'{servo.values[reg.D_COEFFICIENT]}',
             f'{servo.values[reg.MIN_INPUT_VOLTAGE] / 10:g}..'
             f'{servo.values[reg.MAX_INPUT_VOLTAGE] / 10:g} V',
             _on(id_ in readings and readings[id_].torque),
             'yes' if servo.calibration else 'no') for id_, servo in survey.servos.items()])
    click.echo(f'\nLeRobot calibration: {file_note}')
    for servo in survey.servos.values():
        if servo.values[reg.MODEL_NUMBER] != reg.MODEL_STS3215:
            click.echo(f'servo {servo.servo_id} ({servo.name}) is no STS3215 (model '
                       f'{reg.MODEL_STS3215}): replace it', err=True)
        if servo.uncalibrated:
            click.echo(servo.uncalibrated, err=True)


def _silence(servo_ids: Sequence[int]) -> str:
    return (f'servo {", ".join(map(str, servo_ids))} does not answer. Check the cable before it, '
            'and the servo supply')


def _describe(finding: Finding) -> dict[str, object]:
    return {'port': finding.candidate.path, 'source': finding.candidate.source,
            'usb_serial': finding.candidate.serial, 'is_arm': finding.is_arm,
            'baud': finding.baud, 'problem': finding.problem,
            'models': {str(id_): model for id_, model in finding.models.items()},
            'warning': latency_warning(finding.candidate.path)}


def _verdict(finding: Finding) -> str:
    if finding.problem:
        return finding.problem
    if finding.is_arm:
        return f'SO-101 at {finding.baud} bit/s'
    return 'servos, but not all six' if finding.models else 'no servo answers'


def _servos(finding: Finding) -> str:
    return ', '.join(map(str, finding.models))


def _agreement(survey: Survey, reference: tuple[JointCalibration, ...]) -> str:
    differing = [joint.name for joint, wanted in zip(SO101_JOINTS, reference, strict=True)
                 if not _agrees(survey.servos.get(joint.servo_id), wanted)]
    return f'differs at {", ".join(differing)}' if differing else 'agrees with the servos'


def _agrees(servo: Servo | None, wanted: JointCalibration) -> bool:
    return servo is not None and servo.calibration is not None \
        and wanted.agrees_with(servo.calibration)


def _on(value: bool) -> str:
    return 'on' if value else 'off'
