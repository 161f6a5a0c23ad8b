# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex up`` says at its end (error reference, 7); the graph itself is in test/ros."""

import json

import pytest

from reflex_ros.bringup.system import View
from reflex_ros.cli import up
from reflex_ros.cli.options import CommonOptions

JSON = CommonOptions(as_json=True)
LATCHED = View('LATCHED', [{'code': 'NET_SILENT'}], [('ACTIVE', 1.0), ('LATCHED', 2.0)],
               {'safety': {'why': 'no answer for 0.5 s; reset, then promote'}})
STOP = 'Safe stop fired: NET_SILENT: no answer for 0.5 s; reset, then promote'


@pytest.mark.parametrize('killed, error', [
    ([], STOP), (['so101'], f'{STOP}; killed because they did not exit: so101')])
def test_entry_7_end_on_a_safe_stop_is_no_success_in_json(capsys, killed, error):
    up._report(JSON, LATCHED, killed, stopped_by_fault=True)
    document = json.loads(capsys.readouterr().out)
    assert (document['ok'], document['error']) == (False, error)
    assert document['states'] == ['ACTIVE', 'LATCHED']


def test_entry_7_end_on_a_safe_stop_names_the_cause(capsys):
    up._report(CommonOptions(), LATCHED, [], stopped_by_fault=True)
    assert capsys.readouterr() == ('', f'{STOP}\n')


def test_end_that_was_asked_for_is_none(capsys):
    up._report(JSON, View('DRY_RUN'), [], stopped_by_fault=False)
    document = json.loads(capsys.readouterr().out)
    assert document['ok'] is True and 'error' not in document
