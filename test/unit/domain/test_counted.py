# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A number and its noun agree, and every text has them from one place."""

from pathlib import Path
import re

from reflex_ros.domain.counted import counted

PACKAGE = Path(__file__).parents[3] / 'reflex_ros'
PLURAL = re.compile(r'\{(len\([^{}]*\)|added|episodes|frames|count)\} '
                    r'(episodes|frames|registers|rows|samples|pictures|items|times)\b|item\(s\)')


def test_noun_agrees_with_its_number():
    assert [counted(number, 'episode') for number in (0, 1, 2)] == [
        '0 episodes', '1 episode', '2 episodes']


def test_no_command_counts_in_another_way():
    found = [f'{path.name}: {match.group()}' for path in sorted((PACKAGE / 'cli').rglob('*.py'))
             for match in PLURAL.finditer(path.read_text(encoding='utf-8'))]
    assert found == []
