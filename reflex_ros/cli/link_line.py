# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of link, cameras and control loop in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reflex_ros.bringup.system import CameraFigures
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, StreamBeat

GAP = '   '
UNKNOWN = '-'
MANY = 3
"""Reasons of drops that are named; there are seldom more."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """
    One figure.

    :param rank: the larger, the sooner it is left out of a narrow line.
    """

    rank: int
    text: str


def link_line(stream: StreamBeat, driver: DriverBeat, cameras: Mapping[str, CameraFigures],
              width: int) -> str:
    """
    Write the figures that a person looks at while a policy runs.

    :param cameras: by their names.
    :param width: longest line [characters]; the least important figures are left out, and at
        least one stays.
    """
    pieces = list(_pieces(stream, driver, cameras))
    while len(pieces) > 1 and len(GAP.join(piece.text for piece in pieces)) > width:
        # The last one of several of the same rank.
        pieces.remove(max(reversed(pieces), key=lambda piece: piece.rank))
    return GAP.join(piece.text for piece in pieces)


def _pieces(stream: StreamBeat, driver: DriverBeat,
            cameras: Mapping[str, CameraFigures]) -> Iterator[_Piece]:
    has_stream = stream.lifecycle is not Lifecycle.UNKNOWN
    has_driver = driver.lifecycle is not Lifecycle.UNKNOWN
    drops = {code.name: count for beat in (stream, driver)
             for code, count in beat.rejected.items()}
    yield _Piece(2, f'chunks {stream.accepted} of {stream.received}')
    yield _Piece(0, f'round trip {_quantiles(stream.round_trip_ms)} ms')
    yield _Piece(4, f'service {_median(stream.service_ms)} + network '
                 f'{_median(stream.network_ms)} ms')
    if stream.ping_ms >= 0:
        yield _Piece(6, f'ping {stream.ping_ms:.0f} ms')
    yield _Piece(1, f'age {_number(stream.age_ms, has_stream)} ms')
    yield _Piece(3, f'rows left {_number(driver.rows_left, has_driver)}')
    yield _Piece(5, f'holds {_number(driver.holds, has_driver)}')
    yield _Piece(6, f'pace {_number(driver.pace, has_driver, ".2f")}')
    yield _Piece(3 if drops else 8, _drops(drops))
    for name, camera in cameras.items():
        yield _Piece(7, f'{name} {camera.rate_hz:.0f} Hz {camera.age_ms:.0f} ms '
                     f'{_bytes(camera.sent_bytes_per_s)}/s')
    yield _Piece(5, f'commands {_number(driver.rate_hz, has_driver, ".1f")} of '
                 f'{_number(driver.target_hz, has_driver)} Hz')
    yield _Piece(9, f'cycle {_number(driver.cycle_ms_p99, has_driver, ".1f")} ms')
    yield _Piece(4, driver.torque_text if has_driver else f'torque {UNKNOWN}')


def _number(value: float, is_known: bool, form: str = '.0f') -> str:
    return format(value, form) if is_known and value >= 0 else UNKNOWN


def _quantiles(values: tuple[float, ...]) -> str:
    """Write p50, p95 and p99; a single dash when nothing is known."""
    known = values and values[0] >= 0
    return '/'.join(f'{value:.0f}' for value in values) if known else UNKNOWN


def _median(values: tuple[float, ...]) -> str:
    return _number(values[0], True) if values else UNKNOWN


def _drops(drops: Mapping[str, int]) -> str:
    """Write how many chunks were refused, and the most frequent reasons."""
    most = sorted(drops.items(), key=lambda row: -row[1])
    reasons = ', '.join(f'{name} {count}' for name, count in most[:MANY])
    more = ', ...' if len(most) > MANY else ''
    return f'drops {sum(drops.values())}' + (f' ({reasons}{more})' if drops else '')


def _bytes(count: float) -> str:
    return f'{count / 1e6:.1f} MB' if count >= 1e6 else f'{count / 1e3:.0f} kB'
