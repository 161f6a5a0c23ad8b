# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Checks of the six servos before they are driven as an SO-101: presence, identity, protection.

Nothing here writes a goal or changes the torque.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
import logging

from reflex_ros.errors import BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import ArmBuild, Supply
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.so101 import ServoJoint, SO101_JOINTS

_log = logging.getLogger(__name__)

PHASE_UNUSUAL_BITS = 0b10010001
"""Reversed drive, multi-turn feedback, reversed feedback: each of them makes angles wrong."""
LOCK_TRIES = 3
SETTLE_S = 0.1
SETTLE_TRIES = 4
"""A real servo returns 0 for up to 0.25 s after a write to an EEPROM register."""


@dataclass(frozen=True, slots=True)
class ServoInfo:
    """Identity of one servo: model, firmware, supply variant."""

    servo_id: int
    model: int
    firmware: str
    supply: Supply


def find_servos(bus: Bus) -> None:
    """
    Check that exactly one servo answers to each id of the joint table.

    :raises BusTimeout: naming the servos that do not answer.
    :raises ConfigurationError: naming the ids that several servos answer to.
    """
    missing = []
    for joint in SO101_JOINTS:
        try:
            bus.ping(joint.servo_id)
        except BusTimeout:
            missing.append(joint)
    doubled = _doubled(bus)
    if doubled:
        raise ConfigurationError(f'port {bus.port.name}: more than one servo answers to id '
                                 f'{_names(doubled)}. Give every servo its own id; all new servos '
                                 'have id 1')
    strangers = _strangers(bus) if missing else ''
    if len(missing) == len(SO101_JOINTS) and strangers:
        raise BusTimeout(f'port {bus.port.name}: no servo answers to an id of an SO-101 (1 to 6)'
                         f'{strangers}', [joint.servo_id for joint in missing])
    if len(missing) == len(SO101_JOINTS):
        raise BusTimeout(f'port {bus.port.name}: no servo answers. Is the servo supply on, and is '
                         'this the right port?', [joint.servo_id for joint in missing])
    if missing:
        hint = strangers or f'. Check the cable before it{_double_id_hint(bus, missing)}'
        raise BusTimeout(f'port {bus.port.name}: servo {_names(missing)} does not answer{hint}',
                         [joint.servo_id for joint in missing])


def read_configuration(bus: Bus, servo_id: int) -> bytes:
    """
    Read the whole EEPROM of a servo.

    :raises BusTimeout: when the servo does not answer.
    """
    address, length = reg.CONFIGURATION_BLOCK
    try:
        return bus.read_block(servo_id, address, length)
    except BusTimeout as exc:
        # Two servos with the same id send identical replies to a ping, as if there were one.
        raise BusTimeout(f'{exc}, although it answers a ping. Check the cable, and whether two '
                         f'servos have id {servo_id}: all new servos have id 1',
                         exc.servo_ids) from exc


def identify(joint: ServoJoint, block: bytes) -> ServoInfo:
    """
    Identify a servo by its EEPROM.

    :raises ConfigurationError: when the servo cannot be driven as this joint.
    """
    where = f'servo {joint.servo_id} ({joint.name})'
    model = reg.MODEL_NUMBER.decode_in(block)
    if model != reg.MODEL_STS3215:
        raise ConfigurationError(f'{where} is model {model}, expected {reg.MODEL_STS3215} '
                                 '(STS3215)')
    mode, phase = reg.OPERATING_MODE.decode_in(block), reg.PHASE.decode_in(block)
    if mode != 0 or phase & PHASE_UNUSUAL_BITS:
        raise ConfigurationError(f'{where} has operating mode {mode} and phase {phase}; expected '
                                 'mode 0 and none of the phase bits 0, 4 and 7. Configure it for '
                                 'LeRobot first')
    order, resolution = reg.ENDIANNESS.decode_in(block), reg.ANGULAR_RESOLUTION.decode_in(block)
    if (order, resolution) != (0, 1):
        raise ConfigurationError(f'{where} has endianness {order} and angular resolution '
                                 f'{resolution}; expected 0 and 1. Configure it for LeRobot first')
    return ServoInfo(joint.servo_id, model, f'{block[0]}.{block[1]}',
                     Supply.of(reg.MAX_INPUT_VOLTAGE.decode_in(block)))


def protect(bus: Bus, build: ArmBuild, index: int, block: bytes) -> bytes:
    """
    Write the protection registers that differ from the build's; return the EEPROM registers.

    The EEPROM is locked first: the written values last until the servo loses power, and do not
    wear out the EEPROM.

    :param block: the present EEPROM registers.
    :raises BusTimeout: when the servo does not answer.
    :raises ServoFault: when a register does not hold the written value.
    """
    servo_id, name = SO101_JOINTS[index].servo_id, SO101_JOINTS[index].name
    wanted = {setting.register: setting.corrected(setting.register.decode_in(block))
              for setting in build.settings[index]}
    wanted = {register: value for register, value in wanted.items()
              if value != register.decode_in(block)}
    _lock(bus, servo_id, name)
    for register, value in wanted.items():
        _log.info('servo %d (%s): %s was %d; %d is set until it loses power', servo_id, name,
                  register.name, register.decode_in(block), value)
        # A sync write needs no acknowledgement, so it also reaches a servo that is set not to
        # answer writes.
        bus.sync_write(register, {servo_id: value})
    for attempt in range(SETTLE_TRIES if wanted else 0):
        if attempt:
            bus.clock.sleep(SETTLE_S)
        block = read_configuration(bus, servo_id)
        if all(register.decode_in(block) == value for register, value in wanted.items()):
            break
    for register, value in wanted.items():
        if register.decode_in(block) != value:
            raise ServoFault(f'servo {servo_id} ({name}) holds {register.decode_in(block)} in '
                             f'{register.name}, {value} was written', servo_id)
    return block


def _lock(bus: Bus, servo_id: int, name: str) -> None:
    """Lock the EEPROM of a servo and read the lock back: later writes must not be permanent."""
    for _ in range(LOCK_TRIES):
        if bus.read(servo_id, reg.LOCK) == 1:
            return
        bus.sync_write(reg.LOCK, {servo_id: 1})
    if bus.read(servo_id, reg.LOCK) != 1:
        raise ServoFault(f'servo {servo_id} ({name}) stays unlocked: settings for this run would '
                         'be permanent. Switch its supply off and on', servo_id)


def _doubled(bus: Bus) -> list[ServoJoint]:
    """Return the joints whose id answered more than once, in two tries."""
    heard = [Counter(status.servo_id for status in bus.ping_all()) for _ in range(2)]
    return [joint for joint in SO101_JOINTS
            if all(count[joint.servo_id] > 1 for count in heard)]


def _strangers(bus: Bus) -> str:
    """Name ids that no joint has and that answer; an empty text if there is none."""
    known = {joint.servo_id for joint in SO101_JOINTS}
    found = sorted({status.servo_id for status in bus.ping_all()} - known)
    return found and (f', but id {", ".join(map(str, found))} does. Set the ids one servo at a '
                      'time, as in the assembly guide (lerobot-setup-motors)') or ''


def _double_id_hint(bus: Bus, missing: list[ServoJoint]) -> str:
    """Name an id that may belong to two servos: only their replies to a ping are identical."""
    for joint in SO101_JOINTS:
        try:
            if joint not in missing:
                read_configuration(bus, joint.servo_id)
        except BusTimeout:
            return (f'. Servo {joint.servo_id} answers a ping and nothing else: check whether two '
                    f'servos have id {joint.servo_id}. All new servos have id 1')
    return ''


def _names(joints: list[ServoJoint]) -> str:
    return ', '.join(f'{joint.servo_id} ({joint.name})' for joint in joints)
