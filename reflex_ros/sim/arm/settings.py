# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the simulated arm; the defaults describe a 12 V SO-101 follower."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math

from reflex_ros.sim.arm.parts import Part, PARTS


class Model(str, Enum):
    """Model of how a joint follows its goal."""

    IDENTIFIED = 'identified'
    """Dead time, trapezoid speed profile, first-order lag and a small droop by gravity."""

    PHYSICAL = 'physical'
    """Dead time, speed profile, P controller, motor equation, inertia, friction and gravity."""

    INSTANT = 'instant'
    """The joint is at its goal after one step; for tests that are not about motion."""


class OverloadClears(str, Enum):
    """Event that ends an overload trip; the sources disagree."""

    TORQUE_OFF = 'torque_off'
    NEW_GOAL = 'new_goal'
    POWER_CYCLE = 'power_cycle'


class Usb(str, Enum):
    """How the USB adapter passes replies to the client."""

    NONE = 'none'
    """Each reply separately, as soon as it is complete on the line."""

    BULK = 'bulk'
    """In packets: when 64 bytes are complete, or the line pauses."""

    CDC_1MS = 'cdc1ms'
    """At the next multiple of 1 ms."""

    FTDI_16MS = 'ftdi16'
    """At the next multiple of 16 ms, the default of FTDI's latency timer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The build of one arm, and the options of the simulation.

    :param dead_time_s: time from a goal to the first motion.
    :param lag_s: time constant with which a joint follows its profile (identified model).
    :param part: key of `parts.PARTS`.
    :param supply_v: voltage at the bus, before the drop over the wires; None is the part's usual.
    :param turnaround_us: time between a request and the reply of a servo.
    :param fast: replies leave as soon as they are computed, without the delays of the line.
    :param speed: simulated seconds per real second, behind the pseudo-terminal.
    :param hand: a hand moves the joints all the time, as those of a leader arm.
    :param torque_on_goal_write: a goal away from the present position switches torque on.
    :param latch_goal_on_torque: torque on keeps the pose instead of moving to an old goal.
    :param chain_stops: in a sync read, a missing servo silences all servos after it.
    :param dither: voltage and temperature registers flicker by one count.
    :param noise_ticks: amplitude of the encoder's noise.
    :param eeprom_read_s: time for which an unlocked EEPROM write reads back as 0. One real arm
        does this. Most tools read back at once, so it is off by default; the fault `eeprom_busy`
        switches it on.
    :param eeprom_commit_s: time after which an unlocked EEPROM write survives a power cut.
    :param power_on_speed: goal speed after power-on [tick/s]; newer firmware has its maximum.
    :param mode_change_under_torque: operating mode and homing offset can be written under torque
        too. The sources disagree; tools for the servo rely on it.
    :param factory: six new servos, all with id 1, not calibrated.
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
    hand: bool = False
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
        """
        Check the ranges.

        :raises ValueError: naming the option and the allowed values.
        """
        if self.part not in PARTS:
            raise ValueError(f'part {self.part!r}: allowed are {", ".join(PARTS)}')
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
        """Supply voltage without load [V]: the option, or the usual voltage of the part."""
        return self.motor.supply_v if self.supply_v is None else self.supply_v

    @property
    def motor(self) -> Part:
        """Motor and gear constants of the part."""
        return PARTS[self.part]
