# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Over which transport the nodes meet: UDP, on this machine alone unless a person opens the graph.

Fast DDS also uses shared memory. That keeps silent for up to 200 ms when a participant joins or
leaves: a tool that looks at the running arm stopped it (7 of 60 short-lived readers; with UDP
alone 0 of 180, also when the readers use shared memory). And a reader that is killed there keeps
the buffers it held, until frames no longer arrive (eProsima/Fast-DDS issue 5469).

What a person has chosen is kept: another middleware, a profile, a transport, a wider range.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
import os
from pathlib import Path
from xml.etree import ElementTree

from reflex_ros.bringup.process_table import share_folder

FAST_DDS = ('rmw_fastrtps_cpp', 'rmw_fastrtps_dynamic_cpp')
PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Fast DDS 3 (Kilted) reads the first and warns about the second, 2 (Humble, Jazzy) reads that."""
KILTED = 9
"""Major version of rclpy."""
TRANSPORTS = 'FASTDDS_BUILTIN_TRANSPORTS'
RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
LOCALHOST_ONLY = 'ROS_LOCALHOST_ONLY'
"""The range of Humble; newer distributions warn about it."""
PEERS = 'ROS_STATIC_PEERS'
OPEN = ('SUBNET', 'SYSTEM_DEFAULT')
"""Ranges that reach other machines."""
REMEDY = 'Unset it, or use a profile with UDP alone, such as config/udp.xml of reflex_ros'


def environment(now: Mapping[str, str] = os.environ) -> dict[str, str]:
    """
    Choose the transport of a process that is about to start its middleware.

    :param now: the environment that it has.
    :returns: the variables to change; none where a person has chosen the transport.
    """
    if now.get('RMW_IMPLEMENTATION', FAST_DDS[0]) not in FAST_DDS:
        return {} if RANGE in now else local_range(now)
    wanted = now.get(RANGE, 'LOCALHOST').upper()
    if wanted == 'OFF' or _chosen(now):
        return {}
    if wanted == 'SYSTEM_DEFAULT' and any(now.get(name) for name in PROFILES):
        # The parent process has chosen.
        return {}
    is_open = wanted in OPEN or bool(now.get(PEERS))
    changes = dict.fromkeys(_profile_variables(), str(_profile(is_open=is_open)))
    if not is_open:
        # The profile keeps the graph on this machine. rmw_fastrtps would add its own peers to it,
        # and shared memory for the variable of Humble.
        changes[RANGE] = 'SYSTEM_DEFAULT'
        if now.get(LOCALHOST_ONLY, '0') != '0':
            changes[LOCALHOST_ONLY] = '0'
    return changes


def apply() -> str:
    """
    Choose the transport of this process, before ``rclpy.init``.

    :returns: a warning for a person; empty when all is well.
    """
    warning = shared_memory()
    os.environ.update(environment())
    return warning


def shared_memory(now: Mapping[str, str] = os.environ) -> str:
    """Say why leases may travel over shared memory; empty when they do not."""
    if now.get('RMW_IMPLEMENTATION', FAST_DDS[0]) not in FAST_DDS:
        return ''
    chosen = _chosen(now)
    if not chosen:
        return 'ROS_AUTOMATIC_DISCOVERY_RANGE=OFF leaves shared memory as the only transport' \
            if now.get(RANGE, '').upper() == 'OFF' else ''
    name, value = chosen
    if name == TRANSPORTS:
        is_safe = value.upper().startswith(('UDP', 'TCP'))
    else:
        is_safe = _is_without_shared_memory(Path(value))
    return '' if is_safe else (
        f'{name}={value} lets Fast DDS use shared memory: a program that looks at the running arm '
        f'may stop it. {REMEDY}')


def local_range(now: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that keep a graph of any middleware on this machine."""
    changes = {RANGE: 'LOCALHOST'}
    if now.get('ROS_DISTRO') == 'humble':
        changes[LOCALHOST_ONLY] = '1'
    return changes


def _chosen(now: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable with which a person has chosen the transport, and its value."""
    ours = {str(_profile(is_open=is_open)) for is_open in (False, True)}
    for name in (TRANSPORTS, *PROFILES):
        if now.get(name) and now[name] not in ours:
            return name, now[name]
    return None


def _profile_variables() -> tuple[str, ...]:
    for distribution in ('rclpy', 'ros-rclpy'):
        try:
            major = int(metadata.version(distribution).partition('.')[0])
        except (metadata.PackageNotFoundError, ValueError):
            continue
        return PROFILES[:1] if major >= KILTED else PROFILES[1:]
    return PROFILES


def _profile(*, is_open: bool) -> Path:
    return share_folder() / 'config' / ('udp.xml' if is_open else 'loopback.xml')


def _is_without_shared_memory(profile: Path) -> bool:
    try:
        tree = ElementTree.parse(profile)  # noqa: S314  # the person's own file
    except (OSError, ElementTree.ParseError):
        # Fast DDS then uses its defaults.
        return False
    texts: dict[str, list[str]] = {}
    for element in tree.iter():
        texts.setdefault(element.tag.rpartition('}')[2], []).append((element.text or '').strip())
    builtin = texts.get('useBuiltinTransports', [])
    return bool(builtin) and all(text.lower() == 'false' for text in builtin) \
        and 'SHM' not in texts.get('type', [])
