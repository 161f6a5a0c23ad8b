# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which programs this package starts, and how: without a shell, and without secrets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import reflex_ros

PACKAGE = Path(reflex_ros.__file__).parent
STARTERS = {
    'bringup/processes.py': 'the processes of the graph; action_stream alone gets the key',
    'cli/browser.py': 'the program that opens a link, for `reflex login`',
    'cli/checks/ros.py': 'a look at the graph, for `reflex doctor`',
    'cli/graph.py': '`reflex stop` for each of several graphs; the nodes `view` and `sim_camera`, '
                    'in place of the command',
    'runner/connect/commands.py': 'the commands that robot.yaml names',
    'runner/sim_arm.py': 'a simulated arm',
}
"""Modules that start programs, and which."""
ENVIRONMENTS = ('secret_variables.without', 'environment')
"""How their environment is made; ``environment`` is that of ``Process.complete_environment``."""


def starts() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that may start a program, with its module."""
    for path in sorted(PACKAGE.rglob('*.py')):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called.split('.')[0] == 'subprocess' or called in (
                    'os.system', 'os.popen') or called.startswith(('os.exec', 'os.spawn')) or \
                    'create_subprocess' in called:
                yield name, node


def test_the_table_names_every_module_that_starts_programs() -> None:
    assert {name for name, _ in starts()} == STARTERS.keys()


def test_no_program_is_started_through_a_shell() -> None:
    for name, call in starts():
        assert ast.unparse(call.func) in ('subprocess.Popen', 'subprocess.run', 'os.execvpe'), name
        assert 'shell' not in {keyword.arg for keyword in call.keywords}, name


def test_no_program_inherits_a_secret() -> None:
    for name, call in starts():
        found = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == 'env']
        if ast.unparse(call.func) == 'os.execvpe':
            found = [ast.unparse(call.args[2])]
        assert len(found) == 1 and found[0].startswith(
            ('{**secret_variables.without(', *ENVIRONMENTS)), (name, found)


def test_no_program_reads_the_terminal_of_the_command() -> None:
    for name, call in starts():
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if ast.unparse(call.func) == 'subprocess.Popen':
            assert 'PIPE' in given['stdin'] or 'DEVNULL' in given['stdin'], name
