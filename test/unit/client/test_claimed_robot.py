# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The file that says which robot this machine is, for each address of the service."""

import json
import stat

import pytest

from reflex_ros.client import claimed_robot
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.errors import ConfigurationError

BENCH = ClaimedRobot('robot_1', 'bench', 'schema_1')
A, B = 'https://api.tryreflex.ai', 'http://127.0.0.1:8765'


@pytest.fixture
def file(tmp_path):
    return claimed_robot.path({'REFLEX_CONFIG_DIR': str(tmp_path / 'config')})


def test_robot_is_kept_by_address_and_only_its_owner_can_read_it(file):
    assert claimed_robot.load(file, A) is None
    claimed_robot.save(file, A, BENCH)
    claimed_robot.save(file, B, ClaimedRobot('robot_sim'))
    claimed_robot.save(file, B, ClaimedRobot('robot_2'))
    assert claimed_robot.load(file, A) == BENCH
    assert claimed_robot.load(file, B) == ClaimedRobot('robot_2')
    assert claimed_robot.load(file, 'https://else.where') is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name == 'robots.json'


@pytest.mark.parametrize('content', [
    {}, {'robots': {}}, {'robots': {A: 'robot_1'}}, {'robots': {A: {'name': 'bench'}}},
    {'robots': {A: {'robotId': 7}}}])
def test_row_without_an_id_is_no_robot(file, content):
    claimed_robot.save(file, B, BENCH)
    file.write_text(json.dumps(content))
    assert claimed_robot.load(file, A) is None


@pytest.mark.parametrize('text', ['{', '[]', '{"robots": []}'])
def test_damaged_file_names_the_way_out_and_is_replaced_by_the_next_claim(file, text):
    claimed_robot.save(file, B, BENCH)
    file.write_text(text)
    with pytest.raises(ConfigurationError, match='`reflex robots claim`'):
        claimed_robot.load(file, A)
    claimed_robot.save(file, A, BENCH)
    assert claimed_robot.load(file, A) == BENCH


def test_file_that_others_can_read_is_refused(file):
    claimed_robot.save(file, A, BENCH)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match='chmod 600'):
        claimed_robot.load(file, A)
