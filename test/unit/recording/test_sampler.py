# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which picture belongs to which frame."""

import time

import pytest

from reflex_ros.recording.sampler import Pose, Sampler

PERIOD_S = 0.2


@pytest.fixture
def sampler(tmp_path):
    sampler = Sampler(lambda: Pose(time.monotonic(), [0.0], [0.0]), ('joint',), ['front'],
                      round(1.0 / PERIOD_S), tmp_path)
    yield sampler
    sampler.drop()


def pictures_of_an_episode(sampler, frames):
    sampler.begin()
    deadline = time.monotonic() + 10.0
    while sampler.frames < frames:
        assert time.monotonic() < deadline, sampler.frames
        time.sleep(0.01)
    sampler.end()
    episode, spools = sampler.take('task')
    pictures = list(spools['front'])
    assert len(pictures) == len(episode.state) == sampler.figures.frames
    spools['front'].remove()
    return pictures


def test_frame_has_the_picture_that_is_nearest_in_time(sampler):
    now = time.monotonic()
    sampler.put('front', b'before', now)
    # In the middle between the second and the third frame, and a bit.
    sampler.put('front', b'after', now + 2.5 * PERIOD_S)
    assert pictures_of_an_episode(sampler, 4)[:4] == [b'before', b'before', b'after', b'after']
    assert sampler.figures.repeated['front'] == sampler.figures.frames - 2
    assert max(sampler.figures.camera_offset_s[:3]) <= 1.3 * PERIOD_S


def test_old_pictures_are_not_kept_and_the_newest_one_is(sampler):
    now = time.monotonic()
    for index in range(200):
        sampler.put('front', str(index).encode(), now - 10.0 + 0.05 * index)
    assert sampler.lost_cameras(now) == [] and sampler.lost_cameras(now + 1.0) == ['front']
    sampler.put('front', b'newest', now + 60.0)
    assert pictures_of_an_episode(sampler, 1)[0] == b'newest'
