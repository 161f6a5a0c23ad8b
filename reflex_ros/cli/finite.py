# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The type of every option that is a number with a fraction."""

from __future__ import annotations

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """
    A range of numbers that refuses infinity and NaN, which click accepts.

    NaN passes both bounds of a range, because every comparison with it is false.
    """

    def convert(self, value: Any, param: click.Parameter | None,
                ctx: click.Context | None) -> float:
        """Convert the text to a finite number in the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f'{value} is not a finite number', param, ctx)
        return number
