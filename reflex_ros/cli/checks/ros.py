# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS 2: distribution, middleware, domain, rates of the cameras; without importing rclpy here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys

from reflex_ros.bringup import dds
from reflex_ros.cli.checks.check import Check, failed, passed, skipped, warning
from reflex_ros.domain import secret_variables

DISTRIBUTIONS = {3: 'humble', 7: 'jazzy', 9: 'kilted', 10: 'lyrical'}
"""Major version of rclpy -> distribution."""
KNOWN_RMW = ('rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp', 'rmw_cyclonedds_cpp',
             'rmw_zenoh_cpp', 'rmw_connextdds')
SLOW_HZ = 5.0
PROBE_S = 20.0
LARGEST_DOMAIN, USUAL_DOMAIN = 232, 101


def checks(cameras: Sequence[Mapping[str, str]], *, is_configured: bool,
           is_needed: bool = True) -> Iterator[Check]:
    """
    Check ROS 2. Blocks for about 4 s when there are cameras to look for.

    :param cameras: name and topic of each camera; an empty topic means: look by name.
    :param is_configured: whether a configuration names the cameras; else a camera without frames
        is no failure.
    :param is_needed: whether the cameras are those of the graph.
    """
    distribution = os.environ.get('ROS_DISTRO', '')
    if find_spec('rclpy') is None:
        if distribution:
            yield failed('ROS distribution', f'{distribution} is sourced, but this Python '
                         f'({sys.version_info[0]}.{sys.version_info[1]}) has no rclpy',
                         'Use the Python of the distribution, or do not source it')
        else:
            yield skipped('ROS distribution', 'no ROS 2 in this environment',
                          "pip install 'reflex_ros[ros]', or source a distribution")
        for name in ('RMW', 'ROS domain', *(['cameras'] if is_needed else [])):
            yield skipped(name, 'needs ROS 2')
        return
    yield _distribution(distribution)
    yield _middleware(os.environ)
    yield _domain(os.environ.get('ROS_DOMAIN_ID', ''))
    if is_needed:
        yield from _cameras(cameras, is_configured=is_configured)


def _distribution(sourced: str) -> Check:
    try:
        version = metadata.version('rclpy')
    except metadata.PackageNotFoundError:
        try:
            version = metadata.version('ros-rclpy')
        except metadata.PackageNotFoundError:
            version = ''
    known = DISTRIBUTIONS.get(int(version.partition('.')[0])) if version[:1].isdigit() else None
    name = sourced or known or 'unknown'
    text = f'{name}, rclpy {version}' if version else name
    if known and sourced and known != sourced:
        return warning('ROS distribution', f'{sourced} is sourced, rclpy {version} is of {known}',
                       'Source one distribution only, in a new terminal')
    if name not in DISTRIBUTIONS.values():
        return warning('ROS distribution', f'{text}: not tested with this package')
    return passed('ROS distribution', text)


def _middleware(environment: Mapping[str, str]) -> Check:
    chosen = environment.get('RMW_IMPLEMENTATION', '')
    if chosen and chosen not in KNOWN_RMW:
        return failed('RMW', f'RMW_IMPLEMENTATION names {chosen}, which is not known',
                      f'Unset it, or choose one of {", ".join(KNOWN_RMW)}')
    prefixes = [prefix for prefix in environment.get('AMENT_PREFIX_PATH', '').split(':')
                if prefix and (Path(prefix) / 'lib').is_dir()]
    if chosen and environment.get('ROS_DISTRO') and not any(
            (Path(prefix) / 'lib' / f'lib{chosen}.so').exists() for prefix in prefixes):
        return failed('RMW', f'{chosen} is not installed', 'Install the package '
                      f'ros-{environment["ROS_DISTRO"]}-{chosen.replace("_", "-")}')
    note = dds.shared_memory(environment)
    if note:
        return warning('RMW', note)
    return passed('RMW', chosen or 'rmw_fastrtps_cpp (default)')


def _domain(text: str) -> Check:
    if not text:
        return passed('ROS domain', '0 (ROS_DOMAIN_ID is not set)')
    if not text.isascii() or not text.isdigit() or int(text) > LARGEST_DOMAIN:
        return failed('ROS domain', f'ROS_DOMAIN_ID is {text!r}, allowed is 0 to '
                      f'{LARGEST_DOMAIN}', 'Set it to the same small number on all machines')
    if int(text) > USUAL_DOMAIN:
        return warning('ROS domain', f'{text}: its ports may be those of other programs',
                       f'Use a number up to {USUAL_DOMAIN}')
    return passed('ROS domain', text)


def _cameras(cameras: Sequence[Mapping[str, str]], *, is_configured: bool) -> Iterator[Check]:
    if not cameras:
        yield skipped('cameras', 'the configuration names none')
        return
    try:
        # In a process of its own: rclpy must not stay in this one.
        done = subprocess.run(
            [sys.executable, '-m', 'reflex_ros.nodes.camera_rates', json.dumps(list(cameras))],
            env={**secret_variables.without(os.environ), **dds.environment()},
            capture_output=True, text=True, timeout=PROBE_S, check=False)
        rates = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        yield failed('cameras', 'the graph could not be looked at',
                     'Run `ros2 topic list`, or this command again with -v')
        return
    for camera in cameras:
        name, (topic, rate_hz, problem) = f'camera {camera["name"]}', rates[camera['name']]
        if problem:
            yield (failed if is_configured else skipped)(
                name, problem, 'Start its driver; doc/cameras.md has the lines for the usual ones')
        elif rate_hz < SLOW_HZ:
            yield warning(name, f'{rate_hz:.1f} Hz on {topic}',
                          f'At least {SLOW_HZ:g} Hz: less light, a slow link or a wrong mode?')
        else:
            yield passed(name, f'{rate_hz:.1f} Hz on {topic}')
