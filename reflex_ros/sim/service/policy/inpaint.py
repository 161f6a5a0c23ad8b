# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Rows that begin with what the client is committed to execute (real-time chunking).

A policy with flow matching or diffusion freezes these rows in its sampler and lets the rest grow
out of them. Here the policy's own rows fade in after them: the same border, without a sampler.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflex_ros.sim.service.so101 import Rows

# [s] over which the policy's own rows take over.
SOFT_S = 0.8


def inpaint(rows: Rows, prefix: Sequence[Sequence[float]], frozen: int, hz: float) -> Rows:
    """
    Keep the first rows of a prefix, and fade over to the policy's rows.

    :param rows: (T, D) as the policy made them; not changed.
    :param prefix: (P, D) what the client will execute unless an answer comes; row k belongs to
        row k of the answer.
    :param frozen: rows of the prefix that will have been executed when the answer arrives.
    :param hz: rate of the rows.
    :returns: (T, D); the prefix up to ``frozen``, then ever less of it. Beyond the end of the
        prefix, its distance to the policy's row fades out.
    """
    if not prefix:
        return rows
    frozen = min(frozen, len(prefix))
    soft = max(SOFT_S * hz, 1.0)
    gap = [0.0] * len(rows[0])
    mixed = []
    for k, row in enumerate(rows):
        u = min(max((k - frozen + 1) / soft, 0.0), 1.0)
        weight = 1.0 - u * u * u * (10.0 + u * (6.0 * u - 15.0))
        if k < len(prefix):
            gap = [a - b for a, b in zip(prefix[k], row, strict=True)]
        mixed.append([round(value + weight * distance, 6)
                      for value, distance in zip(row, gap, strict=True)])
    return mixed
