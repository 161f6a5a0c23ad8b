# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Temporary folders of runs do not pile up."""

import os
import subprocess
import sys
import tempfile

import pytest

from reflex_ros.bringup import run_folders

HOLD = """
import sys
from reflex_ros.bringup import run_folders
print(run_folders.make('up'), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr(tempfile, 'tempdir', None)
    return tmp_path


def left_behind(parent, count):
    """Make folders as runs leave them that have ended, the oldest first."""
    found = []
    for index in range(count):
        folder = parent / f'reflex-up-{index}'
        folder.mkdir()
        (folder / 'so101.log').write_text('words')
        os.utime(folder, (1000 + index, 1000 + index))
        found.append(folder)
    return found


def test_newest_folders_stay_and_older_ones_are_removed(temporary):
    old = left_behind(temporary, 12)
    other = temporary / 'reflex-upgrade'
    other.mkdir()
    made = run_folders.make('up')
    kept = {made, *old[-(run_folders.KEPT - 1):]}
    assert set(temporary.glob('reflex-up-*')) == kept
    assert other.is_dir()


def test_folder_of_a_run_that_still_runs_stays(temporary):
    with subprocess.Popen([sys.executable, '-c', HOLD], env={**os.environ}, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        in_use = temporary / run.stdout.readline().strip()
        os.utime(in_use, (1, 1))
        left_behind(temporary, 9)
        run_folders.make('up')
        assert in_use.is_dir()
        run.communicate()
    run_folders.make('up')
    assert not in_use.exists()


def test_link_to_a_folder_of_somebody_is_not_followed(temporary, tmp_path_factory):
    theirs = tmp_path_factory.mktemp('theirs')
    (theirs / 'file').write_text('mine')
    link = temporary / 'reflex-up-0000'
    link.symlink_to(theirs)
    os.utime(link, (1, 1), follow_symlinks=False)
    left_behind(temporary, 9)
    run_folders.make('up')
    assert (theirs / 'file').read_text() == 'mine'
