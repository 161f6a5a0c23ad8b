# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The client for scripts, with the simulated service."""

import asyncio
import threading

import pytest

from reflex_ros.client import AsyncReflex, deployments, Reflex, sessions
from reflex_ros.errors import AuthenticationError, ServiceRefused

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def settings(service, monkeypatch, no_settings):
    """Set key and URL in the environment."""
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    monkeypatch.setenv('REFLEX_CONVEX_URL', service.url)
    return service


def test_functions_are_called_with_their_arguments(settings):
    with Reflex() as reflex:
        grant = reflex.call(sessions.authorize, mode='dry_run')
        reflex.call(sessions.promote, grant.session_id, 'apply_actions')
        [session] = reflex.call(sessions.list_all, status='active')
    assert (session.session_id, session.mode) == (grant.session_id, 'apply_actions')


def test_error_is_the_functions_own(settings):
    with Reflex() as reflex, pytest.raises(ServiceRefused, match='session_not_found') as caught:
        reflex.call(sessions.close, 'sess_none')
    assert caught.value.reason == 'session_not_found'


def test_missing_key_is_told_at_once():
    with pytest.raises(AuthenticationError, match=r"Run 'reflex login' or set REFLEX_API_KEY\.$"):
        Reflex()


def test_closed_service_is_told_and_holds_nothing(settings):
    before = threading.active_count()
    reflex = Reflex()
    reflex.call(deployments.get, 'deploy_sim')
    reflex.close()
    reflex.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match='^Reflex is closed'):
        reflex.call(deployments.get, 'deploy_sim')
    with Reflex():
        pass
    assert threading.active_count() == before


def test_inside_asyncio_the_other_client_is_named(settings, run):
    async def main():
        with pytest.raises(RuntimeError, match='use AsyncReflex there'):
            reflex.call(deployments.get, 'deploy_sim')
        async with AsyncReflex() as service:
            return await deployments.get(service, 'deploy_sim')

    with Reflex() as reflex:
        assert run(main()).status == 'ready'


def test_calls_of_several_threads_do_not_wait_for_each_other(settings):
    barrier = threading.Barrier(3, timeout=5.0)

    async def meet(service):
        await asyncio.get_running_loop().run_in_executor(None, barrier.wait)

    with Reflex() as reflex:
        threads = [threading.Thread(target=reflex.call, args=(meet,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10.0)
        assert not barrier.broken
