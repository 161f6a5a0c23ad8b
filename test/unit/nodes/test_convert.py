# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of an arm carry its joints by name, whatever arm it is."""

from pathlib import Path
import sys

import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402

# Where the builders of the domain's tests are: in importlib mode pytest adds no folder.
sys.path.append(str(Path(__file__).parents[1] / 'domain'))
from made_up_arms import ARMS  # noqa: E402

from reflex_ros.domain.action import ActionChunk  # noqa: E402
from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.sample import JointSample  # noqa: E402
from reflex_ros.nodes import convert  # noqa: E402

every_arm = pytest.mark.parametrize('arm', ARMS, ids=lambda arm: arm.name)


def values(arm):
    """Return one different number per joint."""
    return np.arange(1.0, len(arm.joints) + 1.0) / 10.0


@every_arm
def test_joint_state_comes_back_in_joint_order(arm):
    zero = 0.0 * values(arm)
    sample = JointSample(1.0, values(arm), zero, zero, zero, zero, zero, zero,
                         (0,) * len(arm.joints))
    message = convert.to_joint_state(sample, arm.joint_names, convert.to_time(7))
    assert message.name == list(arm.joint_names)
    assert convert.positions(message, arm.joint_names) == tuple(values(arm))


@every_arm
def test_joint_state_is_read_by_name_in_any_order_with_other_joints(arm):
    message = JointState(name=['stranger', *reversed(arm.joint_names)],
                         position=[9.0, *reversed(values(arm).tolist())])
    assert convert.positions(message, arm.joint_names) == tuple(values(arm))


@every_arm
@pytest.mark.parametrize('value', [None, float('nan'), float('inf')])
def test_joint_state_without_a_joint_or_its_value_is_not_used(arm, value):
    names, position = list(arm.joint_names), values(arm).tolist()
    if value is None:
        names[-1] = 'stranger'
    else:
        position[-1] = value
    assert convert.positions(JointState(name=names, position=position), arm.joint_names) is None


@every_arm
def test_chunk_comes_back_as_it_was_sent(arm):
    rows = values(arm) + np.arange(4)[:, None] / 100.0
    chunk = ActionChunk(41, rows, 50.0, observed_at=9.75, epoch=7, joint_names=arm.joint_names)
    message = convert.to_trajectory(chunk, convert.to_time(7))
    message.header.frame_id = convert.command_tag(chunk, 0.25)
    found = convert.from_command(message, 10.0)
    assert (found.seq, found.epoch, found.joint_names) == (41, 7, arm.joint_names)
    assert found.observed_at == pytest.approx(9.75) and found.rate_hz == pytest.approx(50.0)
    np.testing.assert_array_equal(found.rows, rows)


@pytest.mark.parametrize('data', ['a\x1b[2J\nb', 'peer\n: OP_STOP: a\x1b[2Jb\u202e'])
def test_text_of_a_stop_is_one_line_whoever_sent_it(data):
    asked = convert.from_stop(String(data=data))
    assert asked.cause.text.isprintable() and asked.source.isprintable()


@pytest.mark.parametrize('source', ['me', 'action_stream', 'so101'])
def test_code_that_would_move_the_arm_is_a_plain_stop_when_it_comes_as_text(source):
    cause = convert.from_stop(String(data=f'{source}: OVERHEAT: motor smells')).cause
    # The driver repeats the cause in its beat, where OVERHEAT parks the arm.
    assert cause.code is FaultCode.OP_STOP and 'motor smells' in cause.text
    known = convert.from_stop(String(data=f'{source}: NET_SILENT: no answer')).cause
    assert known.code is FaultCode.NET_SILENT
