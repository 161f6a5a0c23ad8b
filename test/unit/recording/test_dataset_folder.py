# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A data set that grows by episodes, and what is left of one that was interrupted."""

import io
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

av = pytest.importorskip('av')
parquet = pytest.importorskip('pyarrow.parquet')

from PIL import Image  # noqa: E402

from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.recording import dataset_check  # noqa: E402
from reflex_ros.recording.dataset_folder import DatasetFolder, Episode, PART  # noqa: E402

JOINTS = ('pan', 'lift', 'gripper')
FPS = 20


def picture(grey):
    buffer = io.BytesIO()
    Image.new('RGB', (64, 48), (grey, grey, grey)).save(buffer, 'JPEG', quality=95)
    return buffer.getvalue()


def episode(number, frames=30, cameras=('front',), joints=JOINTS, task='wave'):
    """Make an episode whose values say which one it is."""
    values = np.add.outer(np.linspace(0.0, 40.0, frames), np.arange(len(joints))) + number
    pictures = {name: [picture(min(40 + 5 * index, 250)) for index in range(frames)]
                for name in cameras}
    return Episode(task, joints, values, values + 0.5, pictures)


def rows(folder):
    return parquet.read_table(folder / 'data').to_pydict()


def errors(folder):
    return [finding.text for finding in dataset_check.check(dataset_check.read(folder))
            if finding.is_error]


def test_each_episode_is_whole_when_it_was_added(tmp_path):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    for number in range(3):
        data.add(episode(number, task=('wave', 'point')[number % 2]))
        assert (data.episodes, data.frames) == (number + 1, 30 * (number + 1))
        assert errors(tmp_path / 'data') == []
    found = rows(tmp_path / 'data')
    assert found['index'] == list(range(90))
    assert found['task_index'] == 30 * [0] + 30 * [1] + 30 * [0]
    assert found['action'][60][0] == pytest.approx(2.5)
    assert not list((tmp_path / 'data').rglob('*' + PART))


def test_statistics_are_those_of_all_frames(tmp_path):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    for number, frames in enumerate((10, 40, 25)):
        data.add(episode(number, frames))
    values = np.array(rows(tmp_path / 'data')['observation.state'])
    stats = json.loads((tmp_path / 'data/meta/stats.json').read_text())['observation.state']
    for name, wanted in (('min', values.min(0)), ('max', values.max(0)),
                         ('mean', values.mean(0)), ('std', values.std(0))):
        np.testing.assert_allclose(stats[name], wanted, rtol=1e-4)
    assert stats['count'] == [75]


def test_data_set_is_continued_where_it_ended(tmp_path):
    folder = tmp_path / 'data'
    DatasetFolder(folder, 'so101_follower', FPS).add(episode(0))
    data = DatasetFolder(folder, 'so101_follower', FPS)
    assert data.episodes == 1
    data.add(episode(1, task='point'))
    assert errors(folder) == []
    assert json.loads((folder / 'meta/info.json').read_text())['total_tasks'] == 2
    assert rows(folder)['episode_index'] == 30 * [0] + 30 * [1]


@pytest.mark.parametrize(('options', 'text'), [
    ({'fps': 30}, 'its fps is 20, not 30'), ({'robot': 'koch'}, "its robot_type is 'so101"),
])
def test_data_set_of_another_kind_is_not_continued(tmp_path, options, text):
    folder = tmp_path / 'data'
    DatasetFolder(folder, 'so101_follower', FPS).add(episode(0))
    with pytest.raises(ConfigurationError, match=text):
        DatasetFolder(folder, **{'robot': 'so101_follower', 'fps': FPS} | options)


def test_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(ConfigurationError, match='is not empty, and holds no data set'):
        DatasetFolder(tmp_path, 'so101_follower', FPS)


@pytest.mark.parametrize(('other', 'text'), [
    ({'cameras': ('front', 'top')}, 'has other cameras: observation.images.front'),
    ({'joints': ('pan', 'gripper')}, 'has other joints: pan.pos, lift.pos, gripper.pos')])
def test_episode_that_does_not_fit_changes_nothing(tmp_path, other, text):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    data.add(episode(0))
    with pytest.raises(ConfigurationError, match=text):
        data.add(episode(1, **other))
    data.add(episode(1))
    assert errors(tmp_path / 'data') == [] and data.episodes == 2


def test_disk_that_is_full_keeps_the_episodes_before(tmp_path, monkeypatch):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    data.add(episode(0))
    real = Path.write_text

    def full(path, *arguments, **options):
        if path.name.startswith('info.json'):
            raise OSError(28, 'No space left on device')
        return real(path, *arguments, **options)
    monkeypatch.setattr(Path, 'write_text', full)
    with pytest.raises(OSError, match='No space left'):
        data.add(episode(1))
    monkeypatch.undo()
    # The same process goes on, as well as the next one.
    data.add(episode(1))
    assert errors(tmp_path / 'data') == [] and data.episodes == 2
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    assert data.episodes == 2


def test_foreign_checker_finds_no_fault(tmp_path):
    pytest.importorskip('lerobot_doctor')
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    for number in range(3):
        data.add(episode(number))
    done = subprocess.run(
        [sys.executable, '-m', 'lerobot_doctor.cli', str(tmp_path / 'data'), '--json'],
        capture_output=True, text=True, check=False)
    text = json.dumps(json.loads(done.stdout))
    assert '"FAIL": 0' in text and '"total_episodes": 3' in text, text[:2000]


ADDING = """
import sys
sys.path.append(sys.argv[2])
from test_dataset_folder import DatasetFolder, episode, FPS, Path
data = DatasetFolder(Path(sys.argv[1]), 'so101_follower', FPS)
print(data.episodes, flush=True)
while True:
    data.add(episode(data.episodes, 12))
    print(data.episodes, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_every_counted_episode_is_whole(tmp_path):
    # One run after the other on one data set: each begins with what the one before has left.
    chance = random.Random(3)
    counted = 0
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, '-c', ADDING, str(tmp_path / 'data'), str(Path(__file__).parent)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, 'PYTHONPATH': str(
                Path(__file__).parents[3])})
        assert int(process.stdout.readline()) >= counted
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[0].split()
        counted = max([counted, *map(int, said)])
        if not counted:
            continue
        DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
        assert errors(tmp_path / 'data') == []
        info = json.loads((tmp_path / 'data/meta/info.json').read_text())
        assert info['total_episodes'] >= counted
    assert counted > 2
