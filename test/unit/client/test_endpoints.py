# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table a.2 of the protocol reference, row by row, and URLs that must not get the key."""

import pytest

from reflex_ros.client import endpoints
from reflex_ros.errors import ConfigurationError

HTTPS = 'https://api.tryreflex.ai'


@pytest.mark.parametrize('explicit, environment, saved, expected', [
    ('https://arg', {'REFLEX_CONVEX_URL': 'https://a'}, 'https://file', 'https://arg'),
    (None, {'REFLEX_CONVEX_URL': 'https://a', 'CONVEX_URL': 'https://b'}, None, 'https://a'),
    (None, {'CONVEX_URL': 'https://b', 'NEXT_PUBLIC_CONVEX_URL': 'https://c'}, None, 'https://b'),
    (None, {'NEXT_PUBLIC_CONVEX_URL': 'https://c'}, 'https://file', 'https://c'),
    (None, {}, 'https://file', 'https://file'),
    (None, {}, None, HTTPS),
    ('', {'REFLEX_CONVEX_URL': '  '}, '', HTTPS),
    ('  https://arg/  ', {}, None, 'https://arg'),
    ('https://arg:8443/base/', {}, None, 'https://arg:8443/base'),
    ('http://127.0.0.1:3210', {}, None, 'http://127.0.0.1:3210'),
    ('http://localhost:3210', {}, None, 'http://localhost:3210'),
    ('http://[::1]:3210', {}, None, 'http://[::1]:3210'),
])
def test_rpc_url_is_the_first_that_is_not_empty(explicit, environment, saved, expected):
    assert endpoints.rpc_url(explicit, environment, saved) == expected


@pytest.mark.parametrize('explicit, environment, expected', [
    ('wss://arg/x', {'REFLEX_ACTIONS_URL': 'wss://a/x'}, 'wss://arg/x'),
    (None, {'REFLEX_ACTIONS_URL': 'wss://a/x', 'REFLEX_API_URL': 'https://b'}, 'wss://a/x'),
    (None, {'REFLEX_API_URL': 'https://b', 'RFX_API_URL': 'https://c'}, 'wss://b/v1/actions'),
    (None, {'RFX_API_URL': 'https://c'}, 'wss://c/v1/actions'),
    # The URL of the dashboard is not a URL of the API (m 8).
    (None, {'REFLEX_PLATFORM_URL': 'https://app'}, 'wss://api.tryreflex.ai/v1/actions'),
    (None, {}, 'wss://api.tryreflex.ai/v1/actions'),
    ('http://127.0.0.1:80/any/thing?q=1#f', {}, 'ws://127.0.0.1:80/v1/actions'),
    ('https://h:1/anything?token=x', {}, 'wss://h:1/v1/actions'),
    ('wss://h', {}, 'wss://h/v1/actions'),
    ('wss://h/', {}, 'wss://h/v1/actions'),
    ('wss://h/some/path', {}, 'wss://h/some/path'),
    ('wss://h?a=b', {}, 'wss://h?a=b'),
    ('wss://h/?a=b', {}, 'wss://h/?a=b'),
    ('ws://localhost:7/p?a=b', {}, 'ws://localhost:7/p?a=b'),
    (' wss://h/p ', {}, 'wss://h/p'),
])
def test_actions_url_is_completed_as_documented(explicit, environment, expected):
    assert endpoints.actions_url(explicit, environment) == expected


MALFORMED = [
    'nonsense', 'ftp://h', 'https://', 'https:///path', '//h/path', 'https://[::1', 'file:///etc',
    'https://h:99999', 'https://h:port', 'https://h:-1', 'https://a b/', 'https://h\n.evil/',
]


@pytest.mark.parametrize('url', MALFORMED)
@pytest.mark.parametrize('resolve, text', [
    (endpoints.rpc_url, 'Convex URL must start with http:// or https://.'),
    (endpoints.actions_url,
     'Actions URL must start with http://, https://, ws://, or wss://.'),
])
def test_malformed_address_is_a_configuration_error(resolve, text, url):
    with pytest.raises(ConfigurationError, match='^' + text.replace('.', r'\.')):
        resolve(url, {})


@pytest.mark.parametrize('url', ['ws://127.0.0.1', 'wss://h'])
def test_rpc_is_never_a_websocket(url):
    with pytest.raises(ConfigurationError):
        endpoints.rpc_url(url, {})


@pytest.mark.parametrize('host', [
    'api.tryreflex.ai', '10.0.0.1', '192.168.1.5', '0.0.0.0', '[::]', '128.0.0.1', '127.1',
    'localhost.evil.example', '127.0.0.1.evil.example', '[fe80::1]', '2130706433',
    'user@evil.example', '127.0.0.1@evil.example', '127.0.0.1:80@evil.example',
])
@pytest.mark.parametrize('resolve, scheme', [
    (endpoints.rpc_url, 'http'), (endpoints.actions_url, 'http'), (endpoints.actions_url, 'ws'),
])
def test_key_is_sent_unencrypted_to_this_machine_only(resolve, scheme, host):
    with pytest.raises(ConfigurationError):
        resolve(f'{scheme}://{host}', {})


@pytest.mark.parametrize('host, expected', [
    ('localhost', True), ('127.0.0.1', True), ('127.8.9.1', True), ('::1', True),
    ('', False), ('0.0.0.0', False), ('10.0.0.1', False), ('localhost.', False),
    ('example.com', False), ('::ffff:8.8.8.8', False),
])
def test_loopback_is_told_from_the_rest(host, expected):
    assert endpoints.is_loopback(host) is expected


@pytest.mark.parametrize('url', [
    'https://user:hunter2@h', 'http://:hunter2@127.0.0.1', 'https://hunter2@h/p'])
@pytest.mark.parametrize('resolve', [endpoints.rpc_url, endpoints.actions_url])
def test_password_in_an_address_is_refused_and_not_repeated(resolve, url):
    # It would be sent beside the key, and every message that names the address would show it.
    with pytest.raises(ConfigurationError) as caught:
        resolve(url, {})
    assert 'hunter2' not in str(caught.value)


@pytest.mark.parametrize('url', ['ws://h/p?token=hunter2', 'ftp://h/p?token=hunter2'])
def test_token_in_an_address_is_not_repeated(url):
    with pytest.raises(ConfigurationError) as caught:
        endpoints.actions_url(url, {})
    assert 'hunter2' not in str(caught.value)


@pytest.mark.parametrize('explicit, environment, rpc, api, infer', [
    (None, {}, HTTPS, HTTPS, HTTPS),
    (None, {}, 'http://127.0.0.1:7', 'http://127.0.0.1:7', 'http://127.0.0.1:7'),
    (None, {}, 'https://a-b-1.convex.cloud', HTTPS, 'https://a-b-1.convex.site'),
    (None, {'REFLEX_API_URL': 'https://a', 'REFLEX_INFER_URL': 'https://i'}, HTTPS,
     'https://a', 'https://i'),
    (None, {'RFX_API_URL': 'https://b', 'REFLEX_PLATFORM_URL': 'https://app'}, HTTPS,
     'https://b', HTTPS),
    ('https://arg/', {'REFLEX_API_URL': 'https://a', 'REFLEX_INFER_URL': 'https://i'}, HTTPS,
     'https://arg', 'https://arg'),
])
def test_other_addresses_follow_the_backend(explicit, environment, rpc, api, infer):
    assert endpoints.api_url(explicit, environment, rpc) == api
    assert endpoints.actions_url(explicit, environment, rpc) == (
        api.replace('http', 'ws', 1) + '/v1/actions')
    assert endpoints.infer_url(explicit, environment, rpc) == infer


@pytest.mark.parametrize('explicit, environment, saved, expected', [
    (None, {}, None, 'https://app.tryreflex.ai'),
    (None, {}, 'https://file', 'https://file'),
    (None, {'NEXT_PUBLIC_BETTER_AUTH_URL': 'https://d', 'BETTER_AUTH_URL': 'https://c'},
     'https://file', 'https://c'),
    (None, {'BETTER_AUTH_URL': 'https://c', 'NEXT_PUBLIC_SITE_URL': 'https://b',
            'REFLEX_PLATFORM_URL': 'https://a'}, None, 'https://a'),
    ('http://localhost:3', {'REFLEX_PLATFORM_URL': 'https://a'}, None, 'http://localhost:3'),
])
def test_dashboard_is_resolved_as_documented(explicit, environment, saved, expected):
    assert endpoints.site_url(explicit, environment, saved) == expected


@pytest.mark.parametrize('url', ['ftp://x', 'nothing', 'http://example.org', 'https://u:p@h'])
def test_bad_addresses_are_refused(url):
    for resolve in (lambda: endpoints.api_url(url, {}, HTTPS),
                    lambda: endpoints.infer_url(url, {}, HTTPS),
                    lambda: endpoints.site_url(url, {})):
        with pytest.raises(ConfigurationError, match='unencrypted|must start with|a user name'):
            resolve()


@pytest.mark.parametrize('resolve, url', [
    (endpoints.rpc_url, 'http://10.1.2.3:1'), (endpoints.site_url, 'http://10.1.2.3:2'),
    (endpoints.actions_url, 'ws://10.1.2.3:3/v1/actions?token=hunter2'),
    (lambda url, environment: endpoints.infer_url(url, environment, HTTPS), 'http://10.1.2.3:4'),
    (lambda url, environment: endpoints.api_url(url, environment, HTTPS), 'http://10.1.2.3:5')])
def test_key_is_sent_unencrypted_only_when_the_environment_allows_it(resolve, url, caplog):
    for value in ('', '0', 'true', 'yes'):
        with pytest.raises(ConfigurationError, match='with REFLEX_ALLOW_INSECURE=1$'):
            resolve(url, {'REFLEX_ALLOW_INSECURE': value})
    assert not caplog.records
    for _ in range(2):
        assert resolve(url, {'REFLEX_ALLOW_INSECURE': '1'}) == url
    [record] = caplog.records
    assert record.levelname == 'WARNING'
    assert f'{url.partition("?")[0]}: the API key is sent unencrypted' in record.getMessage()
    assert 'hunter2' not in record.getMessage()


@pytest.mark.parametrize('url, token', [
    ('wss://h/p?token=abc', 'abc'), ('wss://h/p?a=b&token=a%20b', 'a b'), ('wss://h/p', ''),
    ('wss://h/p?token=', ''), ('wss://h/token=x', '')])
def test_token_of_an_address_is_found(url, token):
    assert endpoints.token_in(url) == token
