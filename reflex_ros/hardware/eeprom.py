# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
EEPROM registers: verified writes, backup, restore.

A servo stores a write permanently while it is unlocked and its torque is off. For 0.25 s after the
write the register reads as 0 (SO-101 reference, section 2.5). So every write here is read back and
compared, and all present values are saved to a file before the first write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
import json
import logging
from pathlib import Path
import re
import time

from reflex_ros import small_file
from reflex_ros.errors import BusError, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bring_up import read_configuration
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.registers import Register

_log = logging.getLogger(__name__)

SETTLE_S = 0.35
"""Time from a write to a valid read: 0.3 s plus a margin."""
TRIES = 3

Values = Mapping[int, Mapping[Register, int]]
"""Servo id -> register -> value."""
KEPT: tuple[Register, ...] = tuple(
    register for register in reg.REGISTERS
    if register.is_eeprom and register.writable and register not in (reg.ID, reg.BAUD_INDEX))
"""The registers in a backup: all settings of a servo, except its id and baud rate."""
CALIBRATION = (reg.HOMING_OFFSET, reg.MIN_POSITION_LIMIT, reg.MAX_POSITION_LIMIT)
"""The registers that LeRobot keeps in its file."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one register of one servo."""

    servo_id: int
    register: Register
    before: int
    after: int

    def __str__(self) -> str:
        return f'servo {self.servo_id} {self.register.name}: {self.before} -> {self.after}'


def changes_calibration(todo: Iterable[Change]) -> bool:
    """Tell whether a change is among these that gives the ticks of a joint another meaning."""
    return any(change.register in CALIBRATION for change in todo)


def read_kept(bus: Bus, servo_ids: Iterable[int]) -> dict[int, dict[Register, int]]:
    """
    Read the registers of a backup (``KEPT``) from servos.

    :raises BusTimeout: when a servo does not answer.
    """
    found = {}
    for servo_id in servo_ids:
        block = read_configuration(bus, servo_id)
        found[servo_id] = {register: register.decode_in(block) for register in KEPT}
    return found


def changes(found: Values, wanted: Values, *, with_equal: bool = False) -> list[Change]:
    """
    List the differences, in the order of servo ids and addresses.

    :param with_equal: also list registers that have the wanted value already: it may have been
        written while the servo was locked, and then it is lost when the servo loses power.
    """
    return [Change(servo_id, register, found[servo_id][register], value)
            for servo_id, values in sorted(wanted.items())
            for register, value in sorted(values.items(), key=lambda pair: pair[0].address)
            if with_equal or found[servo_id][register] != value]


def write(bus: Bus, todo: Sequence[Change], done: list[Change] | None = None) -> None:
    """
    Write registers, verify each by reading it back, and lock the servos again.

    Blocks for about 0.35 s per try, three tries at most.

    :param done: each change is appended just before it is written, so that the caller knows after
        an interruption which registers may have changed.
    :raises ServoFault: when a servo is under torque, cannot be unlocked, or does not hold the
        written value after three tries.
    :raises BusTimeout: when a servo does not answer.
    """
    done = [] if done is None else done
    servo_ids = sorted({change.servo_id for change in todo})
    for servo_id in servo_ids:
        if bus.read(servo_id, reg.TORQUE_ENABLE) != 0:
            raise ServoFault(f'servo {servo_id} is under torque: it would not accept every '
                             'setting. Switch its torque off first (reflex so101 torque-off)',
                             servo_id)
    try:
        for servo_id in servo_ids:
            bus.write(servo_id, reg.LOCK, 0)
            if bus.read(servo_id, reg.LOCK) != 0:
                raise ServoFault(f'servo {servo_id} stays locked: the settings would not survive '
                                 'a power cycle. Switch its supply off and on', servo_id)
        left = list(todo)
        for _ in range(TRIES):
            for change in left:
                done.append(change)
                bus.write(change.servo_id, change.register, change.after)
            time.sleep(SETTLE_S)
            left = [change for change in left
                    if bus.read(change.servo_id, change.register) != change.after]
            if not left:
                return
        raise ServoFault(f'servo {left[0].servo_id} does not hold {left[0].after} in '
                         f'{left[0].register.name} after {TRIES} tries. Switch its supply off and '
                         'on, then try again', left[0].servo_id)
    finally:
        _lock(bus, servo_ids)


def save_backup(folder: Path, arm_id: str, port: str, found: Values) -> Path:
    """
    Save register values to a new file, named after the arm and the time.

    :raises OSError: when the file cannot be written; then do not write to the servos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken_at = time.strftime('%Y-%m-%dT%H:%M:%S%z')
    text = json.dumps({
        'arm': arm_id, 'port': port, 'taken_at': taken_at,
        'servos': {str(servo_id): {register.name: value for register, value in values.items()}
                   for servo_id, values in sorted(found.items())}}, indent=4)
    stem = f'{arm_id}-{time.strftime("%Y%m%d-%H%M%S")}'
    for number in range(100):
        path = folder / f'{stem}{f"-{number:02d}" if number else ""}.json'
        try:
            with path.open('x', encoding='utf-8') as file:
                file.write(text + '\n')
        except FileExistsError:
            continue
        return path
    raise OSError(f'{folder} already holds 100 backups of this second. Try again')


def newest_backup(folder: Path, arm_id: str) -> Path:
    """
    Find the newest backup of an arm.

    :raises ConfigurationError: when the arm has no backup.
    """
    # The whole name must match: an arm's id may itself end like a date.
    name = re.compile(re.escape(arm_id) + r'-\d{8}-\d{6}(-\d\d)?')
    found = [path for path in folder.glob('*.json') if name.fullmatch(path.stem)]
    if not found:
        raise ConfigurationError(f'{folder} has no backup of {arm_id}: nothing to undo')
    return max(found, key=lambda path: path.stem)


def load_backup(path: Path) -> dict[int, dict[Register, int]]:
    """
    Load a backup file.

    :raises ConfigurationError: when the file cannot be read, or is not a backup.
    """
    names = {register.name: register for register in KEPT}
    try:
        servos = json.loads(small_file.read(path))['servos']
        values = {int(servo_id): {names[name]: value for name, value in registers.items()}
                  for servo_id, registers in servos.items()}
        for registers in values.values():
            for register, value in registers.items():
                register.encode(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigurationError(f'backup {path} cannot be read: {exc!r}') from exc
    return values


def _lock(bus: Bus, servo_ids: Iterable[int]) -> None:
    for servo_id in servo_ids:
        try:
            bus.write(servo_id, reg.LOCK, 1)
        except BusError as exc:
            _log.warning('servo %d stays unlocked until its next power cycle: %s', servo_id, exc)
