# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Skips tests that cannot run on this machine, each with the reason.

A module is imported before its markers are read, so one that imports rclpy or launch at its top
begins with ``pytest.importorskip('rclpy')`` or ``pytest.importorskip('launch_ros')``.
"""

import atexit
from collections import deque
import gc
import importlib.util
import os
import random
import shutil
import signal
import socket
import sys
import tempfile

import pytest

# Many containers set PYTHONDONTWRITEBYTECODE. Without compiled files each collection takes 6 s
# more, and each process that a test starts compiles the package again (0.2 to 0.3 s of a core).
sys.dont_write_bytecode = False
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

# Nothing of who runs the tests: no recordings into their home, and above all no command that finds
# the graph of a real arm on this machine, and stops it. The workers of xdist inherit the places.
PLACES = 'REFLEX_RECORDINGS_DIR', 'XDG_RUNTIME_DIR', 'XDG_STATE_HOME'
if 'REFLEX_TEST_PLACES' not in os.environ:
    os.environ['REFLEX_TEST_PLACES'] = tempfile.mkdtemp(prefix='reflex-tests-')
    atexit.register(shutil.rmtree, os.environ['REFLEX_TEST_PLACES'], ignore_errors=True)
    for place in PLACES:
        os.environ[place] = os.path.join(os.environ['REFLEX_TEST_PLACES'], place.lower())
        os.mkdir(os.environ[place], 0o700)

# As the nodes and the commands do, before numpy is loaded.
os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')

# A shell starts background jobs with SIGINT ignored, and nohup ignores SIGHUP. Child processes
# inherit that: the tests that send these signals would then wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

RANGE = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
# `reflex demo` chooses from 60 to 99. Above 101 the ports of a domain are in the range that Linux
# gives to clients.
DOMAINS = deque(random.sample(range(1, 60), 59))

LIVE = {'closed_port', 'instant_arm', 'listen', 'running', 'service', 'terminal'}
"""Fixtures that open real sockets or pseudo-terminals: the tests that use them are ``live``."""


def missing_requirements():
    """
    Find out which markers cannot be served here.

    :returns: marker name -> what is missing, for the report.
    """
    missing = {}
    if importlib.util.find_spec('rclpy') is None:
        missing['ros'] = 'rclpy is not installed (`make env` brings it)'
    # Not launch: our own folder of that name would be found, as a namespace package.
    if importlib.util.find_spec('launch_ros') is None:
        missing['ros_launch'] = ('launch_ros is not installed (it comes with a ROS 2 installation '
                                 'only)')
    if not os.environ.get('REFLEX_TEST_PORT'):
        missing['hardware'] = 'REFLEX_TEST_PORT does not name the serial port of an arm'
    return missing


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    """Collect without the garbage collector: nothing of the thousands of items can go yet."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Skip what this machine cannot run, mark what is live, and put the slow tests first."""
    # A slow test at the end would leave the other cores idle.
    items.sort(key=lambda item: item.get_closest_marker('slow') is None)
    for item in items:
        if not LIVE.isdisjoint(item.fixturenames):
            item.add_marker('live')
    for marker, reason in missing_requirements().items():
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish(session):
    """Refuse to run when the groups of tests would be spread over the workers without a word."""
    if session.config.getoption('loadgroup', default=False):
        spread = [item.nodeid for item in session.items
                  if item.get_closest_marker('xdist_group') and '@' not in item.nodeid]
        if spread:
            raise pytest.UsageError(f'pytest-xdist ignores the group of {spread[0]}')


@pytest.fixture(autouse=True)
def own_environment():
    """Undo changes of the environment: commands and nodes choose their transport there."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def no_goal_leaps():
    """Fail every test in which a goal on the bus of a simulated arm has leapt."""
    yield
    arms = sys.modules.get('arm_fixture')
    if arms is not None:
        arms.check_goal_steps()


@pytest.fixture
def domain():
    """
    Return the environment that puts a process into a domain of its own.

    Places of its own, too: `reflex stop` stops the one graph that runs in a place, which may be
    that of a test beside it.
    """
    folder = tempfile.mkdtemp(dir=os.environ['REFLEX_TEST_PLACES'])
    places = {name: os.path.join(folder, name.lower()) for name in PLACES}
    for place in places.values():
        os.mkdir(place, 0o700)
    with socket.socket(socket.AF_UNIX) as claim:
        yield {'ROS_DOMAIN_ID': str(claim_domain(claim)), **RANGE, **places}


def claim_domain(claim):
    """Choose a domain that no other test on this machine uses until the socket is closed."""
    for _ in range(len(DOMAINS)):
        DOMAINS.rotate()
        try:
            # An abstract name: no file, and the kernel releases it even after SIGKILL.
            claim.bind(f'\0reflex_ros/test/domain/{DOMAINS[0]}')
        except OSError:
            continue
        return DOMAINS[0]
    raise AssertionError('all domains are in use by other tests')
