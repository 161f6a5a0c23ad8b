# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Without permission the arm stops: leases, own lateness, starvation, the latch, threads."""

from __future__ import annotations

import threading
from typing import Any

from domain_builders import NET_CLOSED, OP_STOP
from hypothesis import given
from hypothesis import strategies as st
from property_examples import examples
import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard, Verdict
from reflex_ros.domain.permit import Mode, Permit

APPLY = Permit(7, Mode.APPLY_ACTIONS)
GO, SLOW, STOP = Verdict.GO, Verdict.SLOW, Verdict.STOP
# Both sides of the soft bound (60 ms) and of the hard bound (200 ms).
LEASE_TABLE = [(0.0, GO, ''), (0.06, GO, ''), (0.061, SLOW, ''), (0.2, SLOW, ''),
               (0.201, STOP, 'latched'), (50.0, STOP, 'latched')]


def armed(permit: Permit = APPLY, now: float = 0.0, **bounds: float) -> MotionGuard:
    """Make a guard that was armed under a permit."""
    guard = MotionGuard(GuardBounds(**bounds))
    guard.renew_permit(permit, now)
    assert guard.begin(now) == ''
    guard.arm(now)
    return guard


def renew(guard: MotionGuard, now: float, permit: Permit | None = APPLY,
          has_beat: bool = True, has_chunk: bool = True) -> None:
    """Renew the leases; ``permit`` None and ``has_...`` False leave one out."""
    if permit is not None:
        guard.renew_permit(permit, now)
    if has_beat:
        guard.renew_beat(int(now * 1e6), None, now)
    if has_chunk:
        guard.record_playing(now)


def code_of(guard: MotionGuard) -> str:
    return guard.cause.code if guard.cause else ''


@pytest.mark.parametrize(('silent_s', 'verdict', 'latched'), LEASE_TABLE)
@pytest.mark.parametrize('lease', [FaultCode.SUPERVISOR_DEAD, FaultCode.STREAM_DEAD])
def test_lease_slows_past_its_soft_bound_and_latches_past_its_hard_bound(
        lease: str, silent_s: float, verdict: Verdict, latched: str) -> None:
    guard = armed()
    lost_permit = lease == FaultCode.SUPERVISOR_DEAD
    renew(guard, silent_s, None if lost_permit else APPLY, has_beat=lost_permit)
    assert guard.evaluate(silent_s, 0.0) is verdict
    assert code_of(guard) == (lease if latched else '')


@pytest.mark.parametrize('bounds', [
    {'permit_soft_s': 0.03, 'permit_hard_s': 0.1}, {'beat_soft_s': 0.03, 'beat_hard_s': 0.1}])
def test_bounds_are_settings(bounds: dict[str, float]) -> None:
    loses_permit = 'permit_soft_s' in bounds
    for silent_s, verdict in ((0.03, GO), (0.031, SLOW), (0.1, SLOW), (0.101, STOP)):
        guard = armed(**bounds)
        renew(guard, silent_s, None if loses_permit else APPLY, has_beat=loses_permit)
        assert guard.evaluate(silent_s, 0.0) is verdict


def test_longest_gaps_of_this_activation_are_known() -> None:
    guard = armed(now=10.0)
    renew(guard, 10.02)
    renew(guard, 10.09, has_beat=False)
    renew(guard, 10.10)
    guard.renew_beat(int(10.10 * 1e6), None, 10.5)      # no progress, no sign of work
    assert guard.longest_permit_gap_s == pytest.approx(0.07)
    assert guard.longest_beat_gap_s == pytest.approx(0.08)
    guard.disarm()
    renew(guard, 20.0)
    assert guard.longest_permit_gap_s < 0.1, 'what is not armed counts'
    assert guard.begin(20.0) == ''
    guard.arm(20.0)
    assert guard.longest_permit_gap_s == guard.longest_beat_gap_s == 0.0


@pytest.mark.parametrize('missing', ['permit', 'beat'])
def test_soft_loss_ends_with_the_next_renewal(missing: str) -> None:
    guard = armed()
    renew(guard, 0.15, None if missing == 'permit' else APPLY, has_beat=missing != 'beat')
    assert guard.evaluate(0.15, 0.0) is SLOW
    renew(guard, 0.16)
    assert guard.evaluate(0.16, 0.0) is GO


@pytest.mark.parametrize('lost', ['permit', 'beat'])
def test_hard_loss_stays_latched_when_the_lease_comes_back(lost: str) -> None:
    guard = armed()
    renew(guard, 0.3, None if lost == 'permit' else APPLY, has_beat=lost != 'beat')
    assert guard.evaluate(0.3, 0.0) is STOP
    cause = guard.cause
    for step in range(31, 60):
        renew(guard, step * 0.01)
        assert guard.evaluate(step * 0.01, 0.0) is STOP
    assert guard.cause is cause is not None


def test_beat_without_progress_does_not_renew() -> None:
    guard = armed()
    verdicts = {}
    for step in range(1, 31):
        now = step * 0.01
        renew(guard, now, has_beat=False)
        guard.renew_beat(5, None, now)
        verdicts[step] = guard.evaluate(now, 0.0)
    # The first beat of the 30 is news; the lease runs from there.
    assert (verdicts[6], verdicts[8], verdicts[20], verdicts[22]) == (GO, SLOW, SLOW, STOP)
    assert code_of(guard) == FaultCode.STREAM_DEAD


def test_beat_of_a_stream_that_began_anew_renews() -> None:
    guard = armed()
    guard.renew_beat(5000, None, 0.05)
    guard.renew_beat(1, None, 0.1)
    guard.renew_permit(APPLY, 0.15)
    assert guard.evaluate(0.15, 0.0) is GO


@pytest.mark.parametrize(('late_s', 'verdict', 'code'), [
    (0.0, GO, ''), (0.06, GO, ''), (0.061, SLOW, ''), (0.2, SLOW, ''), (0.201, STOP,
                                                                        FaultCode.DRV_STALL),
    (30.0, STOP, FaultCode.DRV_STALL)])
def test_own_lateness_slows_and_then_latches(late_s: float, verdict: Verdict, code: str) -> None:
    guard = armed()
    renew(guard, 10.0)
    assert guard.evaluate(10.0, late_s) is verdict
    assert code_of(guard) == code


def test_own_lateness_is_not_blamed_on_others() -> None:
    guard = armed()
    renew(guard, 1.0)
    assert guard.evaluate(1.01, 0.0) is GO
    # Held up for 190 ms, so nothing could be received for 210 ms.
    assert guard.evaluate(1.21, 0.19) is SLOW
    assert guard.cause is None
    renew(guard, 1.215)
    assert guard.evaluate(1.22, 0.0) is GO


@pytest.mark.parametrize('lost', ['permit', 'beat'])
@pytest.mark.parametrize('received_late', [False, True])
def test_loss_is_found_within_the_hard_bound_after_own_lateness(
        lost: str, received_late: bool) -> None:
    guard = armed()
    renew(guard, 1.0)
    if received_late:
        # Another thread receives: this came while the late cycle was waited for.
        renew(guard, 1.19)
    guard.evaluate(1.2, 0.19)
    assert guard.cause is None
    for step in range(1, 22):
        now = 1.2 + step * 0.01
        renew(guard, now, None if lost == 'permit' else APPLY, has_beat=lost != 'beat')
        guard.evaluate(now, 0.0)
    assert code_of(guard) is (
        FaultCode.SUPERVISOR_DEAD if lost == 'permit' else FaultCode.STREAM_DEAD)


def test_loss_is_found_even_when_every_cycle_is_late_and_nothing_goes_meanwhile() -> None:
    guard = armed()
    for step in range(1, 40):
        guard.record_playing(step * 0.08)
        assert guard.evaluate(step * 0.08, 0.07) is not GO
    assert code_of(guard) == FaultCode.SUPERVISOR_DEAD


@pytest.mark.parametrize('epoch', [6, 8, 0])
def test_permit_of_another_epoch_latches(epoch: int) -> None:
    guard = armed()
    renew(guard, 0.02, Permit(epoch, Mode.APPLY_ACTIONS))
    assert guard.evaluate(0.02, 0.0) is STOP
    assert code_of(guard) == FaultCode.SEQ_EPOCH
    renew(guard, 0.03)
    assert guard.evaluate(0.03, 0.0) is STOP
    assert guard.epoch == 7


def test_first_cause_wins() -> None:
    guard = armed()
    guard.fail(OP_STOP)
    guard.fail(NET_CLOSED)
    guard.evaluate(99.0, 99.0)
    assert guard.cause == OP_STOP


def test_only_an_armed_guard_latches() -> None:
    guard = MotionGuard(GuardBounds())
    guard.fail(OP_STOP)
    assert guard.evaluate(0.0, 9.0) is STOP
    assert guard.cause is None
    guard = armed()
    guard.disarm()
    guard.fail(OP_STOP)
    assert guard.evaluate(50.0, 0.0) is STOP
    assert guard.cause is None


def test_next_activation_begins_without_the_old_cause_and_with_its_own_epoch() -> None:
    guard = armed()
    guard.fail(OP_STOP)
    guard.disarm()
    assert guard.cause == OP_STOP, 'the reason must stay readable until the next activation'
    guard.renew_permit(Permit(8, Mode.APPLY_ACTIONS), 1.0)
    assert guard.begin(1.1) == ''
    guard.arm(1.1)
    assert (guard.cause, guard.epoch) == (None, 8)
    renew(guard, 1.2, Permit(8, Mode.APPLY_ACTIONS))
    assert guard.evaluate(1.2, 0.0) is GO


@pytest.mark.parametrize(('played_at', 'now', 'code'), [
    (None, 10.0, ''), (None, 10.01, FaultCode.UNDERRUN), (0.5, 2.5, ''), (0.5, 2.51,
                                                                          FaultCode.UNDERRUN),
    (9.9, 11.9, ''), (9.9, 11.91, FaultCode.UNDERRUN)])
def test_starvation_latches_and_the_first_chunk_may_take_longer(
        played_at: float | None, now: float, code: str) -> None:
    guard = armed()
    if played_at is not None:
        guard.record_playing(played_at)
    renew(guard, now, has_chunk=False)
    assert guard.evaluate(now, 0.0) is (STOP if code else GO)
    assert code_of(guard) == code


def test_first_chunk_of_the_next_activation_may_take_longer_again() -> None:
    guard = armed()
    guard.record_playing(1.0)
    guard.disarm()
    guard.renew_permit(APPLY, 20.0)
    assert guard.begin(20.0) == ''
    guard.arm(20.0)
    renew(guard, 29.0, has_chunk=False)
    assert guard.evaluate(29.0, 0.0) is GO


def test_hold_permit_stops_without_a_cause_and_needs_no_stream() -> None:
    guard = armed()
    for step in range(1, 2000):
        guard.renew_permit(Permit(7, Mode.HOLD), step * 0.01)
        assert guard.evaluate(step * 0.01, 0.0) is STOP
    assert guard.cause is None
    assert guard.mode is Mode.HOLD


def test_parking_needs_the_permit_and_no_stream() -> None:
    park = Permit(7, Mode.PARK)
    guard = armed(park)
    for step in range(1, 2000):
        guard.renew_permit(park, step * 0.01)
        guard.renew_beat(1, NET_CLOSED, step * 0.01)
        assert guard.evaluate(step * 0.01, 0.0) is GO
    assert guard.evaluate(20.3, 0.0) is STOP
    assert code_of(guard) == FaultCode.SUPERVISOR_DEAD


@pytest.mark.parametrize(('mode', 'code'), [
    (Mode.APPLY_ACTIONS, FaultCode.NET_CLOSED), (Mode.PARK, ''), (Mode.HOLD, '')])
def test_fault_that_the_stream_reports_latches_while_actions_are_applied(
        mode: Mode, code: str) -> None:
    guard = armed()
    guard.renew_permit(Permit(7, mode), 0.0)
    guard.renew_beat(1, NET_CLOSED, 0.01)
    assert code_of(guard) == code


@pytest.mark.parametrize(('permit', 'age', 'fragment'), [
    (None, 0.0, 'no permit'), (APPLY, 0.201, 'no permit'), (Permit(7), 0.0, 'permits no motion'),
    (APPLY, 0.2, ''), (Permit(7, Mode.PARK), 0.1, '')])
def test_arming_is_refused_without_a_fresh_permit_to_move(
        permit: Permit | None, age: float, fragment: str) -> None:
    guard = MotionGuard(GuardBounds())
    if permit is not None:
        guard.renew_permit(permit, 0.0)
    refusal = guard.refusal_reason(age)
    assert guard.begin(age) == refusal
    assert (fragment in refusal) if fragment else refusal == ''
    assert not refusal or '`reflex ' in refusal, 'it names no next step'


def test_nothing_is_permitted_before_the_first_permit() -> None:
    guard = MotionGuard(GuardBounds())
    assert (guard.mode, guard.speed_scale) == (Mode.HOLD, 0.0)
    guard.renew_permit(Permit(7, Mode.APPLY_ACTIONS, 0.5), 0.0)
    assert (guard.mode, guard.speed_scale) == (Mode.APPLY_ACTIONS, 0.5)


def test_fault_that_arrives_before_the_arm_is_under_torque_is_latched() -> None:
    guard = MotionGuard(GuardBounds())
    guard.renew_permit(APPLY, 0.0)
    assert guard.begin(0.0) == ''
    guard.fail(OP_STOP)
    guard.fail(NET_CLOSED)
    assert guard.evaluate(0.01, 0.0) is STOP and guard.cause is None
    guard.arm(0.02)
    assert guard.cause == OP_STOP
    assert guard.evaluate(0.03, 0.0) is STOP


def test_fault_during_an_arming_that_failed_is_not_latched_later() -> None:
    guard = armed()
    guard.fail(NET_CLOSED)
    assert guard.begin(0.01) == ''
    guard.fail(OP_STOP)
    guard.disarm()
    assert guard.cause == NET_CLOSED, 'the reason of the last activation must stay readable'
    assert guard.begin(0.02) == ''
    guard.arm(0.03)
    assert guard.cause is None


class Gate(Permit):
    """A permit whose epoch lets another thread call the guard before it is read."""

    def __init__(self, permit: Permit) -> None:
        super().__init__(permit.epoch, permit.mode, permit.speed_scale)
        object.__setattr__(self, 'thread', None)

    def __getattribute__(self, name: str) -> Any:
        thread = super().__getattribute__('__dict__').get('thread')
        if name == 'epoch' and thread is not None:
            # Once. The guard is inside its method now; the other thread gets the time to call
            # it. A guard with a lock makes the other thread wait, so this wait runs out.
            object.__setattr__(self, 'thread', None)
            thread.start()
            thread.join(0.05)
        return super().__getattribute__(name)


def test_stop_of_another_thread_in_the_middle_of_arming_is_not_lost() -> None:
    guard, permit = MotionGuard(GuardBounds()), Gate(APPLY)
    stop = threading.Thread(target=guard.fail, args=(OP_STOP,))
    guard.renew_permit(permit, 0.0)
    assert guard.begin(0.0) == ''
    object.__setattr__(permit, 'thread', stop)
    guard.arm(0.0)
    stop.join(5.0)
    assert guard.cause == OP_STOP
    assert guard.evaluate(0.01, 0.0) is STOP


def test_permit_of_another_thread_in_the_middle_of_a_cycle_is_not_mixed_with_the_old() -> None:
    guard, permit = armed(), Gate(APPLY)
    hold = threading.Thread(target=guard.renew_permit, args=(Permit(8, Mode.HOLD), 0.01))
    guard.renew_permit(permit, 0.01)
    object.__setattr__(permit, 'thread', hold)
    # The cycle runs with the permit that was there when it began; the next one sees the new epoch.
    assert guard.evaluate(0.01, 0.0) is GO
    hold.join(5.0)
    assert (guard.mode, guard.cause) == (Mode.HOLD, None)
    assert guard.evaluate(0.02, 0.0) is STOP
    assert code_of(guard) is FaultCode.SEQ_EPOCH


EVENTS = st.lists(st.tuples(
    st.floats(0.0, 0.3), st.sampled_from(['permit', 'hold', 'epoch', 'beat', 'same', 'play',
                                          'fail', 'tick', 'late']), st.floats(0.0, 0.3)),
    min_size=1, max_size=40)


@examples(100)
@given(EVENTS)
def test_go_needs_fresh_leases_and_a_cause_never_goes_away(
        events: list[tuple[float, str, float]]) -> None:
    guard, now = armed(), 0.0
    permit_at = beat_at = 0.0
    permit, progress = APPLY, 0
    first: Cause | None = None
    for wait_s, kind, late_s in events:
        now += wait_s
        if kind in ('permit', 'hold', 'epoch'):
            permit = {'permit': APPLY, 'hold': Permit(7), 'epoch': Permit(8, APPLY.mode)}[kind]
            permit_at = now
            guard.renew_permit(permit, now)
        elif kind in ('beat', 'same'):
            if kind == 'beat' or progress == 0:
                progress, beat_at = progress + 1, now
            guard.renew_beat(progress, None, now)
        elif kind == 'play':
            guard.record_playing(now)
        elif kind == 'fail':
            guard.fail(OP_STOP)
        verdict = guard.evaluate(now, late_s if kind == 'late' else 0.0)
        if verdict is GO:
            assert guard.cause is None and permit == APPLY
            # 0.3: what own lateness, which is at most that here, may have forgiven.
            late_total = sum(late for _, name, late in events if name == 'late')
            assert now - permit_at <= 0.06 + late_total + 1e-9
            assert now - beat_at <= 0.06 + late_total + 1e-9
        if guard.cause is not None:
            assert verdict is STOP
        assert first is None or guard.cause is first
        first = guard.cause


@pytest.mark.parametrize(('late_s', 'is_stalled'), ((0.0, False), (0.2, False), (0.201, True),
                                                   (9.0, True)))
def test_driver_that_was_held_up_latches_and_may_play_nothing_old(late_s: float,
                                                                  is_stalled: bool) -> None:
    guard = armed()
    assert guard.check_stall(late_s) is is_stalled
    assert code_of(guard) == (FaultCode.DRV_STALL if is_stalled else '')


def test_stall_is_seen_although_another_cause_is_latched() -> None:
    guard = armed()
    guard.fail(OP_STOP)
    assert guard.check_stall(0.5) and guard.cause == OP_STOP


@pytest.mark.parametrize('permit', [None, Permit(8, Mode.HOLD), APPLY])
def test_parking_alone_needs_no_permit_and_ends_with_every_fault(permit: Permit | None) -> None:
    guard = MotionGuard(GuardBounds())
    guard.begin_alone()
    guard.arm(0.0)
    renew(guard, 5.0, permit, has_beat=False, has_chunk=False)
    assert (guard.mode, guard.speed_scale) == (Mode.PARK, 1.0)
    assert guard.evaluate(9.0, 0.0) is GO
    guard.fail(OP_STOP)
    assert guard.evaluate(9.01, 0.0) is STOP and guard.cause == OP_STOP
    guard.disarm()
    assert guard.mode is (permit.mode if permit else Mode.HOLD)


def test_stall_ends_parking_alone_too() -> None:
    guard = MotionGuard(GuardBounds())
    guard.begin_alone()
    guard.arm(0.0)
    assert guard.check_stall(0.3) and guard.evaluate(0.3, 0.0) is STOP


@pytest.mark.parametrize(('listened_at', 'code'), [
    (None, 'lease'), (0.29, 'lease'), (0.2, 'lease'), (0.1, FaultCode.DRV_STALL)])
@pytest.mark.parametrize('lease', [FaultCode.SUPERVISOR_DEAD, FaultCode.STREAM_DEAD])
def test_lease_that_nobody_read_is_not_blamed_on_its_sender(
        lease: FaultCode, listened_at: float | None, code: object) -> None:
    guard = armed()
    if listened_at is not None:
        guard.record_listening(listened_at)
    lost_permit = lease is FaultCode.SUPERVISOR_DEAD
    renew(guard, 0.05, None if lost_permit else APPLY, has_beat=lost_permit)
    # The arm stops after the same time.
    assert guard.evaluate(0.19, 0.0) in (SLOW, GO)
    renew(guard, 0.29, None if lost_permit else APPLY, has_beat=lost_permit)
    assert guard.evaluate(0.3, 0.0) is STOP
    assert code_of(guard) == (lease if code == 'lease' else code)


def test_stops_of_a_person_are_counted_in_every_phase() -> None:
    guard = MotionGuard(GuardBounds())
    guard.fail(OP_STOP)
    guard.renew_permit(APPLY, 0.0)
    guard.begin(0.0)
    guard.fail(OP_STOP)
    guard.arm(0.0)
    guard.fail(NET_CLOSED)
    guard.fail(OP_STOP)
    guard.disarm()
    guard.fail(OP_STOP)
    assert guard.person_stops == 4


@pytest.mark.parametrize(('permit', 'is_refused'), [
    (APPLY, True), (Permit(7, Mode.PARK), True), (Permit(8, Mode.APPLY_ACTIONS), False)])
def test_barred_permission_is_refused_and_a_later_one_is_not(permit: Permit,
                                                             is_refused: bool) -> None:
    guard = MotionGuard(GuardBounds())
    guard.renew_permit(APPLY, 0.0)
    guard.bar('the machine slept')
    guard.renew_permit(permit, 0.1)
    assert guard.begin(0.1) == ('the machine slept' if is_refused else '')


def test_bar_is_for_what_is_permitted_and_has_not_begun() -> None:
    waiting, moving = MotionGuard(GuardBounds()), armed()
    waiting.renew_permit(Permit(7, Mode.HOLD), 0.0)
    for guard in (waiting, moving):
        guard.bar('the machine slept')
        guard.disarm()
        guard.renew_permit(APPLY, 0.1)
        assert guard.begin(0.1) == ''
