# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the gate says of an arm that is not armed, against a simulated arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import re

from arm_fixture import wait_for
import pytest
from stepped_arm import stepped_arm, SteppedArm
from test_arm_driver import Rig

from reflex_ros.hardware import fitness


@pytest.fixture
def sim() -> Iterator[SteppedArm]:
    with stepped_arm() as virtual:
        yield virtual


@pytest.fixture
def rig(sim: SteppedArm) -> Iterator[Rig]:
    made = Rig(sim)
    yield made
    made.close()


def look(rig: Rig, name: str) -> str:
    """Wait for an item to be red, and for nothing else."""
    wait_for(lambda: rig.report.unfit, 'a problem')
    assert set(rig.report.unfit) == {name}
    return rig.report.unfit[name]


def test_arm_that_is_well_has_no_problem_and_is_looked_at_without_a_write(rig: Rig) -> None:
    since_ns = rig.sim.control.mark()
    rig.cycles(600)
    assert rig.report.unfit == {}
    assert rig.sim.writes(since_ns) == []
    rig.activate()


def test_servo_that_is_too_warm_is_named(rig: Rig) -> None:
    rig.sim.control.set(temperature_c=57.0, ids=[3])
    assert 'servo 3 (elbow_flex) is at 57 degC. Let it cool' in look(rig, 'heat')


def test_servo_that_reports_an_error_is_named_with_the_remedy(rig: Rig) -> None:
    rig.sim.control.fault('error_bits', ids=[3], bits=32)
    assert 'servo 3 (elbow_flex) reports error bits 0x20: overload' in look(rig, 'servos')


def test_supply_that_is_too_weak_is_named(rig: Rig) -> None:
    rig.sim.control.set(supply_v=10.0)
    assert re.search(r'has (9|10)\.\d V.*servo supply', look(rig, 'supply'))


def test_joint_outside_its_range_is_named(sim: SteppedArm) -> None:
    low = sim.joint(1)['position_ticks'] + 60
    sim.control.set(id=2, register='min_position_limit', value=low)
    rig = Rig(sim, accepts_range=True)
    assert 'servo 2 (shoulder_lift) is outside its calibrated range' in look(rig, 'pose')
    rig.close()


def test_supply_that_is_off_is_named_and_the_problem_ends_with_it(rig: Rig) -> None:
    rig.sim.control.power(False)
    assert 'Is the servo supply on?' in look(rig, 'bus')
    rig.sim.control.power(True)
    wait_for(lambda: not rig.report.unfit, 'the servos to answer')


def test_calibration_that_another_program_changed_is_noticed(rig: Rig) -> None:
    rig.sim.control.set(id=5, register='max_position_limit', value=3000)
    text = look(rig, 'calibration')
    assert 'servo 5 (wrist_roll) has 3000 in max_position_limit' in text
    rig.sim.reset_eeprom()
    wait_for(lambda: not rig.report.unfit, 'the old calibration')


def test_one_strange_measurement_is_not_believed(rig: Rig) -> None:
    looks = iter([{'heat': 'hot'}, {}, {'heat': 'hot'}])
    rig.arm.unfitness = lambda sample: next(looks, {})    # type: ignore[method-assign]
    seen: list[Mapping[str, str]] = []
    rig.on_sample = lambda sample: seen.append(rig.report.unfit)
    rig.cycles(round(5 * fitness.LOOK_S * 100))
    assert next(looks, None) is None and not any(seen)
