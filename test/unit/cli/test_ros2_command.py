# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``ros2 reflex``: every word after it is for ``reflex``."""

import argparse
from importlib.metadata import entry_points
import json

import pytest

from reflex_ros.cli.ros2_command import ReflexCommand


def ros2(*words):
    """Do what ros2cli does with a command (ros2cli 0.36, ``add_subparsers_on_demand``)."""
    extension = ReflexCommand()
    parser = argparse.ArgumentParser()
    below = parser.add_subparsers(dest='command').add_parser('reflex')
    # ros2cli first looks which command it is, before the command says what it takes.
    parser.parse_known_args(['reflex'])
    extension.add_arguments(below, 'ros2 reflex')
    return extension.main(parser=parser, args=parser.parse_args(['reflex', *words]))


def test_ros2cli_finds_the_command():
    [found] = [each for each in entry_points(group='ros2cli.command') if each.name == 'reflex']
    assert found.load() is ReflexCommand
    assert ReflexCommand.__doc__.strip().splitlines()[0] == (
        'Drive the running graph, and everything else that `reflex` does.')


@pytest.mark.parametrize(('words', 'code'), [
    (('--help',), 0), (('stop', '-h'), 0), (('stop', '--domain', '300', '--json'), 2),
    (('--json',), 2), (('nonsense',), 2)])
def test_words_and_exit_codes_pass_through(words, code, capsys):
    assert ros2(*words) == code
    out = capsys.readouterr().out
    if '--json' in words:
        assert json.loads(out)['ok'] is False
    elif not code:
        assert out.startswith('Usage: reflex')
