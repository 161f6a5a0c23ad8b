# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the recorder keeps, and what it does when the disk cannot take it."""

from collections import namedtuple
import os
import re
import time

import pytest

from reflex_ros.recording import reader, stop_files
from reflex_ros.recording import recorder as module
from reflex_ros.recording.recorder import Recorder, RecorderSettings

JOINT_STATE = 'sensor_msgs/msg/JointState'
Space = namedtuple('Space', 'f_bavail f_frsize')


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, 'COMMIT_S', 0.02)
    monkeypatch.setattr(module, 'AFTER_STOP_S', 0.05)
    monkeypatch.setattr(module, 'RETRY_S', 0.1)


@pytest.fixture
def record(tmp_path):
    made = []

    def start(**settings):
        made.append(Recorder(RecorderSettings(tmp_path / 'recordings', **settings),
                             {'name': 'bench'}))
        return made[-1]

    yield start
    for one in made:
        one.close()


def wait_for(condition, what):
    deadline = time.monotonic() + 8.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def files(tmp_path, folder='recordings'):
    return sorted((tmp_path / folder).glob('*.mcap'))


def values(path):
    return [row.value.position[0] for row in reader.messages(path)]


def put(recorder, joint_state, *positions):
    for position in positions:
        recorder.put('joint_states', JOINT_STATE, time.time_ns(), joint_state(position))


def test_run_is_recorded_with_what_led_to_it(tmp_path, record, joint_state):
    recorder = record()
    put(recorder, joint_state, 1.0)
    time.sleep(0.05)
    assert not files(tmp_path)
    recorder.set_running(True)
    wait_for(lambda: recorder.status().file, 'a file')
    put(recorder, joint_state, 2.0)
    wait_for(lambda: recorder.status().messages == 2, 'the message')
    recorder.set_running(False)
    wait_for(lambda: not recorder.status().file, 'the end')
    put(recorder, joint_state, 3.0)
    recorder.close()
    (path,) = files(tmp_path)
    assert values(path) == [1.0, 2.0] and reader.info(path).about['name'] == 'bench'
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_everything_is_recorded_when_asked_for_and_nothing_when_off(tmp_path, record, joint_state):
    always, off = record(mode='always'), record(mode='off')
    off.set_running(True)
    put(always, joint_state, 1.0, 2.0)
    put(off, joint_state, 1.0)
    always.close()
    off.close()
    (path,) = files(tmp_path)
    assert values(path) == [1.0, 2.0]


@pytest.mark.parametrize('mode', ['off', 'runs', 'always'])
def test_stop_writes_its_last_seconds_in_every_mode(tmp_path, record, joint_state, mode):
    recorder = record(mode=mode, before_stop_s=5.0)
    recorder.put('joint_states', JOINT_STATE, time.time_ns() - 6 * 10 ** 9, joint_state(0.0))
    put(recorder, joint_state, 1.0)
    recorder.stopped({'code': 'USB_GONE', 'text': 'the port is gone'})
    put(recorder, joint_state, 2.0)
    wait_for(lambda: files(tmp_path, 'recordings/stops'), 'the file')
    recorder.close()
    (path,) = files(tmp_path, 'recordings/stops')
    assert values(path) == [1.0, 2.0] and path.stem.endswith('USB-GONE')
    assert reader.info(path).about['text'] == 'the port is gone'


def test_messages_with_one_stamp_are_all_kept(tmp_path, record, joint_state):
    recorder = record(mode='always')
    now = time.time_ns()
    for position in (1.0, 2.0, 3.0):
        recorder.put('joint_states', JOINT_STATE, now, lambda at=position: joint_state(at))
    recorder.close()
    assert values(files(tmp_path)[0]) == [1.0, 2.0, 3.0]


def causes(tmp_path):
    return [path.stem.split('_')[1] for path in files(tmp_path, 'recordings/stops')]


def test_oldest_stops_go(tmp_path, record, monkeypatch):
    monkeypatch.setattr(stop_files, 'KEPT', 2)
    recorder = record()
    for code in ('A', 'B', 'C'):
        recorder.stopped({'code': code})
    recorder.close()
    assert causes(tmp_path) == ['B', 'C']


def test_stop_that_repeats_is_counted_in_its_file_and_loses_no_earlier_one(tmp_path, record):
    # Seen: two graphs in one domain wrote 100 files in ten seconds, and all earlier ones went.
    earlier = tmp_path / 'recordings' / 'stops'
    earlier.mkdir(parents=True)
    for day in range(10, 30):
        (earlier / f'202501{day}T000000Z_OVERHEAT.mcap').touch()
    recorder = record()
    for _ in range(150):
        recorder.stopped({'code': 'SEQ_EPOCH', 'text': 'another epoch'})
        recorder.stopped({'code': 'DUP_NODE', 'text': 'two so101'})
    recorder.close()
    assert causes(tmp_path) == ['OVERHEAT'] * 20 + ['DUP-NODE', 'SEQ-EPOCH']
    about = [reader.info(path).about for path in files(tmp_path, 'recordings/stops')[20:]]
    assert re.fullmatch(r'two so101; 150 times until [0-9:]{8} UTC', about[0]['text'])
    assert re.fullmatch(r'another epoch; 150 times until [0-9:]{8} UTC', about[1]['text'])
    assert about[0]['stopped_at_ns'] and about[0]['name'] == 'bench'


def test_file_tells_the_repeats_while_the_recorder_runs(tmp_path, record):
    recorder = record()
    recorder.stopped({'code': 'OP_STOP', 'text': 'a person'})
    wait_for(lambda: files(tmp_path, 'recordings/stops'), 'the file')
    (path,) = files(tmp_path, 'recordings/stops')
    recorder.stopped({'code': 'OP_STOP', 'text': 'a person'})
    wait_for(lambda: 'a person; 2 times until' in reader.info(path).about['text'], 'the count')


def test_same_cause_gets_another_file_after_a_minute(tmp_path, record, monkeypatch):
    monkeypatch.setattr(stop_files, 'SAME_CAUSE_S', 0.1)
    recorder = record()
    recorder.stopped({'code': 'A'})
    wait_for(lambda: files(tmp_path, 'recordings/stops'), 'the file')
    time.sleep(0.15)
    recorder.stopped({'code': 'A'})
    recorder.close()
    assert causes(tmp_path) == ['A', 'A']


def test_stops_of_many_causes_get_few_files_in_a_minute(tmp_path, record):
    recorder = record()
    for code in 'ABCDEFGH':
        recorder.stopped({'code': code, 'text': f'cause {code}'})
    recorder.close()
    assert causes(tmp_path) == ['A', 'B', 'C', 'D', 'E']
    newest = reader.info(files(tmp_path, 'recordings/stops')[-1])
    assert newest.about['text'] == 'cause E; then 3 stops with other causes'


def test_cause_with_the_most_files_gives_way(tmp_path, record, monkeypatch):
    monkeypatch.setattr(stop_files, 'KEPT', 4)
    folder = tmp_path / 'recordings' / 'stops'
    folder.mkdir(parents=True)
    for name in ('1_A', '2_B', '3_B', '4_B'):
        (folder / f'2025010{name}.mcap').touch()
    recorder = record()
    recorder.stopped({'code': 'B'})
    recorder.close()
    assert causes(tmp_path) == ['A', 'B', 'B', 'B']


def test_long_recording_goes_on_in_another_file_without_a_gap(tmp_path, record, joint_state):
    recorder = record(mode='always', part_s=0.1)
    for number in range(40):
        put(recorder, joint_state, number)
        time.sleep(0.01)
    recorder.close()
    assert len(files(tmp_path)) > 1
    assert sorted(sum(map(values, files(tmp_path)), [])) == list(range(40))


def test_messages_that_the_disk_does_not_take_are_counted_in_the_file(tmp_path, record,
                                                                      joint_state):
    recorder = record(mode='always', queue_mb=0.001)
    wait_for(lambda: recorder.status().file, 'a file')
    put(recorder, joint_state, *range(200))
    wait_for(lambda: recorder.status().messages, 'a message')
    dropped = recorder.status().dropped
    assert dropped > 100
    put(recorder, joint_state, 1.0)
    recorder.close()
    assert reader.info(files(tmp_path)[0]).dropped == dropped


def test_little_space_is_a_warning_and_less_ends_the_recording(tmp_path, record, monkeypatch,
                                                               joint_state):
    free = [5000]
    monkeypatch.setattr(os, 'statvfs', lambda path: Space(free[0], 1_000_000))
    recorder = record(mode='always')
    wait_for(lambda: recorder.status().file, 'a file')
    free[0] = 1000
    wait_for(lambda: '1000 MB are free' in recorder.status().warning, 'a warning')
    assert recorder.status().file
    put(recorder, joint_state, 1.0)
    wait_for(lambda: recorder.status().messages == 1, 'the message')
    free[0] = 100
    wait_for(lambda: not recorder.status().file, 'the end')
    assert 'nothing is recorded: 100 MB are free' in recorder.status().problem
    free[0] = 5000
    wait_for(lambda: recorder.status().file and not recorder.status().problem, 'a new file')
    recorder.close()
    assert values(files(tmp_path)[0]) == [1.0]


def test_disk_that_refuses_is_said_and_tried_again(tmp_path, record, monkeypatch, joint_state):
    recorder = record(mode='always')
    wait_for(lambda: recorder.status().file, 'a file')
    put(recorder, joint_state, 1.0)
    wait_for(lambda: recorder.status().messages == 1, 'the message')
    real = os.pwrite

    def full(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'pwrite', full)
    put(recorder, joint_state, 2.0)
    wait_for(lambda: 'No space left' in recorder.status().problem, 'the problem')
    monkeypatch.setattr(os, 'pwrite', real)
    wait_for(lambda: recorder.status().file, 'a new file')
    assert not recorder.status().problem
    put(recorder, joint_state, 3.0)
    recorder.close()
    first, second = files(tmp_path)
    assert values(first)[:1] == [1.0] and values(second)[-1] == 3.0
