# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a camera: what fits is computed here, what does not is refused by its name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.cameras.settings import CameraSettings, check_keys
from reflex_ros.errors import ConfigurationError

SIDES = st.integers(1, 5000)


@given(SIDES, SIDES, st.integers(0, 3000), st.integers(0, 3000))
def test_size_that_is_set_is_the_size_that_is_sent(width: int, height: int, to_width: int,
                                                   to_height: int) -> None:
    found = CameraSettings('front', width=to_width, height=to_height).final_size(width, height)
    assert found[0] == (to_width or found[0]) and found[1] == (to_height or found[1])
    if not (to_width and to_height):
        assert abs(found[0] * height - found[1] * width) <= max(width, height)


@given(SIDES, SIDES, st.integers(1, 3000))
def test_longest_side_shrinks_and_never_enlarges(width: int, height: int, longest: int) -> None:
    found = CameraSettings('front', longest_side=longest).final_size(width, height)
    assert max(found) == min(longest, max(width, height)) and min(found) >= 1


@pytest.mark.parametrize(('crop', 'box'), [
    ('', None), ('square', (80, 0, 560, 480)), ('0,0,640,480', None),
    ('10, 20, 30, 40', (10, 20, 40, 60)), ('639,479,1,1', (639, 479, 640, 480))])
def test_crop_is_a_box(crop: str, box: object) -> None:
    assert CameraSettings('front', crop=crop).crop_box(640, 480) == box


def test_square_of_a_square_is_all_of_it() -> None:
    assert CameraSettings('front', crop='square').crop_box(480, 480) is None


@pytest.mark.parametrize('crop', ['600,0,41,10', '0,0,640,481'])
def test_crop_beyond_the_picture_says_both_sizes(crop: str) -> None:
    with pytest.raises(ValueError, match='640 x 480') as caught:
        CameraSettings('front', crop=crop).crop_box(640, 480)
    assert crop in str(caught.value)


@pytest.mark.parametrize('crop', ['middle', '1,2,3', '1,2,3,0', '-1,2,3,4', '1,2,3,4,5', '1;2;3;4',
                                  '1.5,2,3,4', ','])
def test_crop_that_is_no_box_is_refused_by_its_parameter(crop: str) -> None:
    with pytest.raises(ConfigurationError, match=r"'camera\.front\.crop'.*square.*x,y,width"):
        CameraSettings('front', crop=crop)


def test_two_ways_to_set_a_size_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'camera\.wrist\.longest_side'.*or height"):
        CameraSettings('wrist', longest_side=224, height=100)


@pytest.mark.parametrize('rotation', [1, 45, -90, 360])
def test_rotation_that_is_no_quarter_turn_is_refused(rotation: int) -> None:
    with pytest.raises(ConfigurationError, match=r"'camera\.front\.rotation'.*0, 90, 180, 270"):
        CameraSettings('front', rotation=rotation)


def test_key_is_the_name_unless_it_is_set() -> None:
    assert CameraSettings('front').wire_key == 'front'
    assert CameraSettings('front', key='cam_high').wire_key == 'cam_high'


def test_two_cameras_with_one_key_are_refused() -> None:
    check_keys((CameraSettings('a'), CameraSettings('b', key='c')))
    with pytest.raises(ConfigurationError, match=r"a and b.*'a'.*'camera\.b\.key'"):
        check_keys((CameraSettings('a'), CameraSettings('b', key='a')))
