# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex recordings`` and ``reflex stops`` on files, on a simulated arm and service."""

import csv
import json
import math
from pathlib import Path
import sys

import pytest

pytestmark = pytest.mark.live

pytest.importorskip('mcap_ros2')

sys.path.append(str(Path(__file__).parents[1] / 'recording'))

import messages as made  # noqa: E402
from PIL import Image  # noqa: E402

from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import StreamBeat  # noqa: E402
from reflex_ros.domain.permit import Mode, Permit  # noqa: E402
from reflex_ros.domain.safe_stop import CauseRecord, State  # noqa: E402
from reflex_ros.domain.supervision import SafetyState  # noqa: E402
from reflex_ros.recording.series import read_series  # noqa: E402

START = 1_790_000_000 * 10 ** 9
CAUSE = CauseRecord(FaultCode.USB_GONE, 'the port is gone', 1.0)
POSE = (0.0, -0.4, 0.4, 0.3, 0.0, 0.2)


class Recordings:
    """Runs the command; returns what it printed, on stderr when it was to fail."""

    def __init__(self, call, folder):
        self._call = call
        self.folder = folder

    def __call__(self, *argv, code=0):
        outcome = self._call(*argv)
        assert outcome.code == code, outcome.out + outcome.err
        return outcome.err if code else outcome.out


@pytest.fixture
def recorded(reflex, monkeypatch, tmp_path):
    monkeypatch.delenv('REFLEX_RECORDINGS_DIR', raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    return Recordings(reflex, tmp_path / '.reflex' / 'recordings')


def pose(at):
    return (0.2 * math.sin(at), *POSE[1:])


def write_run(path, seconds=4.0, cause=None):
    """Write a run that moves one joint; with a cause, it is stopped a second before its end."""
    stop_at = seconds - 1.0
    file = made.opened(path, **({} if cause is None else {
        'code': cause.code.name, 'text': cause.text,
        'stopped_at_ns': str(START + int(stop_at * 1e9))}))
    for number in range(int(seconds * 50)):
        at = number / 50
        now = START + int(at * 1e9)
        made.joints(file, '/joint_states', now, pose(at - 0.1))
        if cause is None or at < stop_at:
            made.joints(file, '/so101/goals', now, pose(at))
        if number % 10 == 0:
            made.status(file, '/safety/permit', now, Permit(3, Mode.APPLY_ACTIONS))
            made.status(file, '/_beat/action_stream', now, StreamBeat(age_ms=420.0))
    made.chunk(file, '/action_chunk', START + 10 ** 9, [pose(k / 10) for k in range(10)], 0.1)
    made.status(file, '/safety/state', START, SafetyState(State.ACTIVE, 3))
    if cause is not None:
        made.status(file, '/safety/state', START + int(stop_at * 1e9),
                    SafetyState(State.LATCHED, 3, True, (cause,)))
    file.close()
    return path


def test_no_recording_yet_is_said_with_what_makes_one(recorded):
    assert 'No recordings found' in recorded('recordings', 'list')
    assert 'No stops found' in recorded('stops', 'list')
    assert '`reflex up` or `reflex demo`' in recorded('recordings', 'plot', code=1)


@pytest.mark.parametrize('folder, reason', [
    ('/proc/x', 'does not exist'), ('/dev/null', 'cannot be read: Not a directory')])
def test_list_says_why_a_folder_has_nothing_to_list(recorded, folder, reason):
    shown = recorded('recordings', 'list', '--folder', folder)
    assert 'No recordings found' in shown and f'The folder {folder} {reason}' in shown
    found = json.loads(recorded('recordings', 'list', '--folder', folder, '--json'))
    assert 'REFLEX_RECORDINGS_DIR' in found['problem']


def test_list_names_runs_and_stops_apart(recorded):
    write_run(recorded.folder / 'first_so101.mcap')
    write_run(recorded.folder / 'stops' / 'second_USB-GONE.mcap', cause=CAUSE)
    (recorded.folder / 'broken.mcap').write_bytes(b'x')
    runs = recorded('recordings', 'list')
    assert 'first_so101' in runs and 'second' not in runs and 'is not a recording' in runs
    found = json.loads(recorded('stops', 'list', '--json'))['stops']['stops']
    assert [(row['name'], row['code']) for row in found] == [('second_USB-GONE', 'USB_GONE')]


def test_info_lists_the_topics(recorded):
    write_run(recorded.folder / 'a.mcap')
    text = recorded('recordings', 'info')
    assert '/so101/goals' in text and 'sensor_msgs/msg/JointState' in text and '200' in text
    found = json.loads(recorded('recordings', 'info', 'a', '--json'))['recording']
    assert found['seconds'] == pytest.approx(3.98) and found['dropped'] == 0


def test_show_of_a_stop_tells_cause_time_and_what_each_joint_did(recorded):
    write_run(recorded.folder / 'stops' / 'a_USB-GONE.mcap', cause=CAUSE)
    text = recorded('stops', 'show')
    assert 'USB_GONE: the port is gone' in text
    assert '+0.00    state LATCHED' in text and '-3.00    state ACTIVE' in text
    joints = json.loads(recorded('stops', 'show', 'USB', '--json'))['joints']
    assert joints[0]['measured_deg'] == f'{math.degrees(pose(2.9)[0]):.1f}'
    assert joints[0]['written_deg'] == f'{math.degrees(pose(2.98)[0]):.1f}'
    assert float(joints[0]['moved_after_deg']) > 5.0 and joints[1]['moved_after_deg'] == '0.0'


def red_columns(path):
    picture = Image.open(path).convert('RGB')
    return {x for x in range(picture.width) if picture.getpixel((x, 100)) == (0xcc, 0, 0)}


def test_plot_marks_the_cause_at_its_instant(recorded, tmp_path):
    stop = write_run(recorded.folder / 'stops' / 'a_USB-GONE.mcap', cause=CAUSE)
    out = tmp_path / 'stop.png'
    assert str(out) in recorded('stops', 'plot', '--out', str(out))
    # The axis goes from 70 to 1050 px, and the stop is after 3 of 3.98 s.
    assert any(abs(x - (70 + 980 * 3 / 3.98)) < 4 for x in red_columns(out))
    write_run(recorded.folder / 'b.mcap')
    recorded('recordings', 'plot', 'b')
    assert not red_columns(recorded.folder / 'b.png')
    assert 'cannot be written' in recorded('stops', 'plot', '--out', str(stop / 'x.png'), code=1)


def test_export_is_a_table_of_all_curves(recorded, tmp_path):
    write_run(recorded.folder / 'a.mcap')
    out = tmp_path / 'a.csv'
    recorded('recordings', 'export', '--out', str(out))
    with out.open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == 200
    row = found[100]
    assert float(row['seconds']) == 2.0
    assert float(row['shoulder_pan.measured']) == pytest.approx(pose(1.9)[0])
    assert float(row['shoulder_pan.written']) == pytest.approx(pose(2.0)[0])
    assert float(row['shoulder_pan.wanted']) == pytest.approx(pose(0.9)[0])
    assert (float(row['permit']), float(row['age_ms'])) == (1.0, 420.0)
    recorded('recordings', 'export', '--format', 'jsonl', '--out', str(out))
    assert json.loads(out.read_text().splitlines()[100])['seconds'] == 2.0


def test_what_an_older_chunk_wanted_ends_with_the_next_one(recorded):
    file = made.opened(recorded.folder / 'a.mcap')
    made.joints(file, '/joint_states', START, POSE)
    for at, value in ((0.0, 0.1), (0.5, 0.2)):
        made.chunk(file, '/action_chunk', START + int(at * 1e9), 20 * [(value, *POSE[1:])], 0.1)
    made.joints(file, '/joint_states', START + 10 ** 9, POSE)
    file.close()
    wanted = read_series(recorded.folder / 'a.mcap').wanted['shoulder_pan']
    assert [value for _, value in wanted] == 5 * [0.1] + 20 * [0.2]
    assert wanted == sorted(wanted)


def test_unknown_name_and_one_that_fits_several(recorded):
    write_run(recorded.folder / 'a1.mcap')
    write_run(recorded.folder / 'a2.mcap')
    assert "no recording named 'x'" in recorded('recordings', 'show', 'x', code=1)
    assert "2 recordings match 'a'" in recorded('recordings', 'show', 'a', code=1)
    assert 'a1' in recorded('recordings', 'show', str(recorded.folder / 'a1.mcap'))


def test_upload_asks_first_and_leaves_the_file_where_it_is(reflex, recorded, service):
    path = write_run(recorded.folder / 'a.mcap')
    assert 'pass --yes' in recorded('recordings', 'upload', code=2)
    outcome = reflex('recordings', 'upload', '--yes', key=service.key, url=service.url)
    assert outcome.code == 0 and 'Recording uploaded' in outcome.out, outcome.err
    (row,) = service.state()['recordings']
    assert row['formats'] == ['mcap'] and row['committed'], row
    assert [file.name for file in recorded.folder.iterdir()] == [path.name]


def test_upload_that_failed_is_made_good_by_the_same_command(reflex, recorded, service):
    path = write_run(recorded.folder / 'a.mcap')
    call = 'recordings', 'upload', '--yes'
    at = {'key': service.key, 'url': service.url}
    service.fault('upload_corrupt', times=1)
    reflex(*call, **at).failed('sha256')
    # A later run commits what has arrived; what cannot be committed is sent again.
    assert (recorded.folder / '.a.mcap.upload').exists()
    assert '.upload' not in recorded('recordings', 'list')
    assert reflex(*call, **at).code == 0
    assert [row['committed'] for row in service.state()['recordings']] == [False, True]
    assert [file.name for file in recorded.folder.iterdir()] == [path.name]


def test_delete_asks_first(recorded):
    path = write_run(recorded.folder / 'a.mcap')
    (recorded.folder / '.a.mcap.upload').write_text('{}')
    assert 'pass --yes' in recorded('recordings', 'delete', 'a', code=2) and path.exists()
    recorded('recordings', 'delete', 'a', '--yes')
    assert list(recorded.folder.iterdir()) == []


def test_replay_moves_the_arm_as_recorded(recorded, moving_arm, monkeypatch):
    moving_arm.reset()
    monkeypatch.setenv('REFLEX_SO101_PORT', str(moving_arm.link))
    write_run(recorded.folder / 'a.mcap', seconds=3.0)
    assert 'pass --yes' in recorded('recordings', 'replay', code=2)
    moving_arm.control.mark()
    assert 'Replayed: a' in recorded('recordings', 'replay', '--speed', '1', '--yes')
    # The path swings to 0.2 rad and ends at 0.03.
    assert 0.18 < moving_arm.joint(0)['travel_rad'] < 0.22
    assert moving_arm.joint(0)['position_rad'] == pytest.approx(pose(2.98)[0], abs=0.05)
    assert moving_arm.torque() == [True] * 6


def test_replay_that_is_refused_leaves_the_torque_off(recorded, instant_arm, monkeypatch):
    instant_arm.reset()
    monkeypatch.setenv('REFLEX_SO101_PORT', str(instant_arm.link))
    write_run(recorded.folder / 'a.mcap', seconds=1.0)
    instant_arm.control.set(pose=[0.0, -0.78, 0.78, 0.78, 3.07, 0.35])
    since = instant_arm.control.mark()
    assert 'wrist_roll is at' in recorded('recordings', 'replay', '--yes', code=1)
    assert instant_arm.writes(since, 40) == [] and not any(instant_arm.torque())
    instant_arm.reset()


def test_recording_without_motion_cannot_be_replayed(recorded):
    file = made.opened(recorded.folder / 'a.mcap')
    made.joints(file, '/joint_states', START, POSE)
    file.close()
    assert 'was not moved' in recorded('recordings', 'replay', '--yes', code=1)


def test_runs_become_a_data_set_that_the_service_takes(reflex, recorded, service, tmp_path):
    pytest.importorskip('pyarrow')
    for name in ('a', 'b'):
        write_run(recorded.folder / f'{name}.mcap')
    out = tmp_path / 'swing'
    assert '--format lerobot takes several' in recorded('recordings', 'export', 'a', 'b', code=2)
    text = recorded('recordings', 'export', 'a', 'b', '--format', 'lerobot', '--out', str(out),
                    '--task', 'swing')
    assert '2 episodes, 240 frames at 30 Hz' in text
    assert f'reflex datasets upload {out}' in text
    outcome = reflex('datasets', 'check', str(out))
    assert outcome.code == 0 and '2 episodes, 240 frames at 30 Hz' in outcome.out
    assert f'reflex datasets upload {out}' in outcome.out
    at = {'key': service.key, 'url': service.url}
    assert reflex('datasets', 'upload', str(out), '--name', 'swing', **at).code == 0
    outcome = reflex('datasets', 'validate', 'swing', **at)
    assert outcome.code == 0 and 'validated' in outcome.out.lower(), outcome.out + outcome.err
    info = out / 'meta' / 'info.json'
    info.write_text(info.read_text().replace('"total_frames": 240', '"total_frames": 7'))
    outcome = reflex('datasets', 'check', str(out))
    assert outcome.code == 1 and '240 frames, but meta/info.json says 7' in outcome.err
