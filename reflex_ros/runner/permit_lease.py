# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor's permit as the session sees it: for as long as it is renewed."""

from __future__ import annotations

from collections.abc import Callable

from reflex_ros.domain.permit import Permit

PERMIT_S = 0.5
"""A permit that was renewed longer ago permits nothing [s]."""


class PermitLease:
    """
    The newest permit.

    One thread renews it, any thread may read it; nothing blocks. The permit and its end are one
    value that is replaced.

    :param limit_s: how long a permit holds without renewal [s].
    """

    def __init__(self, limit_s: float = PERMIT_S) -> None:
        self.on_mode_change: Callable[[], None] | None = None
        """Called by ``renew``, in its thread, when the permitted mode changes."""
        self._limit_s = limit_s
        # The permit, and the monotonic instant until which it holds.
        self._held = (Permit(0), 0.0)

    def renew(self, permit: Permit, now: float) -> None:
        """
        Record a permit that was received now.

        :param now: monotonic instant [s].
        """
        before, on_mode_change = self.current(now).mode, self.on_mode_change
        self._held = (permit, now + self._limit_s)
        if permit.mode is not before and on_mode_change is not None:
            on_mode_change()

    def current(self, now: float) -> Permit:
        """Return the permit that holds now; one without renewal is a HOLD of the same epoch."""
        permit, ends_at = self._held
        return permit if now < ends_at else Permit(permit.epoch)

    @property
    def newest(self) -> Permit:
        """The permit that came last, whether or not it still holds."""
        return self._held[0]

    @property
    def ends_at(self) -> float:
        """Monotonic instant until which the permit holds without another renewal [s]."""
        return self._held[1]
