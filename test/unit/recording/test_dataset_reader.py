# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of a data set, read back and made into another one."""

import json
from pathlib import Path
import shutil
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.live

av = pytest.importorskip('av')
pa = pytest.importorskip('pyarrow')
from pyarrow import parquet  # noqa: E402

sys.path.append(str(Path(__file__).parent))

from test_dataset_folder import (  # noqa: E402
    DatasetFolder,
    episode,
    errors,
    FPS,
    guided_episode,
    rows,
)

from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.recording.dataset_reader import Dataset, Edit, write_edited  # noqa: E402

LENGTHS = (30, 20, 40)


def made(folder, lengths=LENGTHS, **options):
    data = DatasetFolder(folder, 'so101_follower', FPS)
    for number, frames in enumerate(lengths):
        data.add(episode(number, frames, task=f'task {number}', **options))
    return folder


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp('data') / 'whole')


def greys(clip):
    return [float(picture.mean()) for picture in clip]


def test_episode_is_read_as_it_was_written(whole):
    data = Dataset(whole)
    assert data.episodes == [0, 1, 2] and data.joints == ('pan', 'lift', 'gripper')
    found = data.episode(1)
    assert found.task == 'task 1' and found.state.shape == (20, 3)
    assert found.action[0][0] == pytest.approx(1.5)
    assert greys(found.pictures['front']) == pytest.approx(
        [40.0 + 5 * index for index in range(20)], abs=4.0)


def test_episode_in_the_middle_of_a_file_is_read_from_there(whole, tmp_path):
    # As LeRobot itself writes: several episodes in one video.
    shutil.copytree(whole, tmp_path / 'data')
    videos = tmp_path / 'data/videos/observation.images.front/chunk-000'
    joined = tmp_path / 'joined.mp4'
    with av.open(str(joined), 'w') as out:
        stream = out.add_stream('libx264', rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        stream.options = {'g': '10'}
        count = 0
        for number in range(3):
            for picture in Dataset(whole).episode(number).pictures['front']:
                frame = av.VideoFrame.from_ndarray(picture, format='rgb24')
                frame.pts, count = count, count + 1
                out.mux(stream.encode(frame))
        out.mux(stream.encode())
    shutil.copy(joined, videos / 'file-000.mp4')
    for number, begin in ((1, 30), (2, 50)):
        path = tmp_path / f'data/meta/episodes/chunk-000/file-{number:03d}.parquet'
        [row] = parquet.read_table(path).to_pylist()
        row |= {'videos/observation.images.front/file_index': 0,
                'videos/observation.images.front/from_timestamp': begin / FPS}
        parquet.write_table(pa.Table.from_pylist([row]), path)
        (videos / f'file-{number:03d}.mp4').unlink()
    found = greys(Dataset(tmp_path / 'data').episode(2).pictures['front'])
    assert found == pytest.approx([40.0 + 5 * index for index in range(40)], abs=6.0)


def test_version_2_1_is_read(whole, tmp_path):
    folder = tmp_path / 'old'
    old = 'data/chunk-000/episode_{:06d}.parquet', 'videos/chunk-000/{}/episode_{:06d}.mp4'
    (folder / 'meta').mkdir(parents=True)
    info = json.loads((whole / 'meta/info.json').read_text()) | {'codebase_version': 'v2.1'}
    (folder / 'meta/info.json').write_text(json.dumps(info))
    (folder / 'meta/tasks.jsonl').write_text(''.join(
        json.dumps({'task_index': index, 'task': f'task {index}'}) + '\n' for index in range(3)))
    key = 'observation.images.front'
    for number in range(3):
        for source, target in (
                (f'data/chunk-000/file-{number:03d}.parquet', old[0].format(number)),
                (f'videos/{key}/chunk-000/file-{number:03d}.mp4', old[1].format(key, number))):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(whole / source, folder / target)
    found = Dataset(folder).episode(2)
    assert found.task == 'task 2' and len(found.state) == 40
    assert len(greys(found.pictures['front'])) == 40
    assert write_edited([folder], tmp_path / 'new', Edit()).episodes == 3
    assert errors(tmp_path / 'new') == []


@pytest.mark.parametrize(('edit', 'lengths', 'tasks'), [
    (Edit(), (30, 20, 40), ['task 0', 'task 1', 'task 2']),
    (Edit(drop=[1]), (30, 40), ['task 0', 'task 2']),
    (Edit(keep=[2, 0]), (30, 40), ['task 0', 'task 2']),
    (Edit(keep=[0, 1], drop=[0]), (20,), ['task 1']),
    (Edit(task='all'), (30, 20, 40), ['all']),
    (Edit(trim={0: (0.5, 1.0), 2: (0.0, 99.0)}), (10, 20, 40), ['task 0', 'task 1', 'task 2']),
])
def test_edited_data_set_is_whole(whole, tmp_path, edit, lengths, tasks):
    before = sorted((path, path.stat().st_mtime_ns) for path in whole.rglob('*'))
    data = write_edited([whole], tmp_path / 'new', edit)
    assert data.episodes == len(lengths) and errors(tmp_path / 'new') == []
    new = Dataset(tmp_path / 'new')
    assert tuple(len(new.episode(number).state) for number in new.episodes) == lengths
    assert list(dict.fromkeys(new.episode(number).task for number in new.episodes)) == tasks
    assert sorted((path, path.stat().st_mtime_ns) for path in whole.rglob('*')) == before


def test_trimmed_pictures_fit_the_rows(whole, tmp_path):
    write_edited([whole], tmp_path / 'new', Edit(keep=[2], trim={2: (0.5, 1.5)}))
    found = Dataset(tmp_path / 'new').episode(0)
    np.testing.assert_allclose(found.state, Dataset(whole).episode(2).state[10:30])
    assert greys(found.pictures['front']) == pytest.approx(
        [90.0 + 5 * index for index in range(20)], abs=8.0)


def test_marks_of_guided_frames_stay_with_their_frames(tmp_path):
    DatasetFolder(tmp_path / 'data', 'so101_follower', FPS).add(guided_episode(0))
    write_edited([tmp_path / 'data'], tmp_path / 'new', Edit(trim={0: (0.5, 1.5)}))
    assert Dataset(tmp_path / 'new').episode(0).guided.tolist() == 5 * [0.0] + 15 * [1.0]
    assert errors(tmp_path / 'new') == []


def test_several_are_merged_in_order(whole, tmp_path):
    other = made(tmp_path / 'other', (15, 25))
    write_edited([whole, other], tmp_path / 'both', Edit(drop=[0, 3]))
    assert errors(tmp_path / 'both') == []
    assert [rows(tmp_path / 'both')['episode_index'].count(number) for number in range(3)] == [
        20, 40, 25]


@pytest.mark.parametrize(('edit', 'text'), [
    (Edit(drop=[3]), 'there is no episode 3: there are 0 to 2'),
    (Edit(drop=[0, 1, 2]), 'no episode would be left'),
    (Edit(trim={1: (5.0, 6.0)}), 'episode 1 lasts 1.0 s: from 5 to 6 s there is nothing')])
def test_edit_that_makes_no_sense_is_refused(whole, tmp_path, edit, text):
    with pytest.raises(ConfigurationError, match=text):
        write_edited([whole], tmp_path / 'new', edit)


def test_data_sets_of_different_kinds_are_not_merged(whole, tmp_path):
    other = made(tmp_path / 'other', (15,), cameras=('front', 'top'))
    with pytest.raises(ConfigurationError, match='other joints or cameras'):
        write_edited([whole, other], tmp_path / 'new', Edit())


def test_nothing_is_written_over_a_data_set(whole, tmp_path):
    other = made(tmp_path / 'other', (15,))
    with pytest.raises(ConfigurationError, match='is not empty. Choose a new folder'):
        write_edited([whole], other, Edit())
    assert Dataset(other).episodes == [0]


def test_video_that_is_too_short_is_named(whole, tmp_path):
    shutil.copytree(whole, tmp_path / 'data')
    videos = tmp_path / 'data/videos/observation.images.front/chunk-000'
    shutil.copy(videos / 'file-001.mp4', videos / 'file-002.mp4')
    clip = Dataset(tmp_path / 'data').episode(2).pictures['front']
    with pytest.raises(ConfigurationError, match='has 20 of 40 pictures'):
        list(clip)
