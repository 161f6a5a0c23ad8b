# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera is found by its name; when it is not, the text says what there is."""

from __future__ import annotations

import pytest

from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.cameras.topics import candidates, choose, COMPRESSED, IMAGE, Published, Source

FRONT = CameraSettings('front')
RAW, JPEG = '/front/image_raw', '/front/image_raw/compressed'


def found(camera: CameraSettings = FRONT, **published: Published) -> tuple[Source | None, str]:
    """Choose among topics that are written with __ for /."""
    names = [name if name.startswith('/') else f'/{name}' for name in candidates(camera)]
    return choose(camera, names, {
        '/' + name.replace('__', '/'): what for name, what in published.items()})


@pytest.mark.parametrize('is_reliable', [True, False])
def test_camera_that_publishes_only_image_raw_is_found(is_reliable: bool) -> None:
    assert found(front__image_raw=Published(IMAGE, is_reliable)) == (
        Source(RAW, False, is_reliable), '')


def test_compressed_is_preferred() -> None:
    assert found(front__image_raw=Published(IMAGE, True),
                 front__image_raw__compressed=Published(COMPRESSED, False)) == (
        Source(JPEG, True, False), '')


def test_realsense_is_found_by_its_colour_topic() -> None:
    assert found(front__color__image_raw=Published(IMAGE, True),
                 front__depth__image_rect_raw=Published(IMAGE, True)) == (
        Source('/front/color/image_raw', False, True), '')


@pytest.mark.parametrize(('kind', 'is_compressed'), [(IMAGE, False), (COMPRESSED, True)])
def test_topic_that_is_set_is_the_only_one_whatever_its_name(kind: str,
                                                             is_compressed: bool) -> None:
    camera = CameraSettings('front', topic='/cam/picture')
    assert found(camera, front__image_raw=Published(IMAGE, True),
                 cam__picture=Published(kind, True)) == (
        Source('/cam/picture', is_compressed, True), '')


@pytest.mark.parametrize(('topic', 'source'), [('', Source(JPEG, True)), ('/cam/image_raw', None)])
def test_without_a_publisher_the_compressed_topic_is_expected(topic: str,
                                                              source: Source | None) -> None:
    assert found(CameraSettings('front', topic=topic)) == (source, (
        f'nothing publishes {topic or JPEG + " or " + RAW}. Start the camera driver'))


def test_other_image_topics_are_named_without_depth() -> None:
    _, problem = found(chatter=Published('std_msgs/msg/String', True),
                       camera__color__image_raw=Published(IMAGE, True),
                       camera__depth__image_rect_raw=Published(IMAGE, True),
                       image_raw=Published(IMAGE, True))
    assert problem == (f'nothing publishes {JPEG} or {RAW}. Set camera.front.topic to one of the '
                       'image topics: /camera/color/image_raw, /image_raw')


def test_list_of_other_topics_is_bounded() -> None:
    _, problem = found(**{f'cam_{number}': Published(IMAGE, True) for number in range(20)})
    assert problem.endswith('/cam_11, /cam_12, /cam_13 and 14 more')


def test_topic_of_another_type_is_named() -> None:
    source, problem = found(CameraSettings('front', topic='/scan'),
                            scan=Published('sensor_msgs/msg/LaserScan', True))
    assert problem == ('/scan is a sensor_msgs/msg/LaserScan, expected sensor_msgs/msg/Image or '
                       'sensor_msgs/msg/CompressedImage. Correct camera.front.topic')
    assert source is None


def test_topic_of_another_type_does_not_hide_the_next_candidate() -> None:
    assert found(front__image_raw__compressed=Published('std_msgs/msg/String', True),
                 front__image_raw=Published(IMAGE, True))[0] == Source(RAW, False, True)
