# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of fault codes is whole: each code is used, tested and explained."""

from __future__ import annotations

from pathlib import Path
import re

import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode, Reaction

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__)
TABLE = ROOT / 'reflex_ros' / 'domain' / 'fault_code.py'


def text_of(folder: str) -> str:
    return '\n'.join(path.read_text(encoding='utf-8')
                     for path in sorted((ROOT / folder).rglob('*.py'))
                     if path not in (HERE, TABLE))


SOURCE, TESTS = text_of('reflex_ros'), text_of('test')


def test_only_codes_of_the_table_are_used() -> None:
    used = set(re.findall(r'FaultCode\.([A-Z][A-Z_]+)', SOURCE + TESTS))
    assert used <= set(FaultCode.__members__)


@pytest.mark.parametrize('code', FaultCode, ids=str)
def test_code_is_raised_and_a_test_provokes_it(code: FaultCode) -> None:
    assert re.search(rf'FaultCode\.{code}\b', SOURCE), 'nothing raises it'
    assert re.search(rf"FaultCode\.{code}\b|'{code}'", TESTS), 'no test provokes it'


@pytest.mark.parametrize('code', FaultCode, ids=str)
def test_row_reads_as_a_person_needs_it(code: FaultCode) -> None:
    row = code.row
    assert row.meaning[0].islower() or row.meaning.startswith('action_stream')
    assert not row.meaning.endswith('.') and len(row.meaning) > 10
    assert row.next_step[0].isupper() and row.next_step.endswith('.')
    assert row.latches is not True or row.reaction is not Reaction.IGNORE


def test_unknown_name_is_kept_in_the_text() -> None:
    assert Cause.named('OP_STOP', 'why') == Cause(FaultCode.OP_STOP, 'why')
    unknown = Cause.named('NEW_FAULT', 'why')
    assert unknown.code is FaultCode.INTERNAL
    assert 'NEW_FAULT' in unknown.text and 'why' in unknown.text
