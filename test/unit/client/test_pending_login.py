# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The saved login request: its content, its expiry, and damaged files."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import pending_login
from reflex_ros.client.pending_login import PendingLogin
from reflex_ros.errors import ConfigurationError

PENDING = PendingLogin('login_1', 2000.0, 'https://c', 'https://s')


def test_what_is_saved_is_loaded(tmp_path):
    file = pending_login.path(tmp_path / 'config' / 'credentials.json')
    assert file == tmp_path / 'config' / 'credentials.pending.json'
    pending_login.save(file, PENDING)
    assert pending_login.load(file) == PENDING
    assert file.stat().st_mode & 0o777 == 0o600
    assert pending_login.drop(file) is True
    assert pending_login.load(file) is None


@pytest.mark.parametrize('convex, site, now_ms, may', [
    ('https://c', 'https://s', 1999.0, True), ('https://c', 'https://s', 2000.0, False),
    ('https://x', 'https://s', 0.0, False), ('https://c', 'https://x', 0.0, False)])
def test_request_counts_for_its_backend_until_it_expires(convex, site, now_ms, may):
    assert PENDING.may_be_resumed(convex, site, now_ms) is may


def test_request_without_an_expiry_goes_on():
    assert PendingLogin('r', None, 'c', 's').may_be_resumed('c', 's', 1e13)


def test_file_that_others_can_read_is_refused(tmp_path):
    file = tmp_path / 'x.pending.json'
    file.write_text('{}')
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match='can be read by others'):
        pending_login.load(file)


@given(st.binary(max_size=100) | st.dictionaries(
    st.sampled_from(['requestId', 'expiresAt', 'convexUrl', 'siteUrl', 'x']),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]),
).map(lambda value: json.dumps(value).encode()))
def test_any_file_content_is_a_request_or_ignored(tmp_path_factory, content):
    file = Path(tmp_path_factory.getbasetemp()) / 'fuzzed.pending.json'
    file.write_bytes(content)
    file.chmod(0o600)
    found = pending_login.load(file)
    if found is not None:
        assert found.request_id.isprintable() and found.request_id
        assert isinstance(found.may_be_resumed('c', 's', 0.0), bool)
