# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Order of the sources of the key, refused files, and that no text shows the key."""

import dataclasses
import json
import logging
import os
from pathlib import Path
import traceback

import pytest

from reflex_ros.client import credentials, private_file
from reflex_ros.client.credentials import Credentials, Secret
from reflex_ros.errors import AuthenticationError, ConfigurationError

KEY = 'rfx_canary_0f3a'


@pytest.fixture
def write(tmp_path):
    """Write a credentials file with mode 0600."""
    def make(content, mode=0o600):
        file = tmp_path / 'credentials.json'
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        file.chmod(mode)
        return file

    return make


@pytest.mark.parametrize('environment, expected', [
    ({'REFLEX_CONFIG_FILE': '/f', 'REFLEX_CONFIG_DIR': '/d', 'XDG_CONFIG_HOME': '/x'}, '/f'),
    ({'REFLEX_CONFIG_DIR': '/d', 'XDG_CONFIG_HOME': '/x'}, '/d/credentials.json'),
    ({'XDG_CONFIG_HOME': '/x'}, '/x/reflex/credentials.json'),
    ({}, '/home/me/.config/reflex/credentials.json'),
    ({'REFLEX_CONFIG_FILE': '', 'REFLEX_CONFIG_DIR': '', 'XDG_CONFIG_HOME': ''},
     '/home/me/.config/reflex/credentials.json'),
    ({'REFLEX_CONFIG_FILE': '~/k.json'}, '/home/me/k.json'),
    ({'REFLEX_CONFIG_DIR': '~/d'}, '/home/me/d/credentials.json'),
    ({'XDG_CONFIG_HOME': '~/x'}, '/home/me/x/reflex/credentials.json'),
    # Nobody's home stays as it is written, and is then not found.
    ({'REFLEX_CONFIG_FILE': '~nobody_such/k'}, '~nobody_such/k'),
])
def test_credentials_file_is_found_as_documented(monkeypatch, environment, expected):
    monkeypatch.setenv('HOME', '/home/me')
    assert credentials.path(environment) == Path(expected)


def test_file_is_read(write):
    found = credentials.load(write({
        'apiKey': KEY, 'convexUrl': 'https://c', 'siteUrl': 'https://s', 'more': 1}))
    assert found.api_key is not None
    assert found.api_key.reveal() == KEY
    assert (found.convex_url, found.site_url) == ('https://c', 'https://s')


@pytest.mark.parametrize('content', [
    {}, {'apiKey': ''}, {'apiKey': None}, {'apiKey': 5}, {'apiKey': [KEY]}, {'convexUrl': 7}])
def test_file_without_a_key_is_no_error(write, content):
    assert credentials.load(write(content)) == Credentials()


def test_missing_file_is_empty(tmp_path):
    assert credentials.load(tmp_path / 'none' / 'credentials.json') == Credentials()


@pytest.mark.parametrize('mode', [0o640, 0o604, 0o660, 0o644, 0o602, 0o601, 0o777])
def test_file_that_others_may_touch_is_refused_with_the_remedy(write, mode):
    file = write({'apiKey': KEY}, mode)
    with pytest.raises(ConfigurationError, match=f'Run chmod 600 {file}$'):
        credentials.load(file)


def test_link_is_refused(write, tmp_path):
    link = tmp_path / 'link.json'
    link.symlink_to(write({'apiKey': KEY}))
    with pytest.raises(ConfigurationError, match='not a link'):
        credentials.load(link)


def test_file_of_somebody_else_is_refused(write, monkeypatch):
    file = write({'apiKey': KEY})
    monkeypatch.setattr(os, 'getuid', lambda: file.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match='belong to user .*log in again'):
        credentials.load(file)


def test_directory_is_refused(tmp_path):
    tmp_path.chmod(0o700)
    before = len(os.listdir('/proc/self/fd'))
    with pytest.raises(ConfigurationError, match='not a regular file'):
        credentials.load(tmp_path)
    assert len(os.listdir('/proc/self/fd')) == before


def test_pipe_is_refused_and_does_not_block(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe, 0o600)
    # With a writer, a blocking open returns, so that a failing test does not hang.
    writer = os.open(pipe, os.O_RDWR)
    try:
        with pytest.raises(ConfigurationError, match='not a regular file'):
            credentials.load(pipe)
    finally:
        os.close(writer)


def test_pipe_without_a_writer_does_not_block(tmp_path, monkeypatch):
    flags = []
    opened = os.open
    monkeypatch.setattr(os, 'open', lambda path, flag: flags.append(flag) or opened(path, flag))
    credentials.load(tmp_path / 'none')
    assert flags[0] & os.O_NONBLOCK and flags[0] & os.O_NOFOLLOW


@pytest.mark.parametrize('size, is_refused', [
    (private_file.MAX_SIZE, False), (private_file.MAX_SIZE + 1, True), (2 ** 20, True)])
def test_large_file_is_refused(write, size, is_refused):
    content = json.dumps({'apiKey': KEY}).encode().ljust(size)
    if is_refused:
        with pytest.raises(ConfigurationError, match='larger than 64 KiB'):
            credentials.load(write(content))
    else:
        assert credentials.load(write(content)).api_key is not None


@pytest.mark.parametrize('content', [
    b'', b'{', b'{"apiKey": rfx_canary_0f3a}', b'\xff\xfe\x00', b'[' * 60000, b'{"a":' * 12000])
def test_file_that_is_no_json_is_refused_without_showing_it(write, content):
    with pytest.raises(ConfigurationError, match='^Failed to read Reflex credentials') as caught:
        credentials.load(write(content))
    assert KEY not in ''.join(traceback.format_exception(caught.value))


@pytest.mark.parametrize('content', [[], 'text', 5, None, [{'apiKey': KEY}]])
def test_file_must_be_an_object(write, content):
    with pytest.raises(ConfigurationError, match='must be a JSON object.$'):
        credentials.load(write(content))


def test_path_through_a_file_is_refused(write):
    with pytest.raises(ConfigurationError, match='Failed to read'):
        credentials.load(write({}) / 'credentials.json')


SAVED = Credentials(Secret('file'))


@pytest.mark.parametrize('explicit, environment, saved, expected', [
    ('arg', {'REFLEX_API_KEY': 'env', 'RFX_API_KEY': 'old'}, SAVED, 'arg'),
    (None, {'REFLEX_API_KEY': 'env', 'RFX_API_KEY': 'old'}, SAVED, 'env'),
    (None, {'RFX_API_KEY': 'old'}, SAVED, 'old'),
    (None, {}, SAVED, 'file'),
    ('', {'REFLEX_API_KEY': ' ', 'RFX_API_KEY': ''}, SAVED, 'file'),
    (' arg\n', {}, SAVED, 'arg'),
    (None, {}, Credentials(Secret(' file\n')), 'file'),
])
def test_key_is_the_first_that_is_not_empty(explicit, environment, saved, expected):
    assert credentials.api_key(explicit, environment, saved).reveal() == expected


@pytest.mark.parametrize('saved', [Credentials(), Credentials(Secret('  '))])
def test_missing_key_says_how_to_get_one(saved):
    with pytest.raises(AuthenticationError) as caught:
        credentials.api_key(None, {}, saved)
    assert str(caught.value) == \
        "API key is required. Run 'reflex login' or set REFLEX_API_KEY."


@pytest.mark.parametrize('key', [
    'rfx_x\r\nHost: evil', 'rfx x', 'rfx_\x00', 'rfx_\udcff', 'rfx_ü', 'rfx_\x7f'])
@pytest.mark.parametrize('slot', ['argument', 'environment', 'file'])
def test_key_that_no_header_can_carry_is_refused_and_not_shown(slot, key):
    slots = {'argument': (key, {}, SAVED), 'environment': (None, {'REFLEX_API_KEY': key}, SAVED),
             'file': (None, {}, Credentials(Secret(key)))}
    with pytest.raises(AuthenticationError, match='API key') as caught:
        credentials.api_key(*slots[slot])
    assert 'rfx' not in str(caught.value)


SECRET = Secret(KEY)


@pytest.mark.parametrize('shown', [
    repr(SECRET), str(SECRET), f'{SECRET}', f'{SECRET!r:>40}', f'{[SECRET]} {({"k": SECRET})}',
    '%s %r' % (SECRET, SECRET), '{0} {0!r}'.format(SECRET),  # noqa: UP031, UP032
    repr(Credentials(SECRET)), repr(dataclasses.replace(Credentials(), api_key=SECRET)),
])
def test_secret_is_masked_however_it_is_written(shown):
    assert KEY not in shown
    assert 'hidden' in shown


def test_secret_is_masked_in_logs_and_tracebacks(caplog):
    def fail(secret):
        raise ValueError(secret)

    with pytest.raises(ValueError) as caught:
        fail(SECRET)
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger('test').debug('key %s %r', SECRET, SECRET, exc_info=caught.value)
    shown = ''.join(stack.format()) + caplog.text
    assert KEY not in shown.replace(f'KEY = {KEY!r}', '')


def test_secret_cannot_become_json():
    with pytest.raises(TypeError):
        json.dumps({'key': SECRET})


def test_secrets_are_compared_by_value():
    assert Secret('a') == Secret('a')
    assert Secret('a') != Secret('b')


def test_secret_is_hidden_in_a_text_that_repeats_it():
    assert SECRET.hide_in(f'bad {KEY}, {KEY}!') == 'bad [hidden], [hidden]!'
    assert SECRET.hide_in('nothing') == 'nothing'
