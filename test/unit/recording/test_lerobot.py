# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded runs as a LeRobot data set, read by libraries of others."""

import json
import math
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('mcap_ros2')
av = pytest.importorskip('av')
parquet = pytest.importorskip('pyarrow.parquet')

sys.path.append(str(Path(__file__).parent))

from lerobot_runs import pose, run  # noqa: E402

from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.hardware.so101 import SO101  # noqa: E402
from reflex_ros.recording import lerobot  # noqa: E402


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    paths = [run(folder / 'a.mcap'), run(folder / 'b.mcap', 'put the cube in the box')]
    assert lerobot.export(paths, folder / 'data', SO101, fps=20) == 2 * 80
    return folder / 'data'


def test_rows_are_degrees_and_percent_at_even_times(dataset):
    rows = parquet.read_table(dataset / 'data').to_pydict()
    assert len(rows['action']) == 160
    assert rows['frame_index'] == 2 * list(range(80)) and rows['index'] == list(range(160))
    assert rows['episode_index'] == 80 * [0] + 80 * [1]
    np.testing.assert_allclose(np.diff(rows['timestamp'][:80]), 1 / 20, atol=1e-5)
    action, state = rows['action'][41], rows['observation.state'][41]
    assert action[0] == pytest.approx(math.degrees(pose(2.05)[0]), abs=0.01)
    assert state[0] == pytest.approx(math.degrees(pose(1.95)[0]), abs=0.01)
    assert action[5] == pytest.approx(100 * 0.25 * 2.05 / 2.0, abs=0.01)


def test_frames_that_a_person_has_guided_are_marked(dataset):
    rows = parquet.read_table(dataset / 'data').to_pydict()
    assert rows['complementary_info.is_intervention'] == 2 * (40 * [0.0] + 40 * [1.0])


def test_every_frame_has_the_newest_picture_before_it(dataset):
    frames = []
    for file in sorted((dataset / 'videos/observation.images.front').rglob('*.mp4')):
        with av.open(str(file)) as video:
            frames += [frame.to_ndarray(format='rgb24') for frame in video.decode(video=0)]
    assert len(frames) == 160 and frames[0].shape == (48, 64, 3)
    for index in (0, 30, 79, 80, 130):
        at = index % 80 / 20
        newest = math.floor(at * 25 + 1e-6) / 25
        assert frames[index].mean() == pytest.approx(round(60 * newest), abs=4.0)


def test_index_names_tasks_and_places(dataset):
    info = json.loads((dataset / 'meta/info.json').read_text())
    assert (info['codebase_version'], info['fps'], info['total_episodes']) == ('v3.0', 20, 2)
    assert info['features']['action']['names'][:2] == ['shoulder_pan.pos', 'shoulder_lift.pos']
    episodes = parquet.read_table(dataset / 'meta/episodes').to_pydict()
    assert episodes['tasks'] == [['wave'], ['put the cube in the box']]
    assert episodes['dataset_from_index'] == [0, 80]
    assert episodes['videos/observation.images.front/file_index'] == [0, 1]
    assert episodes['videos/observation.images.front/to_timestamp'] == [4.0, 4.0]
    stats = json.loads((dataset / 'meta/stats.json').read_text())
    assert stats['action']['max'][5] == pytest.approx(49.4, abs=0.2)
    assert np.shape(stats['observation.images.front']['mean']) == (3, 1, 1)


def test_foreign_checker_finds_no_fault(dataset):
    pytest.importorskip('lerobot_doctor')
    done = subprocess.run([sys.executable, '-m', 'lerobot_doctor.cli', str(dataset), '--json'],
                          capture_output=True, text=True, check=False)
    text = json.dumps(json.loads(done.stdout))
    assert '"FAIL": 0' in text and '"total_episodes": 2' in text, text[:2000]


def test_run_without_motion_is_no_episode(tmp_path):
    path = run(tmp_path / 'a.mcap', joints=False)
    with pytest.raises(ConfigurationError, match='was not moved'):
        lerobot.export([path], tmp_path / 'data', SO101)


def test_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'mine').touch()
    with pytest.raises(ConfigurationError, match='is not empty'):
        lerobot.export([tmp_path / 'a.mcap'], tmp_path / 'data', SO101)
