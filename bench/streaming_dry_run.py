# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Count the requests of a dry run whose policy does not fit the arm, beside one that fits.

The real exchange and checks, in virtual time. A session ends after ``HOPELESS_IN_A_ROW`` refused
chunks; here the exchange goes on for the whole minute, which is the harder case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math
from typing import Any

import numpy as np

from bench.streaming_models import DT, Link, Policy, Service
from reflex_ros.client import adapters
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.hardware.so101 import SO101
from reflex_ros.runner.exchange import Exchange

Row = tuple[float, ...]
Spoil = Callable[[Row], Row]
SECONDS = 60.0
POSE = (10.0, -40.0, 40.0, 30.0, 0.0, 30.0)
"""The policy that fits stays there; in degrees and percent."""
LINKS = (Link(0.05), Link(0.15, 0.1), Link(0.4, 0.2), Link(0.48, network_s=0.58))
MISTAKES: dict[str, Spoil] = {
    'rows of 7': lambda row: (*row, 0.0),
    'rows of 14': lambda row: (*row, *[0.0] * 8),
    'radians': lambda row: (*map(math.radians, row[:5]), row[5] / 100.0),
    'normalised': lambda row: tuple(value / 100.0 for value in row),
    'another pose': lambda row: (row[0] + 45.0, *row[1:]),
}


def requests(link: Link, spoil: Spoil | None, seed: int = 0) -> tuple[int, int]:
    """Play a minute of a dry run; return requests and refused chunks."""
    service = Service(Policy(), link, seed)
    exchange = Exchange(ChunkBounds(SO101), RequestRules(), 30.0)
    pose = adapters.rows_from_wire([POSE], SO101)[0]
    for tick in range(round(SECONDS / DT)):
        now = tick * DT
        for answer in service.due(now):
            rows: tuple[Row, ...] = tuple(
                tuple(adapters.state_to_wire(row, SO101)) for row in answer.rows)
            if spoil is not None:
                rows = tuple(map(spoil, rows))
            try:
                exchange.answer(ChunkFrame(answer.seq, rows, answer.infer_s * 1e3,
                                           answer.total_s * 1e3, {}), now)
            except ChunkRejected:
                continue
        if now >= exchange.due_at(now):
            seq = exchange.begin(Observation(now, 0, tuple(pose.tolist()), {}), 0, now)
            service.ask(seq, pose, now, now, np.tile(pose, (50, 1)))
    return exchange.counts.sent, exchange.counts.refused


def wrong_adapter() -> Iterator[dict[str, Any]]:
    """Yield the requests of each mistake as a share of those of a policy that fits."""
    for name, spoil in MISTAKES.items():
        shares = []
        for link in LINKS:
            right, refused = requests(link, None)
            assert not refused, f'{refused} chunks of a policy that fits were refused'
            wrong, refused = requests(link, spoil)
            assert refused, f'{name}: nothing was refused'
            shares.append(wrong / right)
        yield {'figure': f'wrong adapter in dry run, {name}: requests beside a right one',
               'unit': 'x', 'n': len(LINKS), 'value': max(shares), 'least': min(shares)}
