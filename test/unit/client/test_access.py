# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A key goes to the address that it is for: which key, from where, and what is refused."""

import json
import os

import pytest

from reflex_ros.client import access, credentials, endpoints, user_folders
from reflex_ros.client.credentials import Login, Secret
from reflex_ros.errors import AuthenticationError, ConfigurationError

REAL, SIM = 'https://api.tryreflex.ai', 'http://127.0.0.1:8900'


@pytest.fixture
def environment(tmp_path):
    """Have a saved login at the real service, which is the default, and one at a simulation."""
    file = tmp_path / 'reflex' / 'credentials.json'
    credentials.save(file, Login(Secret('rfx_real'), REAL))
    credentials.save(file, Login(Secret('rfx_sim'), SIM, SIM), is_default=False)
    return {'REFLEX_CONFIG_FILE': str(file)}


def test_each_address_has_the_key_of_its_login(environment):
    home = access.resolve(environment)
    assert (home.rpc_url, home.key.reveal(), home.saved_site) == (REAL, 'rfx_real', None)
    other = access.resolve(environment, convex_url=SIM)
    assert (other.rpc_url, other.key.reveal(), other.saved_site) == (SIM, 'rfx_sim', SIM)
    by_variable = access.resolve({**environment, 'REFLEX_CONVEX_URL': SIM + '/'})
    assert by_variable.key.reveal() == 'rfx_sim'


def test_saved_key_is_never_for_another_address(environment):
    with pytest.raises(AuthenticationError) as caught:
        access.resolve({**environment, 'REFLEX_CONVEX_URL': 'http://127.0.0.1:1'})
    text = str(caught.value)
    assert text.startswith(credentials.KEY_MISSING)
    assert f'{REAL} and {SIM}' in text and 'http://127.0.0.1:1 (REFLEX_CONVEX_URL)' in text
    assert 'rfx_' not in text


def test_key_that_a_person_gives_goes_where_the_person_says(environment):
    found = access.resolve({**environment, 'REFLEX_API_KEY': 'rfx_env'}, convex_url=SIM)
    assert (found.key.reveal(), found.key.source) == ('rfx_env', 'REFLEX_API_KEY')
    assert found.key_for('wss://elsewhere.example/v1/actions') is found.key


@pytest.mark.parametrize('variable, is_sent', [
    ('wss://eu.tryreflex.ai/v1/actions', True), ('wss://api.tryreflex.ai/x', True),
    ('wss://tryreflex.ai.evil.example/v1', False), ('ws://127.0.0.1:1', False),
    ('wss://a.convex.cloud/v1', False)])
def test_saved_key_is_sent_to_hosts_of_its_domain_only(environment, variable, is_sent):
    found = access.resolve(environment)
    url = endpoints.actions_url(None, {'REFLEX_ACTIONS_URL': variable}, found.rpc_url)
    if is_sent:
        assert found.only_key(url).reveal() == 'rfx_real'
    else:
        with pytest.raises(AuthenticationError, match=r'is not sent to .* \(REFLEX_ACTIONS_URL\)'):
            found.key_for(url)


def test_other_address_of_a_saved_login_has_its_own_key(environment):
    url = endpoints.actions_url(SIM, {}, REAL)
    found = access.resolve(environment)
    assert found.key_for(url).reveal() == 'rfx_sim'
    with pytest.raises(AuthenticationError, match='have logins of their own'):
        found.only_key(url)


def test_default_login_moves_aside_and_keeps_its_key(environment):
    file = credentials.path(environment)
    credentials.save(file, Login(Secret('rfx_sim2'), SIM), is_default=True)
    assert json.loads(file.read_text()) == {'apiKey': 'rfx_sim2', 'convexUrl': SIM}
    assert credentials.load(file).at(REAL).api_key.reveal() == 'rfx_real'
    assert credentials.others_path(file).stat().st_mode & 0o777 == 0o600


def test_login_of_the_other_client_destroys_no_other_login(environment):
    # The vendor's client writes its three fields, and knows of no other file.
    credentials.path(environment).write_text('{"apiKey": "rfx_new", "convexUrl": "https://own"}')
    saved = credentials.load(credentials.path(environment))
    assert saved.at('https://own').api_key.reveal() == 'rfx_new'
    assert saved.at(SIM).api_key.reveal() == 'rfx_sim'


def test_one_login_is_forgotten_or_all(environment):
    file = credentials.path(environment)
    assert credentials.forget(file, SIM) == [SIM]
    assert credentials.load(file).at(REAL) is not None
    credentials.save(file, Login(Secret('rfx_sim'), SIM), is_default=False)
    assert credentials.forget(file, REAL) == [REAL]
    assert not file.exists() and credentials.load(file).at(SIM) is not None
    assert credentials.forget(file, None) == [SIM]
    assert not os.listdir(file.parent)


# ---- keys that cannot be right, and files that are in the way


@pytest.mark.parametrize('value, text', [
    ('"rfx_x"', 'has quotes'), ("'rfx_x'", 'has quotes'), ('REFLEX_API_KEY=rfx_x', 'NAME=value'),
    ('rfx x', 'spaces')])
def test_key_with_something_around_it_is_refused_before_it_is_sent(value, text):
    with pytest.raises(AuthenticationError, match=text) as caught:
        access.resolve({'REFLEX_API_KEY': value, 'REFLEX_CONFIG_FILE': '/nowhere/c.json'})
    assert 'REFLEX_API_KEY' in str(caught.value) and 'rfx' not in str(caught.value)


def test_given_key_works_where_the_file_is_unusable(tmp_path):
    file = tmp_path / 'credentials.json'
    file.write_text('{}')
    link = tmp_path / 'link.json'
    link.symlink_to(file)
    environment = {'REFLEX_CONFIG_FILE': str(link)}
    with pytest.raises(ConfigurationError, match='not a link. Name the file itself in '
                       f'REFLEX_CONFIG_FILE .{file}., or set REFLEX_API_KEY'):
        access.resolve(environment)
    assert access.resolve({**environment, 'REFLEX_API_KEY': 'rfx_x'}).key.reveal() == 'rfx_x'


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """Be a user without HOME and without an entry in the list of users."""
    monkeypatch.delenv('HOME')
    monkeypatch.setattr('pwd.getpwuid', lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_unknown_home_is_told_with_the_variables_and_makes_no_folder(homeless):
    with pytest.raises(ConfigurationError, match='Set HOME or XDG_CONFIG_HOME'):
        credentials.path({})
    with pytest.raises(ConfigurationError, match='Set HOME or XDG_STATE_HOME'):
        user_folders.base({}, 'XDG_STATE_HOME', '~/.local/state')
    assert not os.listdir(homeless)
    assert access.resolve({'REFLEX_API_KEY': 'rfx_x'}).rpc_url == REAL


def test_relative_xdg_folder_is_ignored(monkeypatch):
    monkeypatch.setenv('HOME', '/home/ada')
    assert str(credentials.path({'XDG_CONFIG_HOME': 'relative'})) == (
        '/home/ada/.config/reflex/credentials.json')
