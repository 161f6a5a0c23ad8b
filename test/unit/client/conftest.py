# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that call a backend through the client, with one key and short retry windows."""

import shutil
import subprocess

import pytest

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret

KEY = 'rfx_canary_7c1d9e'


@pytest.fixture
def ask_at(run):
    """Return a function that calls a backend; the question is a function of the client."""
    def put(url, question, *, window_s=2.0):
        async def main():
            async with AsyncReflex(Secret(KEY), convex_url=url, window_s=window_s) as client:
                return await question(client)

        return run(main())

    return put


@pytest.fixture
def ask_service(ask_at, service):
    """Return a function that calls a function of the client at the simulated service."""
    return lambda function, *args, **options: ask_at(
        service.url, lambda client: function(client, *args, **options))


@pytest.fixture
def certificate(tmp_path):
    """Make a self-signed certificate for 127.0.0.1."""
    openssl = shutil.which('openssl') or pytest.skip('openssl is not installed')
    subprocess.run(
        [openssl, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
         '-days', '2', '-subj', '/CN=localhost', '-addext',
         'subjectAltName=IP:127.0.0.1,DNS:reflex.test',
         '-keyout', tmp_path / 'key.pem', '-out', tmp_path / 'cert.pem'],
        check=True, capture_output=True, timeout=20)
    return tmp_path
