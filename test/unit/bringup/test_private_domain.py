# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The DDS domain of a simulated world."""

import contextlib
from pathlib import Path
import socket
import subprocess
import sys

import pytest

from reflex_ros.bringup import system


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ('ROS_DOMAIN_ID', 'RMW_IMPLEMENTATION'):
        monkeypatch.delenv(name, raising=False)
    yield
    for domain in list(system._claims):
        system._release(domain)


def test_domain_that_somebody_is_on_is_not_taken(monkeypatch):
    monkeypatch.setattr(system, 'DOMAINS', range(60, 64))
    with contextlib.ExitStack() as stack:
        for domain in (60, 61, 63):
            taken = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind(('127.0.0.1', 7400 + 250 * domain + 10))
        for _ in range(10):
            assert system.private_domain()['ROS_DOMAIN_ID'] == '62'
            system._release('62')


def test_graphs_that_start_at_the_same_moment_do_not_meet(monkeypatch):
    # Seen in a campaign of two systems: no node of the other one was there yet to be seen.
    monkeypatch.setattr(system, 'DOMAINS', range(60, 70))
    code = ('from reflex_ros.bringup import system; system.DOMAINS = range(60, 70); '
            'print(system.private_domain()["ROS_DOMAIN_ID"], flush=True); input()')
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(subprocess.Popen(
            [sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)) for _ in range(4)]
        chosen = [other.stdout.readline().strip() for other in others]
        chosen += [system.private_domain()['ROS_DOMAIN_ID'] for _ in range(6)]
        assert sorted(map(int, chosen)) == [*range(60, 70)]
        for other in others:
            other.communicate('\n')
    # Those that have ended have left their domains.
    again = [system.private_domain()['ROS_DOMAIN_ID'] for _ in range(4)]
    assert sorted(again) == sorted(chosen[:4])


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
