# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The way to the service: address, proxy, key, clock, latency and jitter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from statistics import median
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reflex_ros.cli import dotenv
from reflex_ros.cli.checks.check import Check, failed, passed, skipped, warning
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.remote import ask_at
from reflex_ros.errors import AuthenticationError, ReflexError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

PROBES = 10
SLOW_MS = 400.0
"""Way there and back from which on the policy notices it; inference takes half a second anyway."""
JITTER_MS = 150.0
CLOCK_S = 30.0
"""Clocks further apart confuse the ends of sessions and tokens."""
WINDOW_S = 3.0


def checks(common: CommonOptions) -> list[Check]:
    """Check the way to the service. Blocks for some seconds when it cannot be reached."""
    try:
        return ask_at(common, _look, window_s=WINDOW_S)
    except AuthenticationError as exc:
        return [failed('key', str(exc), 'Run `reflex login`, or set REFLEX_API_KEY')]
    except ReflexError as exc:
        return _unreachable(exc, [])


async def _look(service: AsyncReflex) -> list[Check]:
    # Not imported at the top: help and completion need none of the network libraries.
    from reflex_ros.client.transport import Request

    url = service.rpc.url
    found = [*_proxy(dotenv.environment())]
    times_ms, clock_s = [], 0.0
    try:
        for _ in range(PROBES):
            began, wall = time.monotonic(), time.time()
            answer = await service.transport.send(Request('GET', url, is_repeatable=True))
            times_ms.append((time.monotonic() - began) * 1e3)
            clock_s = max(clock_s, _clock_offset(answer.headers, wall), key=abs)
    except ReflexError as exc:
        return _unreachable(exc, found)
    address = passed('address', f'{url} answers' + await _numbers(url))
    return [address, *found, await _key(service), _clock(clock_s), *_path(times_ms)]


def _unreachable(exc: ReflexError, found: list[Check]) -> list[Check]:
    return [failed('address', str(exc), 'Check the network, and the address: REFLEX_CONVEX_URL, '
                   'then the saved login'), *found,
            *(skipped(name, 'needs the service') for name in ('key', 'clock', 'latency',
                                                              'jitter'))]


async def _numbers(url: str) -> str:
    """Return the addresses of the host of a URL, for the text."""
    host = urlsplit(url).hostname or ''
    try:
        rows = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError:
        # Behind a proxy, the name need not have an address here.
        return ''
    numbers = list(dict.fromkeys(row[4][0] for row in rows))
    return '' if numbers == [host] else f' ({", ".join(map(str, numbers[:4]))})'


def _proxy(environment: Mapping[str, str]) -> list[Check]:
    from reflex_ros.client.proxy import OTHERS

    own = environment.get('REFLEX_PROXY')
    if own:
        return [passed('proxy', f'{urlsplit(own).hostname or "REFLEX_PROXY"} (REFLEX_PROXY)')]
    others = [name for name in OTHERS if environment.get(name)]
    if others:
        return [warning('proxy', f'{", ".join(others)} is set and not used',
                        'If this machine has no other way to the network, set REFLEX_PROXY')]
    return [passed('proxy', 'none')]


async def _key(service: AsyncReflex) -> Check:
    from reflex_ros.client.resources import account

    try:
        found = await account.whoami(service)
    except AuthenticationError as exc:
        return failed('key', str(exc), 'Run `reflex login`, or set REFLEX_API_KEY')
    except ReflexError as exc:
        return failed('key', str(exc))
    organization = found.organization.name if found.organization else None
    return passed('key', ', '.join(filter(None, (organization, found.key_name))) or 'valid')


def _clock_offset(headers: Mapping[str, str], wall: float) -> float:
    """Return how far the service's clock is ahead [s]; 0 when it names no time."""
    from reflex_ros.client.moments import moment_ms

    told_ms = moment_ms(headers.get('date'))
    return 0.0 if told_ms is None else told_ms / 1e3 - wall


def _clock(offset_s: float) -> Check:
    text = f'{abs(offset_s):.0f} s {"behind" if offset_s > 0 else "ahead of"} the service'
    if abs(offset_s) <= 2.0:
        return passed('clock', 'agrees with the service')
    if abs(offset_s) <= CLOCK_S:
        return warning('clock', f'this machine is {text}', 'Switch time synchronisation on: '
                       'timedatectl set-ntp true')
    return failed('clock', f'this machine is {text}: sessions seem to end early or late',
                  'Switch time synchronisation on: timedatectl set-ntp true')


def _path(times_ms: list[float]) -> list[Check]:
    # The first one opens the connection.
    times = sorted(times_ms[1:])
    middle, spread = median(times), times[-1] - times[0]
    slow, uneven = middle > SLOW_MS, spread > JITTER_MS
    return [
        (warning if slow else passed)(
            'latency', f'{middle:.0f} ms there and back, median of {len(times)}',
            *(['Use a nearer or less loaded network'] if slow else [])),
        (warning if uneven else passed)(
            'jitter', f'{spread:.0f} ms between the fastest and the slowest',
            *(['Use a cable instead of a radio link'] if uneven else []))]

