# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Options that are numbers take no infinity and no NaN, in every command."""

import click
import pytest

from reflex_ros.cli.finite import FiniteRange

from .test_help_texts import TREE

NUMBERS = [(path, param, context) for path, command, context in TREE
           for param in command.params if isinstance(param.type, click.types.FloatParamType)
           # The programs of the simulation do not import this package; the client refuses
           # parameters of a training, because they come from JSON too.
           and not path.startswith(('reflex sim ', 'reflex training start'))]


@pytest.mark.parametrize('text', ['nan', 'inf', '-inf', 'NaN', 'infinity', '1e999'])
def test_no_command_takes_a_number_that_is_not_finite(text):
    taken = []
    for path, param, context in NUMBERS:
        try:
            param.process_value(context, text)
        except click.BadParameter:
            continue
        taken.append(f'{path} {param.name}')
    assert taken == []


def test_numbers_of_all_commands_were_tried():
    names = {f'{path} {param.name}' for path, param, _ in NUMBERS}
    assert len(names) >= 20
    assert {'reflex record episode_s', 'reflex so101 jog delta', 'reflex login timeout_s'} <= names


def test_refusal_names_the_value():
    with pytest.raises(click.BadParameter, match='nan is not a finite number'):
        FiniteRange(0.0, 1.0).convert('nan', None, None)
    assert FiniteRange(0.0, 1.0).convert('0.5', None, None) == 0.5


def test_jog_by_nan_is_a_usage_error(reflex):
    outcome = reflex('so101', 'jog', 'wrist_roll', 'nan', '--yes')
    assert outcome.code == 2 and 'nan is not a finite number' in outcome.err
