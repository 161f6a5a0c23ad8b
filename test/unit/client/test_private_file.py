# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Private files: written completely or not at all, and refused if others could read them."""

import json
import os
import stat

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import credentials, private_file
from reflex_ros.client.credentials import Credentials, Secret
from reflex_ros.errors import AuthenticationError, ConfigurationError

KEY = 'rfx_canary_0f3a'
SAVED = Credentials(Secret(KEY), 'https://c', 'https://s')


@pytest.fixture
def file(tmp_path):
    """Return the path of a file in directories that do not exist yet."""
    return tmp_path / 'config' / 'reflex' / 'credentials.json'


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_saved_is_loaded_and_laid_out_as_documented(file):
    credentials.save(file, SAVED)
    assert credentials.load(file) == SAVED
    assert file.read_text() == (
        '{\n  "apiKey": "rfx_canary_0f3a",\n  "convexUrl": "https://c",\n'
        '  "siteUrl": "https://s"\n}\n')


@pytest.mark.parametrize('mask', [0o022, 0o000, 0o077])
def test_file_and_new_directories_are_for_the_owner_alone_whatever_the_umask(file, mask):
    before = os.umask(mask)
    try:
        credentials.save(file, SAVED)
    finally:
        os.umask(before)
    assert (mode(file), mode(file.parent), mode(file.parent.parent)) == (0o600, 0o700, 0o700)


def test_existing_directory_stays_as_it_is(file):
    file.parent.mkdir(parents=True)
    file.parent.chmod(0o755)
    credentials.save(file, SAVED)
    assert mode(file.parent) == 0o755


def test_saving_again_replaces_and_leaves_nothing_beside_it(file):
    old = Credentials(Secret('rfx_old'), SAVED.convex_url)
    credentials.save(file, old)
    for _ in range(2):
        credentials.save(file, SAVED)
    found = credentials.load(file)
    assert found.at(SAVED.address).api_key == SAVED.api_key
    assert found.replaced_at(SAVED.address).api_key == old.api_key
    assert sorted(file.parent.iterdir()) == [file, credentials.others_path(file)]


def test_file_and_its_name_are_on_the_disk_before_it_counts_as_saved(file, monkeypatch):
    done = []

    def note(name, act):
        def call(*args):
            is_directory = name == 'fsync' and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            done.append(f'{name} directory' if is_directory else name)
            return act(*args)

        monkeypatch.setattr(os, name, call)

    note('fsync', os.fsync)
    note('replace', os.replace)
    credentials.save(file, SAVED)
    assert done == ['fsync', 'replace', 'fsync directory']


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_failing_disk_leaves_the_old_file_and_nothing_half_written(file, monkeypatch, step):
    credentials.save(file, Credentials(Secret('rfx_old')))

    def fail(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ConfigurationError, match='Failed to write .*: No space left on device'):
        credentials.save(file, SAVED)
    assert credentials.load(file).api_key.reveal() == 'rfx_old'
    assert list(file.parent.iterdir()) == [file]


def test_interruption_leaves_nothing_half_written(file, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'fsync', interrupt)
    with pytest.raises(KeyboardInterrupt):
        credentials.save(file, SAVED)
    assert list(file.parent.iterdir()) == []


def plant_link(file):
    file.symlink_to(file.parent / 'elsewhere')


def plant_open_file(file):
    file.write_text('{}')
    file.chmod(0o644)


def open_directory(file):
    file.parent.chmod(0o777)


def shut_directory(file):
    file.parent.chmod(0o500)


@pytest.mark.parametrize('plant, text', [
    (plant_link, 'are a link'), (plant_open_file, 'can be read by others. Run chmod 600'),
    (open_directory, 'others can write there. Run chmod go-w'),
    (lambda file: file.mkdir(), 'not a regular file'),
    pytest.param(shut_directory, 'you cannot write there', marks=pytest.mark.skipif(
        os.getuid() == 0, reason='root may write anywhere'))])
def test_unsafe_place_is_refused_and_left_alone(file, plant, text):
    file.parent.mkdir(parents=True)
    file.parent.chmod(0o700)
    plant(file)
    before = sorted(file.parent.iterdir())
    with pytest.raises(ConfigurationError, match=text):
        private_file.prepare(file, 'Reflex credentials')
    with pytest.raises(ConfigurationError, match=text):
        credentials.save(file, SAVED)
    assert sorted(file.parent.iterdir()) == before
    assert not (file.parent / 'elsewhere').exists()


@pytest.mark.parametrize('is_file_there', [True, False])
def test_place_of_somebody_else_is_refused(file, monkeypatch, is_file_there):
    credentials.save(file, SAVED)
    owner = os.getuid()
    monkeypatch.setattr(os, 'getuid', lambda: owner + 1)
    if is_file_there:
        with pytest.raises(ConfigurationError, match='belong to user'):
            private_file.read(file, 'Reflex credentials')
    with pytest.raises(ConfigurationError, match=f'belongs to user {owner}, not to you'):
        private_file.write(file, {}, 'Reflex credentials')


def test_file_where_a_directory_should_be_is_one_clear_error(file):
    file.parent.parent.mkdir(parents=True)
    file.parent.write_text('')
    with pytest.raises(ConfigurationError, match='reflex: it is not a directory'):
        private_file.prepare(file, 'Reflex credentials')


@pytest.mark.parametrize('key', ['', 'rfx x', 'rfx_\n\x1b', 'rfx_ü'])
def test_key_that_no_header_can_carry_is_not_saved(file, key):
    with pytest.raises(AuthenticationError):
        credentials.save(file, Credentials(Secret(key)))
    assert not file.exists()


def test_removal_tells_whether_there_was_one_and_takes_only_the_link(file):
    credentials.save(file, SAVED)
    link = file.with_name('link.json')
    link.symlink_to(file)
    assert private_file.remove(link, 'x') is True
    assert file.exists()
    assert private_file.remove(file, 'x') is True
    assert private_file.remove(file, 'x') is False
    with pytest.raises(ConfigurationError, match='Failed to delete x at'):
        private_file.remove(file.parent, 'x')


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner)
    | st.dictionaries(st.sampled_from(['apiKey', 'convexUrl', 'siteUrl']) | st.text(), inner),
    max_leaves=10).map(lambda value: json.dumps(value).encode()))
def test_whatever_the_file_holds_it_is_credentials_or_our_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / 'fuzzed.json'
    file.write_bytes(content)
    file.chmod(0o600)
    try:
        found = credentials.load(file)
    except ConfigurationError:
        return
    assert isinstance(found, Credentials)
