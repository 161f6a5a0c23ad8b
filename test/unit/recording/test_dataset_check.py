# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is found in a LeRobot data set, each by a data set that has just that."""

import json
from pathlib import Path
import shutil
import sys

import numpy as np
import pytest

pytest.importorskip('mcap_ros2')
pytest.importorskip('av')
parquet = pytest.importorskip('pyarrow.parquet')

sys.path.append(str(Path(__file__).parent))

from lerobot_runs import run  # noqa: E402
import pyarrow as pa  # noqa: E402

from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.hardware.so101 import SO101  # noqa: E402
from reflex_ros.recording import dataset_check, lerobot  # noqa: E402

DATA = Path('data/chunk-000/file-000.parquet')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    lerobot.export([run(folder / 'a.mcap'), run(folder / 'b.mcap')], folder / 'data', SO101)
    return folder / 'data'


@pytest.fixture
def dataset(whole, tmp_path):
    """Return a copy that a test may change."""
    shutil.copytree(whole, tmp_path / 'data')
    return tmp_path / 'data'


def change(dataset, **columns):
    """Replace columns: name -> function of the old values, of all episodes in one file."""
    table = parquet.read_table(dataset / 'data')
    for path in (dataset / 'data').rglob('*.parquet'):
        path.unlink()
    for name, new in columns.items():
        name = name.replace('state', 'observation.state')
        index = table.column_names.index(name)
        values = new(np.array(table[name].to_pylist()))
        table = table.set_column(index, name, pa.array(list(values)))
    parquet.write_table(table, dataset / DATA)


def describe(dataset, **values):
    path = dataset / 'meta' / 'info.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def found(dataset, *, errors):
    return [finding.text for finding in dataset_check.check(dataset_check.read(dataset))
            if finding.is_error is errors]


def retable(dataset, change):
    """Replace the table of tasks by what a function makes of it."""
    path = dataset / 'meta' / 'tasks.parquet'
    parquet.write_table(change(parquet.read_table(path)), path)


def edited(values, row, value):
    values[row] = value
    return values


def test_whole_data_set_has_no_errors(whole):
    assert found(whole, errors=True) == []
    assert found(whole, errors=False) == []


@pytest.mark.parametrize(('spoil', 'text'), [
    (lambda data: describe(data, total_frames=7), '240 frames, but meta/info.json says 7'),
    (lambda data: describe(data, total_episodes=3), '2 episodes, but meta/info.json says 3'),
    (lambda data: describe(data, fps=60), 'frames are missing'),
    (lambda data: (data / 'meta' / 'tasks.parquet').unlink(), 'tasks.parquet cannot be read'),
    (lambda data: (data / 'meta' / 'tasks.parquet').write_bytes(b'PAR1'), 'cannot be read'),
    # As reflex_ros wrote it before LeRobot itself had read it.
    (lambda data: retable(data, lambda tasks: tasks.replace_schema_metadata(None)),
     'LeRobot would train with a number in place of the task. Write it anew: reflex datasets'),
    (lambda data: retable(data, lambda tasks: tasks.slice(0, 0)),
     'frames have the task 0, which is not in meta/tasks.parquet'),
    (lambda data: change(data, timestamp=lambda t: np.where(np.arange(240) == 50, t + 0.1, t)),
     'episode 0: frame 50 comes 133 ms after the one before'),
    (lambda data: change(data, action=lambda rows: edited(rows, (9, 2), np.nan)),
     'action holds a value that is not finite'),
    (lambda data: change(data, state=lambda rows: rows[:, :5]), 'observation.state: rows of (5,)'),
    (lambda data: shutil.rmtree(data / 'videos'), 'observation.images.front: there is no video'),
    (lambda data: next(data.rglob('*.mp4')).write_bytes(b'x'), 'cannot be read'),
])
def test_what_would_be_refused_is_an_error(dataset, spoil, text):
    spoil(dataset)
    assert any(text in each for each in found(dataset, errors=True)), found(dataset, errors=True)


@pytest.mark.parametrize(('spoil', 'text'), [
    (lambda data: change(data, action=lambda rows: np.deg2rad(rows) / 10),
     'action: no value exceeds 7: these look like radians'),
    (lambda data: change(data, action=lambda rows: edited(rows, (30, 0), 150.0)),
     'action: shoulder_pan.pos jumps by'),
    (lambda data: change(data, state=lambda rows: np.where(
        np.arange(240)[:, None] < 120, rows[:1], rows)),
     'episode 0: observation.state does not change in 100% of the frames'),
])
def test_what_looks_wrong_is_a_remark(dataset, spoil, text):
    spoil(dataset)
    assert any(text in each for each in found(dataset, errors=False)), found(dataset, errors=False)
    assert found(dataset, errors=True) == []


def test_camera_that_never_changes_is_a_remark(tmp_path):
    path = run(tmp_path / 'a.mcap', is_frozen=True)
    lerobot.export([path], tmp_path / 'data', SO101)
    remarks = [text for text in found(tmp_path / 'data', errors=False) if 'picture' in text]
    assert remarks == [
        'observation.images.front: the picture never changes: was the camera frozen?']


@pytest.mark.parametrize(('spoil', 'text'), [
    (lambda data: (data / 'meta' / 'info.json').unlink(), 'No such file'),
    (lambda data: (data / 'meta' / 'info.json').write_text('{}'), 'lacks codebase_version'),
    (lambda data: shutil.rmtree(data / 'data'), r'there is no data/\*\*/\*.parquet'),
    (lambda data: (data / DATA).write_bytes(b'x'), 'Parquet'),
])
def test_folder_that_is_no_data_set_is_named(dataset, spoil, text):
    spoil(dataset)
    with pytest.raises(ConfigurationError, match=f'is no LeRobot data set: .*{text}'):
        dataset_check.read(dataset)
