# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results as JSON and as text."""

import json
import time

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions

TEXT, JSON = CommonOptions(), CommonOptions(as_json=True)


@pytest.fixture
def berlin(monkeypatch):
    """Live where the local time is not UTC."""
    monkeypatch.setenv('TZ', 'Europe/Berlin')
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def shown(capsys, value, **more):
    """Show a value as text and return what stands under the title."""
    text.show(TEXT, 'Title', value, 'thing', **more)
    title, blank, *rest = capsys.readouterr().out.split('\n')
    assert (title, blank, rest.pop()) == ('Title', '', '')
    return rest


@pytest.mark.parametrize('key, words', [
    ('name', 'Name'), ('robotSchemaId', 'Robot schema ID'), ('_id', 'ID'), ('id', 'ID'),
    ('robot_schema_id', 'Robot schema ID'), ('HTTPStatus', 'Http status'), ('', ''),
    ('uploadURL', 'Upload URL'), ('pi0', 'Pi 0'), ('x\x1b[2J', 'X \\x1b[2 j'), ('___', '___')])
def test_label_is_words(key, words):
    assert text.label(key) == words


@pytest.mark.parametrize('key, value, expected', [
    ('name', None, 'not available'), ('name', '', 'not available'), ('ready', True, 'yes'),
    ('ready', False, 'no'), ('count', 3, '3'), ('loss', 0.1 + 0.2, '0.3'), ('epochs', 3.0, '3'),
    ('loss', float('nan'), 'nan'), ('name', 'a\nb\x1b[2J', 'a\\nb\\x1b[2J'),
    ('createdAt', 1_700_000_000_000, '2023-11-14 23:13:20 CET'),
    ('created_at', 1_720_000_000_000.0, '2024-07-03 11:46:40 CEST'),
    ('at', 0, '1970-01-01 01:00:00 CET'), ('createdAt', 'soon', 'soon'),
    ('createdAt', 1e300, f'{1e300:.6g}'), ('createdAt', float('inf'), 'inf'),
    ('format', 5, '5'), ('heartbeat', 5, '5'), ('isAt', True, 'yes'),
    ('apiKey', 'rfx_1', '[hidden]'), ('pairingToken', 'p', '[hidden]'),
    ('API_KEY', 'rfx_1', '[hidden]'), ('apiKeyName', 'lab robot', 'lab robot'),
    ('password', 'p', '[hidden]'), ('token', None, 'not available')])
def test_plain_value(berlin, key, value, expected):
    assert text.plain(key, value) == expected


def test_text_is_title_blank_line_and_labels_in_the_order_given(capsys):
    assert shown(capsys, {'ok': True, 'name': 'n', 'spec': {'modelId': 'm', 'deep': {'x': 1}},
                          'empty': {}}) == [
        'Name: n', 'Spec:', '  Model ID: m', '  Deep:', '    X: 1', 'Empty: not available']


def test_list_shows_its_first_five_rows_and_counts_the_rest(capsys):
    rows = [{'_id': f'r{number}', 'tags': ['a']} for number in range(7)]
    assert shown(capsys, {'robots': rows[:1], 'numbers': list(range(8)), 'none': []}) == [
        'Robots: 1 item', '  - ID: r0', '    Tags: 1 item', '      - a',
        'Numbers: 8 items', '  - 0', '  - 1', '  - 2', '  - 3', '  - 4', '  - ... 3 more',
        'None: 0 items']
    assert len(shown(capsys, {'robots': rows})) == 1 + 5 * 3 + 1


def test_secret_is_hidden_whatever_it_is_made_of(capsys):
    assert shown(capsys, {'tokens': ['t1'], 'secret': {'a': 't1'}}) == [
        'Tokens: [hidden]', 'Secret: [hidden]']


def test_what_comes_next_follows_the_value(capsys):
    assert shown(capsys, {'id': 'd'}, next=['reflex doctor d'], note='careful') == [
        'ID: d', '', 'Next:', '  reflex doctor d', 'Note: careful']


def test_json_is_one_document_with_sorted_keys_that_hides_nothing(capsys):
    text.show(JSON, 'Title', {'ok': True, 'token': 't'}, 'pairing', next=['x'])
    out = capsys.readouterr().out
    assert json.loads(out) == {'ok': True, 'pairing': {'ok': True, 'token': 't'}, 'next': ['x']}
    assert out.startswith('{\n  "next": [\n    "x"\n  ],\n  "ok": true,\n  "pairing": {\n')


def test_number_that_json_does_not_have_is_null(capsys):
    text.document({'loss': [float('nan'), {'x': float('-inf')}, 1.5]})
    assert json.loads(capsys.readouterr().out) == {'loss': [None, {'x': None}, 1.5]}


def test_table_has_all_rows_and_no_empty_column(capsys):
    rows = [{'id': f'robot_{number}', 'name': 'n' * number, 'note': None, 'tags': [1]}
            for number in range(12)]
    text.show_rows(TEXT, 'Robots', rows, ('id', 'name', 'note', 'tags'), value={},
                   field='robots')
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        'Robots', '', 'ID        Name         Tags', 'robot_0   -            1 item']
    assert len(lines) == 3 + 12


def test_empty_table_says_so_and_json_has_the_whole_answer(capsys):
    text.show_rows(TEXT, 'Robots', [], ('id',), value={'ok': True}, field='robots')
    assert capsys.readouterr().out == 'Robots\n\nNo robots found.\n'
    text.show_rows(JSON, 'Robots', [], ('id',), value={'x': 1}, field='robots')
    assert json.loads(capsys.readouterr().out) == {'ok': True, 'robots': {'x': 1}}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(st.dictionaries(st.text(), VALUES))
def test_any_value_is_lines_that_a_terminal_may_get(value):
    assert all(line.isprintable() for line in text.lines(value))
    rows = [value, {}]
    assert all(line.isprintable() for line in text.table(rows, list(value)))


def test_deep_nesting_is_cut():
    value = {}
    for _ in range(900):
        value = {'a': value}
    assert list(text.lines(value))[-1].strip() == 'A: ...'
