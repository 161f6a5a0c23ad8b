# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex datasets show`` and ``edit``: data sets on this machine."""

from pathlib import Path
import sys

import pytest

pytestmark = pytest.mark.live

pytest.importorskip('av')
pytest.importorskip('pyarrow')

sys.path.append(str(Path(__file__).parents[1] / 'recording'))

from PIL import Image  # noqa: E402
from test_dataset_folder import DatasetFolder, episode, errors, FPS  # noqa: E402

pytestmark = pytest.mark.usefixtures('no_settings')


@pytest.fixture
def pick(tmp_path):
    data = DatasetFolder(tmp_path / 'pick', 'so101_follower', FPS)
    for number in range(3):
        data.add(episode(number, 20 + 10 * number, cameras=('front', 'wrist')))
    return tmp_path / 'pick'


@pytest.fixture
def local(reflex):
    """Run a command that needs neither service nor key."""
    return lambda *argv: reflex('datasets', *map(str, argv), key=None, url='http://127.0.0.1:9')


def test_list_names_each_episode(local, pick):
    outcome = local('show', pick)
    assert outcome.code == 0
    assert f'{pick}: 3 episodes at 20 Hz, cameras front, wrist' in outcome.out
    assert [line.split() for line in outcome.out.splitlines()[3:6]] == [
        ['0', '1.0', '20', 'wave', 'pan', '40.0'], ['1', '1.5', '30', 'wave', 'pan', '40.0'],
        ['2', '2.0', '40', 'wave', 'pan', '40.0']]
    assert outcome.out.splitlines()[-2:] == [
        f'  reflex datasets show {pick} --episode 0', f'  reflex datasets upload {pick}']
    rows = local('show', pick, '--json').document['episodes']
    assert [row['frames'] for row in rows] == [20, 30, 40]


def test_sheet_of_an_episode_shows_cameras_and_joints(local, pick, tmp_path):
    outcome = local('show', pick, '--episode', 1)
    file = tmp_path / 'pick-episode-1.png'
    assert outcome.out == f'Written: {file}\n'
    with Image.open(file) as sheet:
        width, height = sheet.size
        # Two strips of pictures that become brighter, above three joints.
        assert (width, height) == (1200, 2 * (28 + 122) + 3 * 260)
        for top in (60, 210):
            greys = [sheet.getpixel((70 + 163 * place + 80, top))[0] for place in range(6)]
            assert greys == sorted(greys) and greys[-1] - greys[0] > 80
    assert local('show', pick, '--episode', 9).err.endswith(
        f'{pick} has no episode 9: it has 0 to 2\n')
    outcome = local('show', pick, '--episode', 1, '--out', tmp_path / 'no' / 'a.png')
    assert outcome.code == 1 and 'Choose another file with --out' in outcome.err


def test_edit_makes_a_new_data_set_that_passes_the_check(local, pick, tmp_path):
    out = tmp_path / 'new'
    outcome = local('edit', pick, pick, '--keep', '0-2,5', '--drop', '1', '--trim', '2:0.5-1.5',
                    '--task', 'point', '--out', out)
    assert outcome.code == 0 and f'{out}: 3 episodes, 80 frames' in outcome.out
    assert errors(out) == [] and errors(pick) == []


@pytest.mark.parametrize(('argv', 'code', 'text'), [
    (('--keep', 'a-b'), 2, "--keep 'a-b': expected numbers, such as 0-9,12"),
    (('--trim', '1:3-2'), 2, "--trim '1:3-2': expected N:FROM-TO in seconds"),
    (('--drop', '7'), 1, 'there is no episode 7: there are 0 to 2')])
def test_mistakes_write_nothing(local, pick, tmp_path, argv, code, text):
    outcome = local('edit', pick, *argv, '--out', tmp_path / 'new')
    assert outcome.code == code and text in outcome.err
    assert not (tmp_path / 'new').exists()
