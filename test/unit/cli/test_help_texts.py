# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The language of every help text: a reader understands each one alone (doc/style.md)."""

import inspect
import re

import click
import pytest

from reflex_ros.cli import main, so101

RIDDLE = re.compile(
    r'^(of|or|as)\b|\b(likewise|of ours|of yours|that is none|one that is|whoever|he|him|his'
    r'|over too|two looks|goes on|when not given)\b', re.IGNORECASE)


def walk(command, path='reflex', parent=None):
    """Yield every command of the tree, groups too, with its path and its context."""
    context = click.Context(command, info_name=path.rpartition(' ')[2], parent=parent,
                            **(command.context_settings if parent is None else {}))
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from walk(command.get_command(context, name), f'{path} {name}', context)


TREE = list(walk(main.reflex))


def texts():
    """Yield the help text of every command and option, with a name for it."""
    for path, command, context in TREE:
        yield path, inspect.cleandoc(command.help or '')
        for param in command.get_params(context):
            if isinstance(param, click.Option):
                yield f'{path} {param.opts[-1]}', param.help


def faults(text):
    """List what is wrong with a help text."""
    words = (text or '').split()
    if not words:
        return ['is empty']
    checks = {'does not start with a capital letter': not words[0][0].isupper(),
              'does not end with a period': not words[-1].endswith('.'),
              'has fewer than three words': len(words) < 3,
              'is a riddle': RIDDLE.search(' '.join(words))}
    return [fault for fault, is_found in checks.items() if is_found]


def test_every_help_text_is_a_sentence_that_makes_sense_alone():
    found = [f'{name}: {text!r} {" and ".join(faults(text))}'
             for name, text in texts() if faults(text)]
    assert found == []


def test_whole_tree_of_commands_was_walked():
    assert len(TREE) >= 60 and len(list(texts())) >= 300
    assert {'reflex', 'reflex datasets', 'reflex sim arm', 'reflex training start'} <= {
        path for path, _, _ in TREE}


@pytest.mark.parametrize('text, fault', [
    (None, 'is empty'), (' ', 'is empty'),
    ('lora or full.', 'does not start with a capital letter'),
    ('Seconds between polls', 'does not end with a period'),
    ('Do not.', 'has fewer than three words'), ('Likewise.', 'is a riddle'),
    ('Go on from this model of yours.', 'is a riddle'), ('Of all randomness.', 'is a riddle'),
    ('Those that are over too.', 'is a riddle'), ('Of the file, until he ends.', 'is a riddle')])
def test_text_that_a_reader_cannot_use_is_found(text, fault):
    assert fault in faults(text)


@pytest.mark.parametrize('table, parent', [
    (main.COMMANDS, 'reflex'), (so101.COMMANDS, 'reflex so101')], ids=['reflex', 'so101'])
def test_list_of_commands_shows_the_first_line_of_their_help(table, parent):
    found = dict(texts())
    for name, (_, text) in table.items():
        assert found[f'{parent} {name}'].splitlines()[0] == text


GROUPS = {path: (command, context) for path, command, context in TREE
          if isinstance(command, click.Group)}


@pytest.mark.parametrize('path', GROUPS)
def test_list_of_commands_cuts_no_text_off_at_80_columns(path):
    command, context = GROUPS[path]
    formatter = click.HelpFormatter(width=78)
    command.format_commands(context, formatter)
    assert '...' not in formatter.getvalue()
