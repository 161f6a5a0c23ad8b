# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sitting: keys, cameras and an arm become a data set, whatever goes wrong in between."""

import io
import math
import threading
import time

import numpy as np
import pytest

pytestmark = pytest.mark.live

pytest.importorskip('av')
parquet = pytest.importorskip('pyarrow.parquet')

from PIL import Image  # noqa: E402

from reflex_ros.errors import ReflexError  # noqa: E402
from reflex_ros.recording import dataset_check  # noqa: E402
from reflex_ros.recording.dataset_folder import DatasetFolder, UNFINISHED  # noqa: E402
from reflex_ros.recording.sampler import Pose, Sampler  # noqa: E402
from reflex_ros.recording.takes import Takes  # noqa: E402
from reflex_ros.runner.sitting import Sitting  # noqa: E402

JOINTS = ('pan', 'gripper')
FPS = 50


class Arm:
    """An arm whose pan follows the clock, 0.1 s behind what it is told."""

    def __init__(self, *, shows_actions=True):
        self.shows_actions = shows_actions
        self.problem = ''
        self.error = None
        self.turns = 0
        self.began = time.monotonic()

    def turn(self):
        self.turns += 1
        if self.error is not None:
            raise self.error
        time.sleep(0.002)

    def pose(self):
        at = time.monotonic()
        wanted = 10.0 * (at - self.began)
        return Pose(at, (wanted - 1.0, 50.0), (wanted, 50.0))


def picture(grey):
    buffer = io.BytesIO()
    Image.new('RGB', (32, 32), (grey, grey, grey)).save(buffer, 'JPEG')
    return buffer.getvalue()


class Camera:
    """A camera with a rate of its own."""

    def __init__(self, sitting, hz=100.0):
        self.is_on = True
        self._sitting, self._hz = sitting, hz
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        count = 0
        while not self._is_over.wait(1.0 / self._hz):
            count += 1
            if self.is_on:
                self._sitting.put('front', picture(count % 200), time.monotonic())

    def end(self):
        self._is_over.set()
        self._thread.join()


@pytest.fixture
def sit(tmp_path):
    """Return a function that runs a sitting; a script says what happens at which turn."""
    cameras = []

    def go(script=(), *, arm=None, wanted=1, hz=100.0, longest_s=0.5, pause_s=0.05, then=None):
        arm = arm or Arm()
        dataset = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
        sampler = Sampler(arm.pose, JOINTS, ['front'], FPS, tmp_path / 'data' / UNFINISHED)
        said = []
        sitting = Sitting(arm, sampler, Takes(wanted, longest_s, pause_s), dataset, 'wave',
                          ['front'], said.append)
        camera = Camera(sitting, hz)
        cameras.append(camera)
        steps = list(script)

        def show(progress):
            if steps and steps[0](progress, sitting, arm, camera):
                steps.pop(0)
            assert arm.turns < 20_000, f'no end: {progress}'

        try:
            sitting.run(show)
        finally:
            sitting.finish()
        assert not steps, 'the script was not played to its end'
        return dataset, sampler.figures, said

    yield go
    for camera in cameras:
        camera.end()


def rows(dataset):
    return parquet.read_table(dataset.folder / 'data').to_pydict()


def errors(dataset):
    return [finding.text for finding in dataset_check.check(dataset_check.read(dataset.folder))
            if finding.is_error]


def test_frames_are_even_and_hold_what_was_measured_and_told(sit):
    dataset, figures, said = sit(wanted=2)
    assert dataset.episodes == 2 and errors(dataset) == [] and not said
    found = rows(dataset)
    count = found['episode_index'].count(0)
    assert 20 <= count <= 26
    state, action = (np.array(found[name])[:count, 0] for name in ('observation.state', 'action'))
    np.testing.assert_allclose(action - state, 1.0, atol=1e-3)
    # 10 degrees a second; a machine that is held up shifts a frame, never the line.
    assert action[-1] - action[0] == pytest.approx(10.0 * (count - 1) / FPS, abs=2.0)
    assert figures.frames == dataset.frames
    assert not (dataset.folder / UNFINISHED).exists()


def test_action_of_a_guided_arm_is_the_pose_of_the_next_frame(sit):
    dataset, _, _ = sit(arm=Arm(shows_actions=False))
    found = rows(dataset)
    state, action = (np.array(found[name]) for name in ('observation.state', 'action'))
    np.testing.assert_array_equal(action[:-1], state[1:])
    np.testing.assert_array_equal(action[-1], state[-1])


def test_keys_begin_repeat_discard_and_end(sit):
    def press(key, when):
        def step(progress, sitting, *_):
            if when(progress):
                sitting.press(key)
                return True
            return False
        return step

    def rests(progress):
        return not progress.is_recording and progress.rates_hz['front'] > 10

    dataset, figures, _ = sit([
        press(' ', rests), press('x', lambda now: now.frames >= 15),
        press(' ', rests), press('r', lambda now: now.frames >= 15),
        press(' ', lambda now: now.is_recording and 11 <= now.frames < 15),
    ], longest_s=math.inf, pause_s=math.inf)
    assert dataset.episodes == 1 and errors(dataset) == []
    assert dataset.frames < 25 <= figures.frames - dataset.frames


def test_camera_that_is_lost_costs_its_episode_only(sit):
    def unplug(progress, _, __, camera):
        if progress.number == 2 and progress.frames > 5:
            camera.is_on = False
        return not camera.is_on

    def plug(progress, _, __, camera):
        if not progress.is_recording:
            camera.is_on = True
        return camera.is_on

    dataset, _, said = sit([unplug, plug], wanted=2, longest_s=1.5)
    assert said[0] == 'camera front is lost: the episode is dropped'
    assert dataset.episodes == 2 and errors(dataset) == []


def test_slow_camera_is_told_and_its_repeats_are_counted(sit):
    dataset, figures, said = sit(hz=10.0, longest_s=1.0)
    assert 'the data set has 50: frames repeat pictures. Lower --fps' in said[0]
    assert figures.repeated['front'] > 0.6 * dataset.frames and errors(dataset) == []


def test_short_episode_does_not_count(sit):
    def too_early(progress, sitting, *_):
        if progress.is_recording:
            sitting.press(' ')
        return progress.is_recording

    dataset, _, said = sit([too_early])
    assert 'too short, dropped' in said[0] and dataset.episodes == 1


def test_nothing_begins_before_the_arm_is_ready(sit):
    arm = Arm()
    arm.problem = 'the arm is on its way to the leader'

    def hurry(progress, sitting, *_):
        sitting.press(' ')
        return True

    def arrive(progress, *_):
        assert not progress.is_recording
        if arm.turns > 100:
            arm.problem = ''
        return not arm.problem

    dataset, _, said = sit([hurry, arrive], arm=arm)
    assert said[0] in (arm.problem or 'the arm is on its way to the leader',
                       'no picture of camera front yet')
    assert dataset.episodes == 1


def test_arm_that_stops_keeps_the_episodes_before(sit, tmp_path):
    def fail(progress, _, arm, __):
        if progress.number == 2 and progress.frames > 5:
            arm.error = ReflexError('the leader was lost: servo 3')
        return arm.error is not None

    with pytest.raises(ReflexError, match='the leader was lost'):
        sit([fail], wanted=3)
    dataset = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    assert dataset.episodes == 1 and errors(dataset) == []


def test_episode_that_cannot_be_written_ends_the_sitting(sit, tmp_path, monkeypatch):
    real = DatasetFolder.add

    def full(dataset, episode):
        if dataset.episodes == 1:
            raise OSError(28, 'No space left on device')
        real(dataset, episode)
    monkeypatch.setattr(DatasetFolder, 'add', full)
    with pytest.raises(ReflexError, match='an episode was not saved: .*No space left on device'):
        sit(wanted=50)
    monkeypatch.undo()
    assert errors(DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)) == []
