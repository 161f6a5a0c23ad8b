# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a process says of its own memory and descriptors."""

import os
import resource

import pytest

from reflex_ros.runner import own_process


@pytest.mark.parametrize(('memory_mb', 'files', 'says'), [
    (100.0, 40, ''), (1000.0, 819, ''), (1001.0, 40, 'holds 1001 MB of memory, allowed 1000 MB'),
    (100.0, 820, 'has 820 of 1024 descriptors open')])
def test_what_runs_out_is_named_with_its_numbers(memory_mb, files, says):
    found = own_process.text(memory_mb, files, 1024)
    assert found.endswith(says) and bool(found) is bool(says)


def test_process_counts_its_own_descriptors():
    assert own_process.shortage() == ''
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = len(os.listdir('/proc/self/fd'))
    most = count + 20
    opened = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        while len(os.listdir('/proc/self/fd')) < most - 2:
            opened.append(os.open('/dev/null', os.O_RDONLY))
        assert f'of {most} descriptors open' in own_process.shortage()
        # None is left to look with.
        opened += [os.open('/dev/null', os.O_RDONLY), os.open('/dev/null', os.O_RDONLY)]
        with pytest.raises(OSError, match='Too many open files'):
            while True:
                opened.append(os.open('/dev/null', os.O_RDONLY))
        assert own_process.shortage() == 'the process cannot look at itself: Too many open files'
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
