# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are whole after every commit, also when their program is killed."""

import os
from pathlib import Path
import random
import signal
import subprocess
import sys

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.recording import reader
from reflex_ros.recording.mcap_file import McapFile

JOINT_STATE = 'sensor_msgs/msg/JointState'
REPOSITORY = Path(__file__).parents[3]
WRITER = """
import sys
from pathlib import Path
from reflex_ros.recording.mcap_file import McapFile
file = McapFile(Path(sys.argv[1]), {})
number = 0
while True:
    for _ in range(20):
        file.write('picture', 'sensor_msgs/msg/CompressedImage', number, bytes(20_000))
        number += 1
    file.commit()
    print(number, flush=True)
"""


def test_every_commit_leaves_a_file_that_foreign_readers_read(tmp_path, joint_state):
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    path = tmp_path / 'a.mcap'
    file = McapFile(path, {'robot': 'bench'})
    for second in range(3):
        for number in range(10):
            file.write('joint_states', JOINT_STATE, 1000 * second + number, joint_state(number))
        file.commit()
        with path.open('rb') as stream:
            found = [row[3] for row in make_reader(
                stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages()]
        assert len(found) == 10 * (second + 1)
        assert [row.position[0] for row in found][-10:] == list(range(10))
    file.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_info_says_what_the_file_holds(tmp_path, joint_state):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, {'robot': 'bench'})
    for number in range(4):
        file.write('joint_states', JOINT_STATE, 10 ** 9 * number, joint_state(0.5))
    file.describe('dropped', {'messages': '7'})
    file.close()
    file.close()
    found = reader.info(path)
    assert found.topics == (reader.Topic('joint_states', JOINT_STATE, 4),)
    assert (found.seconds, found.messages, found.dropped) == (3.0, 4, 7)
    assert found.about == {'robot': 'bench'} and found.size == path.stat().st_size


@pytest.mark.parametrize('cut', [1, 20, 29, 100])
def test_torn_end_is_repaired(tmp_path, joint_state, cut):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, {'robot': 'bench'})
    for number in range(50):
        file.write('joint_states', JOINT_STATE, number, joint_state(number))
    file.close()
    os.truncate(path, path.stat().st_size - cut)
    assert not reader.is_whole(path)
    assert [row.value.position[0] for row in reader.messages(path)] == list(range(50))
    assert reader.is_whole(path) and reader.info(path).about == {'robot': 'bench'}


def test_index_that_was_half_written_over_is_found(tmp_path, joint_state):
    path = tmp_path / 'a.mcap'
    file = McapFile(path, {})
    file.write('joint_states', JOINT_STATE, 1, joint_state(1.0))
    file.commit()
    old = path.read_bytes()
    for number in range(100):
        file.write('joint_states', JOINT_STATE, number, joint_state(2.0))
    file.close()
    new = path.read_bytes()
    # As a kill leaves it: the first bytes are new, the end is the old one.
    path.write_bytes(new[:len(old) - 40] + old[len(old) - 40:])
    assert not reader.is_whole(path)
    assert [row.value.position[0] for row in reader.messages(path)] == [1.0]


def test_file_that_is_no_recording_is_refused_and_kept(tmp_path):
    path = tmp_path / 'a.mcap'
    path.write_bytes(b'hello' * 100)
    with pytest.raises(ConfigurationError, match='is not a recording'):
        reader.info(path)
    assert path.read_bytes() == b'hello' * 100
    assert [file.name for file in tmp_path.iterdir()] == ['a.mcap']


@pytest.mark.slow
def test_killed_program_loses_nothing_that_was_committed(tmp_path):
    rng = random.Random(7)
    torn = 0
    for number in range(50):
        path = tmp_path / f'{number}.mcap'
        process = subprocess.Popen([sys.executable, '-c', WRITER, str(path)], text=True,
                                   stdout=subprocess.PIPE,
                                   env={**os.environ, 'PYTHONPATH': str(REPOSITORY)})
        for _ in range(rng.randint(1, 30)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        committed = int((process.communicate()[0].splitlines() or ['0'])[-1])
        torn += not reader.is_whole(path)
        assert reader.info(path).messages >= committed
        path.unlink()
    # A commit every 20 pictures, without pause: far more of the time than the recorder takes.
    assert torn < 25
