# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that has the key leaves no core dump; in processes of their own."""

import subprocess
import sys

ABORT = """
import os, resource
from reflex_ros.client import core_dumps
{before}
core_dumps.forbid()
core_dumps.forbid()
print(*resource.getrlimit(resource.RLIMIT_CORE), flush=True)
os.abort()
"""
RAISE = 'resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(4)[1],) * 2)'


def test_abort_writes_no_core(tmp_path):
    ended = subprocess.run([sys.executable, '-c', ABORT.format(before=RAISE)], cwd=tmp_path,
                           capture_output=True, text=True, check=False)
    assert ended.returncode == -6, ended.stderr
    soft, hard = map(int, ended.stdout.split())
    assert soft == hard and 0 <= hard <= 1
    assert not list(tmp_path.iterdir())


def test_limit_that_forbids_them_already_is_kept(tmp_path):
    before = 'resource.setrlimit(resource.RLIMIT_CORE, (0, 0))'
    ended = subprocess.run([sys.executable, '-c', ABORT.format(before=before)], cwd=tmp_path,
                           capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ['0', '0'], ended.stderr
