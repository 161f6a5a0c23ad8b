# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What is asked of six servos before they count as an SO-101: presence, identity, self-protection.

No goal is written here, and torque is left as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
import logging

from reflex_ros.domain.joints import Joint, SO101_JOINTS
from reflex_ros.errors import BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import Profile, Supply
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.registers import Register

_log = logging.getLogger(__name__)

PHASE_UNUSUAL_BITS = 0b10010001
"""Reversed drive, multi-turn feedback, reversed feedback: with any of them angles are wrong."""
LOCK_TRIES = 3
SETTLE_S = 0.1
SETTLE_TRIES = 4
"""Real servos read 0 for up to 0.25 s after a register of the EEPROM was written."""


@dataclass(frozen=True, slots=True)
class ServoInfo:
    """What one servo says of itself: model, firmware, supply variant."""

    servo_id: int
    model: int
    firmware: str
    supply: Supply


def take(block: bytes, register: Register) -> int:
    """Take a register's value from bytes that begin at address 0."""
    return register.decode(block[register.address:register.address + register.size])


def find_servos(bus: Bus) -> None:
    """
    Check that each id of the joint table is there, once.

    :raises BusTimeout: naming the servos that do not answer.
    :raises ConfigurationError: naming the ids to which several answer.
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
                                 f'{_names(doubled)}. Every servo needs its own id; new ones all '
                                 'have id 1')
    if len(missing) == len(SO101_JOINTS):
        raise BusTimeout(f'port {bus.port.name}: no servo answers. Is the servo supply on, and is '
                         'this the right port?', [joint.servo_id for joint in missing])
    if missing:
        raise BusTimeout(f'port {bus.port.name}: servo {_names(missing)} does not answer. Check '
                         f'the cable before it{_suspicion(bus, missing)}',
                         [joint.servo_id for joint in missing])


def read_configuration(bus: Bus, servo_id: int) -> bytes:
    """
    Read a servo's whole EEPROM.

    :raises BusTimeout: when it does not come.
    """
    address, length = reg.CONFIGURATION_BLOCK
    try:
        return bus.read_block(servo_id, address, length)
    except BusTimeout as exc:
        # Two servos that say the same at the same time cannot be told from one by a ping.
        raise BusTimeout(f'{exc}, although it answers a ping. Is the cable good, and do two '
                         f'servos have id {servo_id}? New ones all have id 1',
                         exc.servo_ids) from exc


def identify(joint: Joint, block: bytes) -> ServoInfo:
    """
    Say what a servo is, by its EEPROM.

    :raises ConfigurationError: when it cannot be driven as this joint.
    """
    where = f'servo {joint.servo_id} ({joint.name})'
    model = take(block, reg.MODEL_NUMBER)
    if model != reg.MODEL_STS3215:
        raise ConfigurationError(f'{where} is model {model}, expected {reg.MODEL_STS3215} '
                                 '(STS3215)')
    mode, phase = take(block, reg.OPERATING_MODE), take(block, reg.PHASE)
    if mode != 0 or phase & PHASE_UNUSUAL_BITS:
        raise ConfigurationError(f'{where} has operating mode {mode} and phase {phase}; expected '
                                 'mode 0 and none of the phase bits 0, 4 and 7. Configure it for '
                                 'LeRobot first')
    order, resolution = take(block, reg.ENDIANNESS), take(block, reg.ANGULAR_RESOLUTION)
    if (order, resolution) != (0, 1):
        raise ConfigurationError(f'{where} has endianness {order} and angular resolution '
                                 f'{resolution}; expected 0 and 1. Configure it for LeRobot first')
    return ServoInfo(joint.servo_id, model, f'{block[0]}.{block[1]}',
                     Supply.of(take(block, reg.MAX_INPUT_VOLTAGE)))


def protect(bus: Bus, profile: Profile, index: int, block: bytes) -> bytes:
    """
    Write what the profile asks for and a servo does not hold; return its EEPROM registers.

    The EEPROM is locked for it: what is written holds until the servo loses power, and wears
    nothing out.

    :param block: the registers as they are.
    :raises BusTimeout: when it stays silent.
    :raises ServoFault: when a register does not take what is written.
    """
    servo_id, name = SO101_JOINTS[index].servo_id, SO101_JOINTS[index].name
    wanted = {setting.register: setting.corrected(take(block, setting.register))
              for setting in profile.settings[index]}
    wanted = {register: value for register, value in wanted.items()
              if value != take(block, register)}
    _lock(bus, servo_id, name)
    for register, value in wanted.items():
        _log.info('servo %d (%s): %s was %d; %d is set until it loses power', servo_id, name,
                  register.name, take(block, register), value)
        # Nobody acknowledges a sync write, so a servo that is set not to answer takes it too.
        bus.sync_write(register, {servo_id: value})
    for attempt in range(SETTLE_TRIES if wanted else 0):
        if attempt:
            bus.clock.sleep(SETTLE_S)
        block = read_configuration(bus, servo_id)
        if all(take(block, register) == value for register, value in wanted.items()):
            break
    for register, value in wanted.items():
        if take(block, register) != value:
            raise ServoFault(f'servo {servo_id} ({name}) holds {take(block, register)} in '
                             f'{register.name}, {value} was written', servo_id)
    return block


def _lock(bus: Bus, servo_id: int, name: str) -> None:
    """Lock a servo's EEPROM, with proof: what is written after this must not be kept."""
    for _ in range(LOCK_TRIES):
        if bus.read(servo_id, reg.LOCK) == 1:
            return
        bus.sync_write(reg.LOCK, {servo_id: 1})
    if bus.read(servo_id, reg.LOCK) != 1:
        raise ServoFault(f'servo {servo_id} ({name}) stays unlocked: what is set for this run '
                         'would be kept for good. Switch its supply off and on', servo_id)


def _doubled(bus: Bus) -> list[Joint]:
    """Return the joints whose id was heard more than once, twice in a row."""
    heard = [Counter(status.servo_id for status in bus.ping_all()) for _ in range(2)]
    return [joint for joint in SO101_JOINTS
            if all(count[joint.servo_id] > 1 for count in heard)]


def _suspicion(bus: Bus, missing: list[Joint]) -> str:
    """Say which servo may be two: they agree on a ping, and on nothing else."""
    for joint in SO101_JOINTS:
        try:
            if joint not in missing:
                read_configuration(bus, joint.servo_id)
        except BusTimeout:
            return (f'; servo {joint.servo_id} answers a ping and nothing else: do two servos '
                    f'have id {joint.servo_id}? New ones all have id 1')
    return ''


def _names(joints: list[Joint]) -> str:
    return ', '.join(f'{joint.servo_id} ({joint.name})' for joint in joints)
