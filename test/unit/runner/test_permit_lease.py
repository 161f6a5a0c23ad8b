# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A permit holds for as long as it is renewed, and a change of its mode is reported."""

from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.runner.permit_lease import PermitLease

APPLY = Permit(3, Mode.APPLY_ACTIONS, 0.5)


def test_nothing_is_permitted_before_the_first_permit():
    assert PermitLease().current(0.0) == Permit(0)


def test_permit_holds_for_half_a_second_without_renewal():
    lease = PermitLease()
    lease.renew(APPLY, 10.0)
    assert lease.ends_at == 10.5
    assert lease.current(10.0) == lease.current(10.499) == APPLY
    # Chunks of another epoch are refused all the same.
    assert lease.current(10.5) == Permit(3)
    lease.renew(APPLY, 11.0)
    assert lease.current(11.4) == APPLY


def test_change_of_the_mode_is_reported_and_nothing_else():
    calls, lease = [], PermitLease()
    lease.renew(Permit(1), 0.0)
    lease.on_mode_change = lambda: calls.append(lease.current(now).mode)
    now = 0.1
    for permit in (Permit(1), Permit(2), Permit(2, speed_scale=0.5)):
        lease.renew(permit, now)
    assert calls == []
    lease.renew(APPLY, now)
    lease.renew(APPLY, now)
    lease.renew(Permit(3, Mode.PARK), now)
    assert calls == [Mode.APPLY_ACTIONS, Mode.PARK]


def test_renewal_of_a_permit_that_had_ended_is_a_change():
    calls, lease = [], PermitLease()
    lease.renew(APPLY, 0.0)
    lease.on_mode_change = lambda: calls.append(True)
    lease.renew(APPLY, 0.4)
    assert calls == []
    lease.renew(APPLY, 1.0)
    assert calls == [True]
