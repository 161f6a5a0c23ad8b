# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about the simulated arm; defaults are a 12 V SO-101 follower."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math

from reflex_ros.sim.arm.parts import Part, PARTS


class Model(str, Enum):
    """How a joint follows its goal."""

    IDENTIFIED = 'identified'
    """Dead time, trapezoid profile, first-order lag and a small gravity droop."""

    PHYSICAL = 'physical'
    """Dead time, profile, P controller, motor equation, inertia, friction and gravity."""

    INSTANT = 'instant'
    """At the goal within one step; for tests that are not about motion."""


class OverloadClears(str, Enum):
    """What ends an overload trip; the sources disagree."""

    TORQUE_OFF = 'torque_off'
    NEW_GOAL = 'new_goal'
    POWER_CYCLE = 'power_cycle'


class Usb(str, Enum):
    """How the adapter hands replies to the host."""

    NONE = 'none'
    """Each reply by itself, as soon as it is complete on the line."""

    BULK = 'bulk'
    """In packets of up to 64 bytes, or when the line pauses."""

    CDC_1MS = 'cdc1ms'
    """At the next boundary of 1 ms."""

    FTDI_16MS = 'ftdi16'
    """At the next boundary of 16 ms, the default latency timer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    One arm's build and the simulation's options.

    :param dead_time_s: from a goal's arrival to the first motion.
    :param lag_s: time constant with which a joint follows its profile (identified model).
    :param part: row of `parts.PARTS`.
    :param supply_v: at the bus, before the drop over the wires; None is what suits the part.
    :param turnaround_us: silence of a servo between request and reply.
    :param fast: no pacing: replies leave as soon as they are computed.
    :param speed: simulated seconds per real second, behind the pseudo-terminal.
    :param torque_on_goal_write: a goal away from the present pose switches torque on.
    :param latch_goal_on_torque: torque on keeps the pose instead of going to a stale goal.
    :param chain_stops: a missing servo in a sync read silences those after it in the list.
    :param dither: voltage and temperature registers flicker by one count.
    :param noise_ticks: amplitude of the encoder's noise.
    :param eeprom_read_s: for how long an unlocked EEPROM write reads back as 0. One arm was seen
        to do it; most tools read back at once, so by default it is the fault `eeprom_busy`.
    :param eeprom_commit_s: after which an unlocked EEPROM write survives a power cut.
    :param power_on_speed: goal speed after power-on [tick/s]; newer firmware has its maximum.
    :param mode_change_under_torque: operating mode and homing offset can be written then, too;
        the sources disagree, and tools for the servo do it.
    :param factory: six servos out of their boxes: id 1 each, not calibrated.
    :param boot_s: silence after REBOOT and after power-on.
    """

    model: Model = Model.IDENTIFIED
    dead_time_s: float = 0.085
    lag_s: float = 0.030
    part: str = 'c018'
    supply_v: float | None = None
    turnaround_us: float = 50.0
    fast: bool = False
    speed: float = 1.0
    seed: int = 0
    pose: tuple[float, ...] | None = None
    torque_on_goal_write: bool = True
    latch_goal_on_torque: bool = False
    overload_clears: OverloadClears = OverloadClears.TORQUE_OFF
    chain_stops: bool = False
    usb: Usb = Usb.NONE
    dither: bool = True
    noise_ticks: int = 0
    eeprom_read_s: float = 0.0
    eeprom_commit_s: float = 0.30
    boot_s: float = 0.8
    power_on_speed: int = 0
    mode_change_under_torque: bool = True
    factory: bool = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        if self.part not in PARTS:
            raise ValueError(f'part {self.part!r}: there are {", ".join(PARTS)}')
        for name, low, high in (
            ('dead_time_s', 0, 2), ('lag_s', 0.001, 2),
            ('turnaround_us', 0, 100_000), ('noise_ticks', 0, 100), ('boot_s', 0, 60),
            ('eeprom_read_s', 0, 60), ('eeprom_commit_s', 0, 60), ('speed', 0.01, 50),
            ('power_on_speed', 0, 3400), ('supply_v', 0, 25),
        ):
            value = getattr(self, name) if name != 'supply_v' else self.no_load_v
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f'{name} {value!r}: allowed are {low} to {high}')

    @property
    def no_load_v(self) -> float:
        """The supply as it was chosen, or as the part wants it [V]."""
        return self.motor.supply_v if self.supply_v is None else self.supply_v

    @property
    def motor(self) -> Part:
        """The constants of the part."""
        return PARTS[self.part]
