# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of a run, and what happens when the disk does not keep up."""

import io
import json
import threading

import numpy as np
from PIL import Image
import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect import recorder
from reflex_ros.runner.connect.recorder import JsonlRecorder
from reflex_ros.runner.connect.records import chosen
from reflex_ros.runner.connect.result import RunResult
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation

PICTURE = np.full((24, 32, 3), 90, np.uint8)


def observation(**cameras):
    return RobotObservation([1.0, 2.0], cameras, 'wave')


def test_steps_pictures_and_summary_are_kept(tmp_path):
    kept = chosen(tmp_path, 'jsonl').steps({'mode': 'dry_run'})
    kept.record(0, observation(front=PICTURE, odd=7), RobotAction([[0.5]], {'infer_ms': 3.0}))
    result = RunResult(steps=1)
    result.add_error('NET_CLOSED: cut')
    kept.close(result)
    [row] = map(json.loads, (tmp_path / 'jsonl' / 'steps.jsonl').read_text().splitlines())
    assert (row['step'], row['state'], row['task']) == (0, [1.0, 2.0], 'wave')
    assert row['actions'] == [[0.5]] and row['metadata'] == {'infer_ms': 3.0}
    # What is no picture is left out.
    assert row['cameras'] == {'front': 'frames/000000_front.jpg'}
    picture = Image.open(io.BytesIO((tmp_path / 'jsonl' / row['cameras']['front']).read_bytes()))
    assert (picture.format, picture.size) == ('JPEG', (32, 24))
    meta = json.loads((tmp_path / 'jsonl' / 'meta.json').read_text())
    assert (meta['mode'], meta['format']) == ('dry_run', 'jsonl') and meta['start_time'] > 0
    assert meta['summary']['total_steps'] == 1 and meta['summary']['errors'] == ['NET_CLOSED: cut']


def test_steps_are_dropped_and_counted_when_the_disk_does_not_keep_up(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, 'QUEUE', 2)
    may_write = threading.Event()
    kept = JsonlRecorder(tmp_path / 'run', {})
    write = kept._write
    monkeypatch.setattr(kept, '_write', lambda *row: may_write.wait(10.0) and write(*row))
    for step in range(9):
        kept.record(step, observation(), RobotAction([[0.5]]))
    may_write.set()
    kept.close(RunResult())
    summary = json.loads((tmp_path / 'run' / 'meta.json').read_text())['summary']
    assert summary['dropped_steps'] in (6, 7)
    assert summary['total_steps'] + summary['dropped_steps'] == 9


def test_full_disk_ends_the_recording_and_not_the_run(tmp_path, caplog):
    kept = JsonlRecorder(tmp_path / 'run', {})
    kept._file.close()
    # As a full disk does: every write fails.
    kept._file = open('/dev/full', 'w', buffering=1)  # noqa: SIM115
    for step in range(3):
        kept.record(step, observation(), RobotAction([[0.5]]))
    kept.close(RunResult())
    assert 'the recording has ended: [Errno 28]' in caplog.text
    assert 'the recording is not complete: [Errno 28]' in caplog.text


def test_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigurationError, match='cannot be written: Not a directory'):
        JsonlRecorder(tmp_path / 'file' / 'run', {})


def test_formats(caplog):
    assert chosen(None, 'jsonl').formats == ('jsonl',)
    assert chosen(None, 'mcap, jsonl,mcap').formats == ('mcap', 'jsonl')
    assert chosen(None, 'gif').formats == ()
    assert 'unknown recording format gif; valid: lerobot' in caplog.text
    assert chosen(None, 'lerobot,rerun').formats == ('lerobot', 'rerun')


def test_lerobot_of_steps_keeps_jsonl_and_says_so(tmp_path, caplog):
    kept = chosen(tmp_path / 'run', 'lerobot').steps({})
    kept.close(RunResult())
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['jsonl']
    assert 'jsonl is kept instead' in caplog.text


def test_unknown_format_alone_records_nothing_and_says_so(tmp_path, caplog):
    assert chosen(tmp_path / 'run', 'gif').steps({}) is None
    assert 'nothing of this run is recorded' in caplog.text


@pytest.mark.parametrize('names, text', [
    ('lerobot', 'reflex recordings export --folder {}/mcap --format lerobot --out DATASET'),
    ('jsonl', 'jsonl is not written, mcap is'), ('rerun', 'the MCAP file opens in it')])
def test_arm_is_recorded_as_mcap_whatever_was_asked_for(tmp_path, caplog, names, text):
    pytest.importorskip('mcap_ros2')
    chosen(tmp_path, names).arm(['elbow_flex']).close()
    assert text.format(tmp_path) in caplog.text
    assert 'is kept' not in caplog.text
    caplog.clear()
    chosen(tmp_path, 'jsonl', is_explicit=False).arm(['elbow_flex']).close()
    assert not [record for record in caplog.records if record.levelname != 'INFO']


def test_nothing_is_kept_of_steps_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert chosen(None, 'jsonl,mcap').steps({}) is None
    assert not list(tmp_path.iterdir())
