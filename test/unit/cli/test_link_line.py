# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All figures of the link in one line, and the important ones in a narrow one."""

from dataclasses import replace
import io

import pytest
from rich.console import Console

from reflex_ros.bringup.system import CameraFigures, View
from reflex_ros.cli.link_line import link_line
from reflex_ros.cli.render import live_view
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import GateItem
from reflex_ros.domain.heartbeats import Commander, DriverBeat, Lifecycle, StreamBeat
from reflex_ros.domain.supervision import SafetyState

STREAM = StreamBeat(
    lifecycle=Lifecycle.ACTIVE, accepted=41, received=46, round_trip_ms=(480.2, 512.0, 530.4),
    service_ms=(430.0, 450.0, 470.0), network_ms=(50.2, 60.0, 70.0), age_ms=521.0,
    rejected={FaultCode.SEQ_OLD: 1, FaultCode.JUMP: 3})
DRIVER = DriverBeat(
    lifecycle=Lifecycle.ACTIVE, torque=True, rows_left=31, holds=2, pace=0.874, rate_hz=99.82,
    target_hz=100.0, cycle_ms_p99=4.12, rejected={FaultCode.CHUNK_STALE: 2})
CAMERAS = {'front': CameraFigures(29.7, 34.6, 2_140_000.0),
           'wrist': CameraFigures(15.0, 60.0, 63_400.0)}
ALL = ('chunks 41 of 46   round trip 480/512/530 ms   service 430 + network 50 ms   age 521 ms   '
       'rows left 31   holds 2   pace 0.87   drops 6 (JUMP 3, CHUNK_STALE 2, SEQ_OLD 1)   '
       'front 30 Hz 35 ms 2.1 MB/s   wrist 15 Hz 60 ms 63 kB/s   commands 99.8 of 100 Hz   '
       'cycle 4.1 ms   torque on')


def test_wide_line_has_every_figure():
    assert link_line(STREAM, DRIVER, CAMERAS, len(ALL)) == ALL


def test_narrow_line_leaves_out_the_least_important_first():
    lines = [link_line(STREAM, DRIVER, CAMERAS, width) for width in range(len(ALL), 0, -1)]
    assert lines[1] == ALL.replace('   cycle 4.1 ms', '')
    assert lines[-1] == 'round trip 480/512/530 ms'
    for width, line in zip(range(len(ALL), 0, -1), lines, strict=True):
        assert len(line) <= width or '   ' not in line
    # Nothing comes back in a line that is narrower.
    counts = [len(line.split('   ')) for line in lines]
    assert counts == sorted(counts, reverse=True)
    left = link_line(STREAM, DRIVER, CAMERAS, 80)
    assert left == ('chunks 41 of 46   round trip 480/512/530 ms   age 521 ms   rows left 31')


def test_before_anything_is_known_there_are_dashes_and_no_zeros():
    line = link_line(StreamBeat(), DriverBeat(), {}, 300)
    assert line == ('chunks 0 of 0   round trip - ms   service - + network - ms   age - ms   '
                    'rows left -   holds -   pace -   drops 0   commands - of - Hz   cycle - ms   '
                    'torque -')


@pytest.mark.parametrize('torque, known, text', [
    (True, True, 'torque on'), (False, True, 'torque off'), (False, False, 'torque unknown')])
def test_torque_of_servos_that_do_not_answer_is_not_off(torque, known, text):
    beat = replace(DRIVER, torque=torque, torque_known=known)
    assert link_line(STREAM, beat, {}, 300).endswith(text)


def test_only_the_most_frequent_reasons_of_drops_are_named():
    codes = (FaultCode.JUMP, FaultCode.RATE, FaultCode.RANGE, FaultCode.SEQ_OLD)
    beat = StreamBeat(rejected={code: count for count, code in enumerate(codes, start=1)})
    assert 'drops 10 (SEQ_OLD 4, RANGE 3, RATE 2, ...)' in link_line(beat, DriverBeat(), {}, 300)


def test_view_takes_the_cameras_from_a_snapshot_and_fits_them_into_its_frame():
    view = View(stream=STREAM, driver=DRIVER)
    view.update({'safety': {}, 'driver': {}, 'stream': {'accepted': '7', 'lifecycle': 'active'},
                 'cameras': {'front': {'rate_hz': '29.7', 'age_ms': '34.6', 'topic': '/front',
                                       'sent_bytes_per_s': '63400'}}})
    console = Console(width=400, record=True, file=io.StringIO())
    console.print(live_view(view, ''))
    text = console.export_text()
    assert 'chunks 7 of 0' in text and 'front 30 Hz 35 ms 63 kB/s' in text
    narrow = Console(width=60, record=True, file=io.StringIO())
    narrow.print(live_view(view, ''))
    assert 'round trip' in narrow.export_text()
    assert 'front 30 Hz' not in narrow.export_text()


def test_view_warns_of_a_process_that_stops_nothing():
    view = View()
    view.update({'safety': {}, 'driver': {}, 'stream': {},
                 'problems': {'recorder': 'the disk is full'}})
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(live_view(view, ''))
    assert 'Warning: recorder: the disk is full' in console.export_text()


@pytest.mark.parametrize('commander, text', [
    (Commander.PERSON, 'Guidance: a person guides the arm'),
    (Commander.RETURNING, 'Guidance: the arm rests until the policy has seen where it is'),
    (Commander.POLICY, '')])
def test_view_says_who_guides_the_arm(commander, text):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(live_view(View(stream=replace(STREAM, commander=commander)), ''))
    assert ('Guidance: ' in (shown := console.export_text())) is bool(text) and text in shown


@pytest.mark.parametrize('width', [80, 140])
def test_view_shows_each_joint_with_its_whole_name(width):
    joints = ['shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper']
    red = GateItem('robot_heartbeat_recent', False, 'the robot has sent no heartbeat for a minute')
    view = View(snapshot={'joints': joints, 'positions': [0.1] * 6}, stream=STREAM,
                safety=SafetyState(gate=(GateItem('latch', True, ''), red)))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(live_view(view, ''))
    shown = console.export_text()
    assert all(name in shown for name in joints) and shown.count('+0.100') == 6
    assert ('o...........' in shown) is (width > 100)
