# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Requests during a call count as one, and the last one is never lost."""

import threading

from reflex_ros.runner.call_thread import CallThread


def test_requests_during_a_call_are_one_more_call():
    calls, entered, may_leave = [], threading.Semaphore(0), threading.Semaphore(0)

    def function():
        calls.append(threading.current_thread())
        entered.release()
        assert may_leave.acquire(timeout=10.0)

    thread = CallThread('calls', function)
    thread.request()
    assert entered.acquire(timeout=10.0)
    for _ in range(5):
        thread.request()
    may_leave.release()
    assert entered.acquire(timeout=10.0)
    may_leave.release()
    thread.end()
    assert len(calls) == 2 and calls[0] is not threading.current_thread()
    assert not calls[0].is_alive()
    thread.request()
    assert len(calls) == 2
