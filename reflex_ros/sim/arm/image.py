# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The file that keeps the servos' EEPROM between runs: JSON, one hexadecimal text per servo."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path

from reflex_ros.sim.arm.servo import Servo

_FORMAT = 'reflex_ros simulated arm, EEPROM 1'


def load_image(path: Path, servos: Sequence[Servo]) -> None:
    """
    Load the servos' EEPROM from the file of an earlier run, and restart them.

    :raises OSError: when the file cannot be read.
    :raises ValueError: when the file is not an EEPROM image of this number of servos.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        images = content['servos'] if content['format'] == _FORMAT else []
        if len(images) != len(servos):
            raise ValueError(f'{len(images)} servos, expected {len(servos)}')
        for servo, image in zip(servos, images, strict=True):
            servo.memory.load(image)
            servo.power_cycle(0, 0.0)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is not an EEPROM image ({error}). Remove it, or name another '
                         'file') from error


def save_image(path: Path, servos: Sequence[Servo], now_ns: int) -> None:
    """Write the EEPROM contents that would survive a power cut at `now_ns`."""
    for servo in servos:
        servo.memory.commit(now_ns)
    content = {'format': _FORMAT, 'servos': [servo.memory.dump() for servo in servos]}
    fresh = path.with_name(path.name + '.new')
    fresh.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    fresh.replace(path)


class Keeper:
    """Write the image file after each EEPROM write, so that a crash loses nothing."""

    def __init__(self, path: Path, servos: Sequence[Servo]) -> None:
        self._path = path
        self._servos = servos
        self._saved = self._commits()

    def __call__(self, now_ns: int) -> None:
        """
        Save the image when it has changed.

        :raises OSError: when the file cannot be written.
        """
        for servo in self._servos:
            if servo.memory.is_writing:
                servo.memory.commit(now_ns)
        if self._commits() != self._saved:
            save_image(self._path, self._servos, now_ns)
            self._saved = self._commits()

    def _commits(self) -> int:
        return sum(servo.memory.commits for servo in self._servos)
