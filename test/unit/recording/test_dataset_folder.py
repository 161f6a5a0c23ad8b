# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A data set that grows by episodes, and what is left of one that was interrupted."""

from dataclasses import replace
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
from reflex_ros.recording.dataset_folder import (  # noqa: E402
    DatasetFolder,
    Episode,
    GUIDED,
    PART,
)

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


def guided_episode(number, frames=30):
    """Make an episode in whose second half a person has guided the arm."""
    return replace(episode(number, frames), guided=np.arange(frames) >= frames // 2)


def test_frames_that_a_person_has_guided_are_marked(tmp_path):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    data.add(guided_episode(0))
    # Beside it, one of which nobody says it.
    data.add(episode(1))
    assert errors(tmp_path / 'data') == []
    assert rows(tmp_path / 'data')[GUIDED] == 15 * [0.0] + 15 * [1.0] + 30 * [0.0]
    assert json.loads((tmp_path / 'data/meta/info.json').read_text())['features'][GUIDED] == {
        'dtype': 'float32', 'shape': [1], 'names': ['is_intervention']}
    assert json.loads((tmp_path / 'data/meta/stats.json').read_text())[GUIDED]['mean'] == [0.25]


def test_data_set_without_marks_takes_no_frames_that_need_them(tmp_path):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    data.add(episode(0))
    with pytest.raises(ConfigurationError, match='does not say in which frames a person'):
        data.add(guided_episode(1))
    data.add(replace(episode(1), guided=np.zeros(30)))
    assert GUIDED not in rows(tmp_path / 'data') and data.episodes == 2


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


def test_text_of_a_task_is_the_index_that_pandas_reads(tmp_path):
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    for task in ('wave', 'point', 'wave'):
        data.add(episode(0, task=task))
    table = parquet.read_table(tmp_path / 'data' / 'meta' / 'tasks.parquet')
    assert table.schema.pandas_metadata['index_columns'] == ['task']
    assert table.to_pydict() == {'task_index': [0, 1], 'task': ['wave', 'point']}
    pandas = pytest.importorskip('pandas')
    read = pandas.read_parquet(tmp_path / 'data' / 'meta' / 'tasks.parquet')
    assert [read.iloc[number].name for number in (0, 1)] == ['wave', 'point']


@pytest.mark.filterwarnings('ignore')
def test_lerobots_own_class_reads_it(tmp_path):
    lerobot = pytest.importorskip(
        'lerobot.datasets.lerobot_dataset',
        reason='lerobot is not installed (it brings torch: pip install lerobot)')
    written = [episode(number) for number in range(3)]
    data = DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
    for each in written:
        data.add(each)
    read = lerobot.LeRobotDataset('local/data', root=tmp_path / 'data', video_backend='pyav')
    assert (read.num_episodes, read.fps, len(read)) == (3, FPS, data.frames)
    assert read.meta.robot_type == 'so101_follower'
    first = len(written[0].state)
    for frame, state in ((0, written[0].state[0]), (first, written[1].state[0]),
                         (len(read) - 1, written[2].state[-1])):
        item = read[frame]
        np.testing.assert_allclose(item['observation.state'].numpy(), state, rtol=1e-5)
        for name in written[0].pictures:
            # (channels, height, width) in 0..1.
            assert item[f'observation.images.{name}'].shape[0] == 3
        assert item['task'] in {each.task for each in written}


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
        # Where pandas is installed, pyarrow loads it for the first table.
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        said = process.communicate()[0].split()
        counted = max([counted + 1, *map(int, said)])
        if not counted:
            continue
        DatasetFolder(tmp_path / 'data', 'so101_follower', FPS)
        assert errors(tmp_path / 'data') == []
        info = json.loads((tmp_path / 'data/meta/info.json').read_text())
        assert info['total_episodes'] >= counted
    assert counted > 2
