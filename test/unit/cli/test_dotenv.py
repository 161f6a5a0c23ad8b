# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The key in ``.env``, and that nothing but the key is taken from there."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.cli import dotenv

KEY = 'rfx_canary_7c1d9e'


@pytest.mark.parametrize('content, expected', [
    (f'REFLEX_API_KEY={KEY}', {'REFLEX_API_KEY': KEY}),
    (f'\n# a note\n  RFX_API_KEY = "{KEY}"  \nnonsense\n', {'RFX_API_KEY': KEY}),
    (f"REFLEX_API_KEY=first\r\nREFLEX_API_KEY='{KEY}'\n", {'REFLEX_API_KEY': KEY}),
    (f'\ufeffREFLEX_API_KEY={KEY}', {'REFLEX_API_KEY': KEY}),
    (f'export REFLEX_API_KEY={KEY} # mine', {'REFLEX_API_KEY': KEY}),
    (f'REFLEX_API_KEY="{KEY}" # mine', {'REFLEX_API_KEY': KEY}),
    (f'REFLEX_API_KEY={KEY}#1', {'REFLEX_API_KEY': f'{KEY}#1'}),
    ('REFLEX_API_KEY=\nRFX_API_KEY=""\n', {}), ('REFLEX_API_KEY', {}),
    ('#REFLEX_API_KEY=x', {}), ('REFLEX_API_KEY="', {
        'REFLEX_API_KEY': '"'}),
    ('REFLEX_CONVEX_URL=https://evil\nREFLEX_API_URL=https://evil\nREFLEX_PLATFORM_URL=x\n', {})])
def test_only_the_keys_are_read(tmp_path, content, expected):
    file = tmp_path / '.env'
    file.write_bytes(content.encode())
    assert dotenv.read(file) == expected


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_file_of_an_editor_on_windows_is_read(tmp_path, encoding):
    file = tmp_path / '.env'
    file.write_bytes(f'REFLEX_API_KEY={KEY}\r\n'.encode(encoding))
    assert dotenv.read(file) == {'REFLEX_API_KEY': KEY}


def test_what_cannot_be_read_is_passed_over(tmp_path):
    assert dotenv.read(tmp_path / 'none') == {}
    assert dotenv.read(tmp_path) == {}
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    assert dotenv.read(pipe) == {}


@given(st.binary(max_size=300))
def test_any_bytes_are_passed_over(tmp_path_factory, content):
    file = Path(tmp_path_factory.getbasetemp()) / 'fuzzed.env'
    file.write_bytes(content)
    assert set(dotenv.read(file)) <= set(dotenv.KEYS)


@pytest.mark.usefixtures('no_leaks', 'no_settings')
def test_command_takes_the_key_and_not_the_address(reflex, service, listen, tmp_path, monkeypatch):
    elsewhere = listen(lambda peer: peer.answer(b'{}'))
    monkeypatch.chdir(tmp_path)
    Path('.env').write_text(f'REFLEX_API_KEY={KEY}\nREFLEX_CONVEX_URL={elsewhere.url}\n'
                            f'CONVEX_URL={elsewhere.url}\nREFLEX_PLATFORM_URL={elsewhere.url}\n')
    assert reflex('whoami', key=None, url=service.url).code == 0
    # What is in the environment goes first.
    reflex('whoami', key='rfx_wrong', url=service.url).failed('unknown_key')
    assert elsewhere.peers == []
