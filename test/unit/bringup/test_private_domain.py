# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The DDS domain of a simulated world."""

import contextlib
from pathlib import Path
import socket

import pytest

from reflex_ros.bringup import system


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ('ROS_DOMAIN_ID', 'RMW_IMPLEMENTATION'):
        monkeypatch.delenv(name, raising=False)


def test_domain_that_somebody_is_on_is_not_taken(monkeypatch):
    monkeypatch.setattr(system, 'DOMAINS', range(60, 64))
    with contextlib.ExitStack() as stack:
        for domain in (60, 61, 63):
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(('127.0.0.1', 7400 + 250 * domain + 10))
        assert {system.private_domain()['ROS_DOMAIN_ID'] for _ in range(10)} == {'62'}


def test_domain_of_the_shell_is_kept(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    assert system.private_domain()['ROS_DOMAIN_ID'] == '7'


def test_world_stays_on_this_machine_without_shared_memory():
    environment = system.private_domain()
    name = next(name for name in environment if name.endswith('_PROFILES_FILE'))
    profile = Path(environment[name]).read_text(encoding='utf-8')
    assert '<address>127.0.0.1</address>' in profile and 'UDPv4' in profile
    assert '<useBuiltinTransports>false' in profile


def test_another_middleware_is_told_to_stay_on_this_machine(monkeypatch):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp')
    environment = system.private_domain()
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert not any('PROFILES' in name for name in environment)
