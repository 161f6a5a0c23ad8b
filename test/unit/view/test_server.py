# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The server of the page, with a client of another library: who is let in, what is passed on."""

from contextlib import contextmanager
import json
import threading

import httpx
import pytest

pytestmark = pytest.mark.live

pytest.importorskip('aiohttp')

from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.view.server import ViewServer  # noqa: E402


class Graph:
    """What the server asks, and what it was told to do."""

    def __init__(self):
        self.calls = []
        self.pictures = {'front': (1, b'\xff\xd8first')}
        self.gate = threading.Event()
        self.gate.set()

    def state(self):
        return {'state': 'READY', 'ages': {}}

    def call(self, name):
        if name == 'promote':
            assert self.gate.wait(8.0)
        self.calls.append(name)
        return name != 'reset', f'{name} said'


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture
def server(graph):
    made = ViewServer({'links': {}, 'joints': []}, graph.state, lambda: dict(graph.pictures),
                      graph.call)
    made.start()
    yield made
    made.close()
    made.close()


def address(server):
    return server.url.partition('#')[0]


@contextmanager
def open_socket(server, **options):
    # A server that is gone without a closing handshake is not waited for.
    with connect(address(server).replace('http', 'ws') + 'ws', proxy=None, close_timeout=0.5,
                 **options) as socket:
        socket.send(json.dumps({'token': server.url.partition('#')[2]}))
        yield socket


def until(socket, kind):
    """Return the next message of a kind: text by its type, bytes for ``bytes``."""
    while True:
        message = socket.recv(timeout=8.0)
        if isinstance(message, bytes):
            if kind is bytes:
                return message
        elif kind is not bytes and json.loads(message)['type'] == kind:
            return json.loads(message)


def test_page_and_its_files_are_served(server):
    with httpx.Client(base_url=address(server), trust_env=False) as client:
        page = client.get('/')
        assert page.status_code == 200 and 'id="stop"' in page.text
        assert "default-src 'self'" in page.headers['content-security-policy']
        for name in ('view.js', 'three.module.min.js'):
            assert client.get(f'/static/{name}').status_code == 200
        assert client.get('/static/../server.py').status_code == 404


def test_page_gets_model_state_and_each_picture_once(server, graph):
    assert not server.is_watched
    with open_socket(server) as socket:
        assert until(socket, 'model')['model'] == {'links': {}, 'joints': []}
        assert until(socket, 'state')['state'] == 'READY'
        assert until(socket, bytes) == b'\x05front\xff\xd8first'
        assert server.is_watched
        graph.pictures['front'] = (2, b'second')
        assert until(socket, bytes) == b'\x05frontsecond'


def test_calls_are_passed_on_with_their_answers(server, graph):
    with open_socket(server) as socket:
        for name, done in (('park', True), ('reset', False)):
            socket.send(json.dumps({'call': name}))
            assert until(socket, 'answer') == {
                'type': 'answer', 'call': name, 'done': done, 'text': f'{name} said'}
    assert graph.calls == ['park', 'reset']


def test_stop_does_not_wait_for_another_call(server, graph):
    graph.gate.clear()
    with open_socket(server) as socket:
        socket.send('{"call": "promote"}')
        socket.send('{"call": "stop"}')
        assert until(socket, 'answer')['call'] == 'stop'
        graph.gate.set()
        assert until(socket, 'answer')['call'] == 'promote'


@pytest.mark.parametrize('text', ['', '{', '[]', '7', '{"call": 7}', '{"call": "fly"}', '"stop"'])
def test_unknown_call_is_refused_and_the_page_stays(server, graph, text):
    with open_socket(server) as socket:
        socket.send(text)
        answer = until(socket, 'answer')
        assert not answer['done'] and 'Known: stop' in answer['text']
        assert until(socket, 'state')
    assert not graph.calls


@pytest.mark.parametrize('token', ['', 'wrong', 7, None])
def test_who_has_no_token_sees_nothing_and_moves_nothing(server, graph, token):
    with connect(address(server).replace('http', 'ws') + 'ws', proxy=None) as socket:
        socket.send(json.dumps({'token': token}))
        socket.send('{"call": "promote"}')
        assert json.loads(socket.recv(timeout=8.0))['type'] == 'refused'
        with pytest.raises(Exception, match='1000'):
            socket.recv(timeout=8.0)
    assert not graph.calls and not server.is_watched


@pytest.mark.parametrize('headers', [
    {'Origin': 'http://evil.example'}, {'Host': 'evil.example:80'}, {'Origin': 'null'}])
def test_page_of_another_origin_is_refused(server, headers):
    with httpx.Client(base_url=address(server), trust_env=False) as client:
        assert client.get('/', headers=headers).status_code == 403
    if 'Origin' in headers:
        with pytest.raises(InvalidStatus), open_socket(server, origin=headers['Origin']):
            pass


def test_port_in_use_is_named(server):
    port = int(address(server).rstrip('/').rpartition(':')[2])
    other = ViewServer({}, dict, dict, lambda name: (True, ''), port=port)
    with pytest.raises(ConfigurationError, match=f'127.0.0.1:{port} cannot be used.*--port'):
        other.start()


@pytest.mark.parametrize('host', ['nonsense.invalid', '192.0.2.1', f'{"x" * 70}.invalid'])
def test_host_that_is_not_of_this_machine_is_named(host):
    other = ViewServer({}, dict, dict, lambda name: (True, ''), host=host)
    with pytest.raises(ConfigurationError, match=f'^--host {host} cannot be used: [^.]') as caught:
        other.start()
    assert '--port' not in str(caught.value)


def test_end_does_not_wait_for_a_page_that_does_not_answer(server):
    with open_socket(server) as socket:
        until(socket, 'model')
        # It waits for 5 s. The closing handshake with a page that hangs takes 10, and a node whose
        # end takes longer than 4.5 s is killed.
        server.close()
        assert not server.is_alive
