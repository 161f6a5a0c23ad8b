# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process whose descriptors run out, in the whole simulated system."""

import os
import resource

import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State

pytest.importorskip('rclpy')


def test_process_whose_descriptors_run_out_stops_the_arm(demo):
    demo.bring_to_motion()
    pid = demo.system.group.children['action_stream'].pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # It has as many as before; there are only fewer that it may have.
    most = len(os.listdir(f'/proc/{pid}/fd')) + 4
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, before[1]))
    demo.system.wait_state(State.LATCHED, timeout_s=5.0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    cause = demo.system.view.causes[0]
    assert cause.code is FaultCode.MEM_FULL
    assert cause.text.startswith('action_stream: the process has ')
    assert f'of {most} descriptors open' in cause.text
