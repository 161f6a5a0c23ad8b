# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A number with its noun, for every text that a person reads."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """
    Return a number with its noun: ``1 episode``, ``2 episodes``.

    :param noun: in the singular; its plural ends in ``s``.
    """
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
