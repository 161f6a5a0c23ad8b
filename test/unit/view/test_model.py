# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our URDF of the SO-101 against the figures of the maker's (SO-101 reference, section 5.4)."""

from pathlib import Path

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.so101 import SO101
from reflex_ros.view.model import read_model

URDF = Path(__file__).parents[3] / 'config' / 'so101.urdf'
ARM = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll')


@pytest.mark.parametrize(('q', 'tip', 'ahead'), [
    ((0, 0, 0, 0, 0), (0.3914, 0, 0.2265), (1, 0, 0)),
    ((0.3, -0.6, 0.9, -0.4, 0.7), (0.3042, -0.0875, 0.2002), (0.951, -0.294, 0.100)),
    ((0, -1.7453, 1.5708, 1.2217, 0), (0.1582, 0, 0.0113), (0.500, 0, -0.866)),
    ((0, -1.7453, 1.5708, 0.8727, 0), (0.202, 0, 0.045), None),
    ((0, 1.37, -1.30, 0, 0), (0.478, 0, 0.088), None),
])
def test_tip_is_where_the_makers_model_has_it(q, tip, ahead):
    frame = read_model(URDF).frames(dict(zip(ARM, q, strict=True)))['gripper_frame_link']
    assert frame[:3, 3] == pytest.approx(tip, abs=6e-4)
    if ahead is not None:
        assert frame[:3, 2] == pytest.approx(ahead, abs=2e-3)


@pytest.mark.parametrize(('joint', 'tip'), [
    ('shoulder_pan', (0.3482, -0.1690, 0.2265)), ('shoulder_lift', (0.4046, 0, 0.0586)),
    ('elbow_flex', (0.3541, 0, 0.0858)), ('wrist_flex', (0.3681, 0, 0.1511)),
    ('wrist_roll', (0.3914, -0.0038, 0.2274))])
def test_positive_is_the_makers_direction(joint, tip):
    frame = read_model(URDF).frames({joint: 0.5})['gripper_frame_link']
    assert frame[:3, 3] == pytest.approx(tip, abs=6e-4)


def test_joints_and_limits_are_those_of_the_driver():
    import xml.etree.ElementTree as ElementTree

    limits = {joint.get('name'): tuple(float(joint.find('limit').get(key))
                                       for key in ('lower', 'upper'))
              for joint in ElementTree.parse(URDF).getroot().findall('joint')  # noqa: S314
              if joint.get('type') == 'revolute'}
    assert limits == {joint.name: (joint.limits.lower, joint.limits.upper)
                      for joint in SO101.joints}


def test_opening_the_gripper_moves_the_jaw_away():
    model = read_model(URDF)
    closed, opened = (model.frames({'gripper': angle})['moving_jaw_so101_v1_link']
                      @ (-0.015, -0.07, 0.0188, 1.0) for angle in (-0.17, 1.0))
    fixed = model.frames({})['gripper_link'] @ (-0.0129, 0.0, -0.1, 1.0)
    assert abs(closed - fixed)[:3].max() < 0.03 < 0.05 < abs(opened - fixed)[:3].max()


@pytest.mark.parametrize('text', ['', '<robot><link name="a"><visual/></link></robot>',
                                  '<robot><link name="a"><visual><geometry><mesh/></geometry>'
                                  '</visual></link></robot>'])
def test_file_that_is_no_such_urdf_is_named(tmp_path, text):
    path = tmp_path / 'arm.urdf'
    path.write_text(text)
    with pytest.raises(ConfigurationError, match='arm.urdf is no URDF of boxes'):
        read_model(path)
