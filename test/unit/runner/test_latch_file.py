# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stop outlives the process, and what cannot be read counts as a stop."""

from __future__ import annotations

import json
import os
from pathlib import Path
import resource

from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.cause import one_line
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import CauseRecord
from reflex_ros.runner.latch_file import ARMED, LatchFile

STOPS = (CauseRecord(FaultCode.OP_STOP, 'a person asked to stop: »halt«', 1234.5, 3), ARMED)
ROW = {'code': 'OP_STOP', 'text': '', 'at': 1.0, 'count': 1}


def assert_unreadable(path: Path, reason: str = '') -> None:
    """Check that a file counts as a latch whose text names the file and the reason."""
    [record] = LatchFile(path).load()
    assert record.code is FaultCode.RESTART_LATCHED
    assert f'{path} cannot be read: {reason}' in record.text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a path whose folders do not exist yet."""
    return tmp_path / 'state' / 'reflex_ros' / 'latch-default.json'


@pytest.fixture(scope='module')
def shared_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a path for properties, which run many times in one test."""
    return tmp_path_factory.mktemp('latch') / 'latch.json'


def test_first_start_is_clean(path: Path) -> None:
    assert LatchFile(path).load() == ()
    assert not path.parent.exists(), 'reading made a folder'


@pytest.mark.parametrize('causes', [(), STOPS, STOPS[:1]])
def test_causes_come_back_after_a_restart(path: Path, causes: tuple[CauseRecord, ...]) -> None:
    LatchFile(path).store(causes)
    assert LatchFile(path).load() == causes


def test_reset_is_stored_too(path: Path) -> None:
    latch = LatchFile(path)
    latch.store(STOPS)
    latch.store(())
    assert LatchFile(path).load() == ()


@examples(30)
@given(st.lists(st.builds(CauseRecord, st.sampled_from(FaultCode),
                          st.text(st.characters(codec='utf-8')).map(one_line),
                          st.floats(allow_nan=False),
                          st.integers(0, 10 ** 9)), max_size=4))
def test_any_causes_come_back(shared_path: Path, causes: list[CauseRecord]) -> None:
    LatchFile(shared_path).store(tuple(causes))
    assert LatchFile(shared_path).load() == tuple(causes)


@pytest.mark.parametrize('umask', [0o000, 0o022, 0o077])
@pytest.mark.parametrize('leftover', [False, True])
def test_file_and_new_folders_are_for_the_owner_only(
        path: Path, umask: int, leftover: bool) -> None:
    if leftover:
        path.parent.mkdir(parents=True, mode=0o700)
        path.with_suffix('.tmp').touch(0o666)
    before = os.umask(umask)
    try:
        LatchFile(path).store(STOPS)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [found.name for found in path.parent.iterdir()] == [path.name], 'a temporary is left'


def test_file_is_replaced_in_one_piece(path: Path) -> None:
    latch = LatchFile(path)
    latch.store(STOPS)
    whole = path.read_text()
    with path.open() as reader:
        latch.store(())
        assert reader.read() == whole, 'a reader saw the file being written'
    assert path.read_text() != whole


def test_failed_write_is_told_and_leaves_the_old_latch(path: Path) -> None:
    latch = LatchFile(path)
    latch.store(STOPS)
    path.with_suffix('.tmp').mkdir()
    with pytest.raises(OSError, match='latch-default'):
        latch.store(())
    assert LatchFile(path).load() == STOPS
    path.with_suffix('.tmp').rmdir()
    latch.store(())
    assert LatchFile(path).load() == ()


def test_unchanged_causes_are_not_written_again(path: Path) -> None:
    latch = LatchFile(path)
    latch.store(STOPS)
    inode = path.stat().st_ino
    latch.store(tuple(STOPS))
    assert path.stat().st_ino == inode


@pytest.mark.parametrize('content', [
    '', ' ', '{', 'null', '[]', '{}', '5', '"causes"', '{"causes": null}', '{"causes": 1}',
    '{"causes": {}}', '{"causes": ""}', '{"causes": "abc"}', '{"causes": [1]}',
    '{"causes": [{}]}', '{"causes": [[]]}', json.dumps({'causes': [ROW]})[:-3],
    json.dumps({'causes': [ROW | {'count': float('inf')}]}),
    json.dumps({'causes': [ROW | {'count': 'many'}]}),
    json.dumps({'causes': [ROW | {'at': 10 ** 400}]}),
    json.dumps({'causes': [ROW | {'at': None}]}), '[' * 200_000, '{"causes": ' * 20_000,
], ids=lambda content: f'{content[:40]}')
def test_file_that_cannot_be_understood_is_a_latch(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert_unreadable(path, 'it does not hold what a supervisor writes')


def test_code_of_another_version_is_a_latch_that_keeps_its_name(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({'causes': [ROW | {'code': 'LATER_FAULT', 'text': 'why'}]}))
    [record] = LatchFile(path).load()
    assert record.code is FaultCode.INTERNAL and 'LATER_FAULT' in record.text


@examples(60)
@given(st.one_of(st.binary(max_size=60), st.integers(0, 200)))
def test_damaged_file_is_never_taken_for_a_clean_one(
        shared_path: Path, damage: bytes | int) -> None:
    LatchFile(shared_path).store(STOPS)
    whole = shared_path.read_bytes()
    content = whole[:min(damage, len(whole) - 3)] if isinstance(damage, int) else damage
    shared_path.write_bytes(content)
    assert_unreadable(shared_path)


def test_folder_in_place_of_the_file_is_a_latch(path: Path) -> None:
    path.mkdir(parents=True)
    assert_unreadable(path, 'Is a directory')
    assert f'{path}: Is a directory. Free space' in LatchFile(path).obstacle()


def test_rehearsal_changes_nothing(path: Path) -> None:
    latch = LatchFile(path)
    assert latch.obstacle() == '' and latch.load() == ()
    latch.store(STOPS)
    assert latch.obstacle() == '' and latch.load() == STOPS
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_full_disk_is_noticed_before_a_stop_must_be_stored(path: Path) -> None:
    latch = LatchFile(path)
    latch.store(STOPS)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, usual[1]))
    try:
        said = latch.obstacle()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert f'{path}: File too large. Free space' in said
    assert latch.load() == STOPS and latch.obstacle() == ''
