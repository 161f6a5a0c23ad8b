# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each of the 63 faults of the safety design has its code and a test that provokes it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
import re

from design_faults import BEYOND_THE_DESIGN, DESIGN_FAULTS, DesignFault
import pytest

from reflex_ros.bringup.demo import FAULTS
from reflex_ros.domain.fault_code import FaultCode

ROOT = Path(__file__).resolve().parents[2]


@cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding='utf-8')


@cache
def parts(file: str) -> dict[str, str]:
    """Return the text of each function with its decorators, and of each constant of a file."""
    text, found = text_of(file), {}
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            found[node.name] = '\n'.join(lines[first - 1:node.end_lineno])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) \
                and node.targets[0].id.isupper():
            found[node.targets[0].id] = '\n'.join(lines[node.lineno - 1:node.end_lineno])
    return found


def names(test: str, code: str) -> bool:
    """Tell whether a test says the code, itself or in a table that it uses."""
    place, _, case = test.partition('[')
    if case:
        return FAULTS[case.rstrip(']')].cause.name == code
    file, _, function = place.partition('::')
    text = parts(file)[function]
    tables = [body for name, body in parts(file).items()
              if name.isupper() and re.search(rf'\b{name}\b', text)]
    return any(re.search(rf'\b{code}\b', each) for each in (text, *tables))


def problems(row: DesignFault) -> list[str]:
    """Return what a row lacks that has no gap."""
    found = [] if row.tests else ['no test']
    found += [] if row.codes or row.no_code else ['no code']
    for code in row.codes:
        if not any(names(test, code) for test in row.tests):
            found.append(f'no test names {code}')
    return found


def test_every_number_of_the_design_has_its_row() -> None:
    assert list(DESIGN_FAULTS) == list(range(1, 64))


@pytest.mark.parametrize('number', DESIGN_FAULTS, ids='F{}'.format)
def test_tests_of_the_fault_are_there(number: int) -> None:
    for test in DESIGN_FAULTS[number].tests:
        file, _, name = test.partition('[')[0].partition('::')
        assert name in parts(file), test


@pytest.mark.parametrize('number', [
    pytest.param(number, id=f'F{number}',
                 marks=pytest.mark.xfail(strict=True, reason=row.gap) if row.gap else ())
    for number, row in DESIGN_FAULTS.items()])
def test_fault_has_a_code_and_a_test_that_provokes_it(number: int) -> None:
    assert problems(DESIGN_FAULTS[number]) == []


def test_every_code_belongs_to_a_fault_of_the_design_or_came_later() -> None:
    designed = {code for row in DESIGN_FAULTS.values() for code in row.codes}
    assert designed | BEYOND_THE_DESIGN == set(FaultCode.__members__)
    assert not designed & BEYOND_THE_DESIGN


def test_cases_of_the_demo_are_those_that_its_test_runs() -> None:
    cases = {test.partition('[')[2].rstrip(']')
             for row in DESIGN_FAULTS.values() for test in row.tests if '[' in test}
    assert cases == set(ast.literal_eval(
        parts('ros/test_demo.py')['FAULTS'].partition('=')[2].strip()))
