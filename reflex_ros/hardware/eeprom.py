# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Registers that survive a power cycle: write with proof, back up, restore.

A servo keeps what is written while its lock is open and its torque off; for 0.25 s afterwards it
reads back 0 (SO-101 reference, section 2.5). So every write here is read back and compared, and
every value that is about to change is in a file before the first write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
import json
import logging
from pathlib import Path
import re
import time

from reflex_ros.errors import BusError, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bring_up import read_configuration, take
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.registers import Register

_log = logging.getLogger(__name__)

SETTLE_S = 0.35
"""From the last write to the first value that can be believed: 0.3 s, and a little more."""
TRIES = 3

Values = Mapping[int, Mapping[Register, int]]
"""Servo id -> register -> value."""
KEPT: tuple[Register, ...] = tuple(
    register for register in reg.REGISTERS
    if register.is_eeprom and register.writable and register not in (reg.ID, reg.BAUD_INDEX))
"""What a backup holds: everything that is set up per servo, but not how the servo is reached."""


@dataclass(frozen=True, slots=True)
class Change:
    """One register of one servo that differs from what is wanted."""

    servo_id: int
    register: Register
    before: int
    after: int

    def __str__(self) -> str:
        return f'servo {self.servo_id} {self.register.name}: {self.before} -> {self.after}'


def read_kept(bus: Bus, servo_ids: Iterable[int]) -> dict[int, dict[Register, int]]:
    """
    Read everything that a backup holds.

    :raises BusTimeout: when a servo stays silent.
    """
    found = {}
    for servo_id in servo_ids:
        block = read_configuration(bus, servo_id)
        found[servo_id] = {register: take(block, register) for register in KEPT}
    return found


def changes(found: Values, wanted: Values, *, with_equal: bool = False) -> list[Change]:
    """
    List what differs, in the order of the servos and of the addresses.

    :param with_equal: list all: what reads as wanted may stand in the memory that power clears.
    """
    return [Change(servo_id, register, found[servo_id][register], value)
            for servo_id, values in sorted(wanted.items())
            for register, value in sorted(values.items(), key=lambda pair: pair[0].address)
            if with_equal or found[servo_id][register] != value]


def write(bus: Bus, todo: Sequence[Change], done: list[Change] | None = None) -> None:
    """
    Write registers, prove each by reading it back, and lock the servos again.

    :param done: gets each change just before it is written, so that whoever interrupts this knows
        what may have been written.
    :raises ServoFault: when a servo is under torque, cannot be unlocked, or does not hold what was
        written after three tries.
    :raises BusTimeout: when a servo stays silent.
    """
    done = [] if done is None else done
    servo_ids = sorted({change.servo_id for change in todo})
    for servo_id in servo_ids:
        if bus.read(servo_id, reg.TORQUE_ENABLE) != 0:
            raise ServoFault(f'servo {servo_id} is under torque: it would not take every setting. '
                             'Let it go first (reflex so101 torque-off)', servo_id)
    try:
        for servo_id in servo_ids:
            bus.write(servo_id, reg.LOCK, 0)
            if bus.read(servo_id, reg.LOCK) != 0:
                raise ServoFault(f'servo {servo_id} stays locked: nothing would survive a power '
                                 'cycle. Switch its supply off and on', servo_id)
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
                         f'{left[0].register.name} after {TRIES} tries', left[0].servo_id)
    finally:
        _lock(bus, servo_ids)


def save_backup(folder: Path, arm_id: str, port: str, found: Values) -> Path:
    """
    Keep values in a new file, named after the arm and the time.

    :raises OSError: when that is not possible; nothing may be written to the servos then.
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
    raise OSError(f'{folder} already holds 100 backups of this second')


def newest_backup(folder: Path, arm_id: str) -> Path:
    """
    Find the last backup of an arm.

    :raises ConfigurationError: when there is none.
    """
    # An id may end like a date: only the whole name tells.
    name = re.compile(re.escape(arm_id) + r'-\d{8}-\d{6}(-\d\d)?')
    found = [path for path in folder.glob('*.json') if name.fullmatch(path.stem)]
    if not found:
        raise ConfigurationError(f'there is no backup of {arm_id} in {folder}: nothing to undo')
    return max(found, key=lambda path: path.stem)


def load_backup(path: Path) -> dict[int, dict[Register, int]]:
    """
    Read a backup.

    :raises ConfigurationError: when it cannot be read or is none.
    """
    names = {register.name: register for register in KEPT}
    try:
        servos = json.loads(path.read_text(encoding='utf-8'))['servos']
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
            _log.warning('servo %d was left unlocked until its next power cycle: %s', servo_id,
                         exc)
