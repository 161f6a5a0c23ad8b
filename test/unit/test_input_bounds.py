# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that reads a whole file of somebody else ends, whatever that file is."""

from __future__ import annotations

import ast
from collections.abc import Callable
import os
from pathlib import Path
import threading

import click
import pytest

from reflex_ros import small_file
from reflex_ros.cli import observation, training
from reflex_ros.client import lerobot_layout, mapping_file
from reflex_ros.config import yaml_lines
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import ReflexError
from reflex_ros.hardware import eeprom, lerobot_file
from reflex_ros.recording import dataset_check
from reflex_ros.recording.dataset_folder import DatasetFolder
from reflex_ros.runner.latch_file import LatchFile

PACKAGE = Path(small_file.__file__).parent
OWN = {
    'bringup/rviz.py': 'a file of this package',
    'cli/checks/machine.py': 'the first bytes of a program',
    'cameras/devices.py': '/proc',
    'hardware/discovery.py': '/sys',
    'hardware/host_load.py': '/proc',
    'hardware/port.py': '/proc and /sys', 'runner/running_graphs.py': '/proc',
    'nodes/description_node.py': 'a file of this package',
}
"""Modules that read files without a bound, and why they may."""


def data_set(path: Path) -> Path:
    """Return the folder of a data set whose description is this file."""
    folder = path.parent / 'data_set'
    (folder / 'meta').mkdir(parents=True, exist_ok=True)
    link = folder / 'meta' / 'info.json'
    if not link.is_symlink():
        link.symlink_to(path)
    return folder


def latched(path: Path) -> None:
    [cause] = LatchFile(path).load()
    assert cause.code is FaultCode.RESTART_LATCHED
    raise ReflexError(cause.text)


ENTRANCES: dict[str, Callable[[Path], object]] = {
    'robot.yaml': yaml_lines.read,
    'schema': lambda path: mapping_file.read(path, 'robot schema'),
    'latch': latched,
    'calibration': lerobot_file.load,
    'backup': eeprom.load_backup,
    'data set that is checked': lambda path: dataset_check.read(data_set(path)),
    'data set that is continued': lambda path: DatasetFolder(data_set(path), 'so101', 30),
    'data set that is uploaded': lambda path: fail(lerobot_layout._problems(data_set(path))),
    'parameters of a training': lambda path: training._read(f'@{path}'),
    'state': lambda path: observation.numbers(None, None, str(path)),
    'picture': lambda path: observation._image(str(path)),
}


BEGIN_WITHOUT = ('latch', 'data set that is continued')
"""Files that need not be there."""


def fail(problems: object) -> None:
    raise ReflexError('; '.join(problems))      # type: ignore[call-overload]


def huge(path: Path) -> None:
    with path.open('wb') as file:
        file.truncate(1 << 36)


FILES: dict[str, Callable[[Path], None]] = {
    'device without an end': lambda path: path.symlink_to('/dev/zero'),
    'file of 64 GiB': huge,
    'folder': Path.mkdir,
    'file that is not there': lambda path: None,
}


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('entrance', ENTRANCES)
def test_file_that_is_none_of_ours_is_refused_at_once(entrance: str, kind: str,
                                                      tmp_path: Path) -> None:
    if kind == 'file that is not there' and entrance in BEGIN_WITHOUT:
        pytest.skip('nothing is lost where there was nothing')
    path = tmp_path / 'file'
    FILES[kind](path)
    with pytest.raises((ReflexError, click.BadParameter)) as caught:
        ENTRANCES[entrance](path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('entrance', ('latch', 'calibration', 'backup', 'robot.yaml',
                                      'data set that is checked', 'data set that is continued'))
def test_pipe_that_nobody_writes_holds_nobody_up(entrance: str, tmp_path: Path) -> None:
    path = tmp_path / 'file'
    os.mkfifo(path)
    said: list[str] = []

    def enter() -> None:
        try:
            ENTRANCES[entrance](path)
        except ReflexError as exc:
            said.append(str(exc))

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(20.0)
    assert said and 'not a regular file' in said[0], said


def test_pipe_of_a_shell_is_read_where_a_person_names_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, 'w') as file:
        file.write('[1, 2, 3]')
    assert observation.numbers(None, None, f'/dev/fd/{reading}') == [1.0, 2.0, 3.0]
    os.close(reading)


def test_nothing_else_reads_whole_files() -> None:
    found = {}
    for path in PACKAGE.rglob('*.py'):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(('sim/', 'small_file')):
            continue
        calls = [node.func.attr for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
                 if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        if {'read_text', 'read_bytes'} & {*calls}:
            found[name] = calls
    assert found.keys() == OWN.keys()
