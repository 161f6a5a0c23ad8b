# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex up`` says at its end (error reference, 7); the graph itself is in test/ros."""

import json
import subprocess
import sys

import pytest

from reflex_ros.bringup import processes
from reflex_ros.bringup.system import View
from reflex_ros.cli import up
from reflex_ros.cli.options import CommonOptions
from reflex_ros.domain import key_values
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState

JSON = CommonOptions(as_json=True)
CAUSE = CauseRecord(FaultCode.NET_SILENT, 'no answer for 0.5 s', 0.0)
LATCHED = View(State.LATCHED, (CAUSE,),
               [(State.ACTIVE, 1.0), (State.LATCHED, 2.0)],
               SafetyState(why='no answer for 0.5 s; reset, then promote'))
STOP = 'NET_SILENT: no answer for 0.5 s. Then start again'


@pytest.mark.parametrize('killed, error', [
    ([], f'Safe stop fired: {STOP}'), (
        ['so101'], f'Safe stop fired: {STOP}; killed because they did not exit: so101')])
def test_entry_7_end_on_a_safe_stop_is_no_success_in_json(capsys, killed, error):
    up._report(JSON, LATCHED, killed, STOP)
    document = json.loads(capsys.readouterr().out)
    assert (document['ok'], document['error']) == (False, error)
    assert document['states'] == ['ACTIVE', 'LATCHED']
    assert document['causes'] == [key_values.to_plain(CAUSE)]


def test_entry_7_end_on_a_safe_stop_names_the_cause(capsys):
    up._report(CommonOptions(), LATCHED, [], STOP)
    assert capsys.readouterr() == ('', f'Safe stop fired: {STOP}\n')


def test_end_that_was_asked_for_is_none(capsys):
    up._report(JSON, View(State.DRY_RUN), [], '')
    document = json.loads(capsys.readouterr().out)
    assert document['ok'] is True and 'error' not in document


def test_without_a_terminal_old_news_is_said_once_with_what_is_done():
    view, news = View(State.ACTIVE), up._News()
    assert news.lines(view, ['ACTIVE'], 0.0) == ['ACTIVE']
    assert news.lines(view, [], 0.2) == []
    view.heard_at = up.time.monotonic() - 3.0
    lines = news.lines(view, [], 0.4)
    assert len(lines) == 1 and 'ACTIVE: no news from the monitor for 3 s' in lines[0]
    view.heard_at -= 5.0
    assert news.lines(view, [], 0.6) == []
    view.answer = 'monitor hung: it is started again'
    assert news.lines(view, [], 0.8) == [view.answer]


def dry_run(why):
    return View(State.DRY_RUN, safety=SafetyState(State.DRY_RUN, why=f'dry run; gate: {why}'))


def test_without_a_terminal_a_reason_is_said_once_whatever_its_figures():
    news = up._News()
    said = [news.lines(dry_run(why), [], number / 4) for number, why in enumerate((
        'camera: no frame for 5.26 s', 'camera: no frame for 5.51 s',
        'bus: cycle p99 33.7 ms', 'bus: cycle p99 34.4 ms', 'camera: no frame for 6.2 s',
        'servo 3 does not answer', 'servo 12 does not answer', 'servo 12 does not answer'))]
    assert said == [
        ['DRY_RUN: dry run; gate: camera: no frame for 5.26 s'], [],
        ['DRY_RUN: dry run; gate: bus: cycle p99 33.7 ms'], [], [],
        ['DRY_RUN: dry run; gate: servo 3 does not answer'],
        ['DRY_RUN: dry run; gate: servo 12 does not answer'], []]


def test_reason_that_came_back_to_stay_is_said_again():
    news = up._News()
    said = [news.lines(dry_run(why), [], now) for now, why in (
        (0.0, 'a'), (1.0, 'b'), (2.0, 'a'), (20.0, 'a'), (31.0, 'a'), (90.0, 'a'))]
    assert [len(lines) for lines in said] == [1, 1, 0, 0, 1, 0]


def test_problem_of_a_process_that_stops_nothing_is_said_once():
    view, news = View(State.READY), up._News()
    news.lines(view, ['READY'], 0.0)
    said = []
    for problem in ('450 MB are free', '449 MB are free', '', '448 MB are free'):
        view.problems = {'recorder': problem} if problem else {}
        said.append(news.lines(view, [], 1.0))
    assert said == [['Warning: recorder: 450 MB are free'], [], [],
                    ['Warning: recorder: 448 MB are free']]


@pytest.mark.parametrize('arguments', [('up',), ('up', '--sim'), ('demo',)])
def test_second_graph_in_one_domain_is_refused_before_anything_starts(
        ask, tmp_path, monkeypatch, arguments):
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path))
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    monkeypatch.setattr(processes.ProcessGroup, 'start', lambda *_: pytest.fail('it started'))
    monkeypatch.setattr('reflex_ros.bringup.packages.check_packages', lambda **_: None)
    first = subprocess.Popen(
        [sys.executable, '-c', 'from reflex_ros.runner.running_graphs import starting\n'
         'with starting("reflex up --sim", "", {"ROS_DOMAIN_ID": "7"}): print(flush=True); '
         'input()'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout.readline()
    try:
        found = ask(*arguments, '--logs', str(tmp_path / 'logs'))
    finally:
        first.communicate(b'\n')
    assert found.code == 1
    assert f'a graph already runs in ROS domain 7 (reflex up --sim: process {first.pid})' \
        in found.err
    assert '`reflex status`' in found.err and 'another ROS_DOMAIN_ID or namespace' in found.err
