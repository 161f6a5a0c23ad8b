# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Entry 7 of the vendor's error reference: a run that ended on a safe stop is no success."""

import os
from pathlib import Path
import re
import signal

import pytest

from .conftest import descendants, running, wait_for


def processes(parent, module):
    """Find the processes of a command that run one of our modules."""
    found = []
    for pid in descendants(parent):
        try:
            words = Path(f'/proc/{pid}/cmdline').read_bytes().decode().split('\0')
        except OSError:
            continue
        if any(module in word for word in words):
            found.append(pid)
    return found


@pytest.mark.faults
@pytest.mark.slow
def test_entry_7_run_that_ends_on_a_safe_stop_is_no_success_and_exits_with_one(domain):
    # The demo bounds each of its steps, so that what it writes ends even when nothing happens.
    with running('demo', '--seconds', '3', env=domain) as demo:
        for line in demo.stderr:
            if line.startswith('ACTIVE'):
                break
        [stream] = wait_for(
            lambda: processes(demo.pid, 'action_stream_node'), 5.0, 'stream process')
        os.kill(stream, signal.SIGKILL)
        out, err = demo.communicate(timeout=60)
    assert demo.returncode == 1, (out, err)
    *_, title, blank, error = err.splitlines()
    assert (out, title, blank) == ('', 'Reflex command failed', '')
    assert re.fullmatch(r'Error: Safe stop fired while the arm moved: [A-Z_, ]+: .+', error), error
    assert 'no cause named' not in error
