# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of datasets on the hub, in every documented form (protocol i.5)."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.sim.service.resources.hf_dataset_name import HubDataset, parse_dataset


@pytest.mark.parametrize('text, repo, path, revision', [
    ('lerobot/svla_so101_pickplace', 'lerobot/svla_so101_pickplace', '', ''),
    ('hf://datasets/owner/repo', 'owner/repo', '', ''),
    ('https://huggingface.co/datasets/owner/repo', 'owner/repo', '', ''),
    ('https://huggingface.co/datasets/owner/repo/', 'owner/repo', '', ''),
    ('owner/repo/data/part', 'owner/repo', 'data/part', ''),
    ('owner/repo@v2.1', 'owner/repo', '', 'v2.1'),
    ('hf://datasets/owner/repo@main/data', 'owner/repo', 'data', 'main'),
    ('hf://datasets/owner/repo@refs/pr/3/data', 'owner/repo', 'data', 'refs/pr/3'),
    ('owner/repo@feature%2Fx', 'owner/repo', '', 'feature/x'),
    ('https://huggingface.co/datasets/owner/repo/tree/main', 'owner/repo', '', 'main'),
    ('https://huggingface.co/datasets/o/r/tree/v1/a/b', 'o/r', 'a/b', 'v1'),
    ('https://hf.co/datasets/o/r/blob/v1/meta/info.json', 'o/r', 'meta/info.json', 'v1'),
])
def test_name_is_taken_apart(text, repo, path, revision):
    assert parse_dataset(text) == HubDataset(repo, path, revision)


@pytest.mark.parametrize('text', [
    '', ' ', 'repo', '/repo', 'owner/', 'owner//x', ' owner/repo', 'owner/repo ', 'own er/repo',
    'owner/re po', '-owner/repo', 'owner/repo.', 'own..er/repo', 'owner/repo@', 'owner/repo@/x',
    'owner/repo/../x', 'owner/repo/./x', 'owner/repo//x', 'owner/repo@a@b', 'datasets/owner/repo',
    'hf://owner/repo', 'hf://models/owner/repo', 'hf://datasets/owner', 'hf://',
    'http://huggingface.co/datasets/owner/repo', 'https://example.com/datasets/owner/repo',
    'https://huggingface.co/owner/repo', 'https://huggingface.co/datasets/owner',
    'https://huggingface.co/datasets/owner/repo/settings',
    'https://huggingface.co/datasets/owner/repo/tree', 'https://[/datasets/o/r',
    'https://huggingface.co/datasets/owner/repo?x=1', 's3://bucket/owner/repo',
    'https://user@huggingface.co/datasets/o/r', 'owner/' + 'r' * 97, 'o/r/' + 'x/' * 600,
])
def test_nonsense_is_refused(text):
    with pytest.raises(ValueError, match='.'):
        parse_dataset(text)


letters = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)


@given(letters, letters, st.lists(letters, max_size=3).map('/'.join), letters | st.just(''))
def test_every_form_says_the_same(owner, repo, path, revision):
    expected = HubDataset(f'{owner}/{repo}', path, revision)
    short = f'{owner}/{repo}' + (f'@{revision}' if revision else '') + (f'/{path}' if path else '')
    if owner != 'datasets':
        assert parse_dataset(short) == expected
    assert parse_dataset(f'hf://datasets/{short}') == expected
    if revision:
        page = f'https://huggingface.co/datasets/{owner}/{repo}/tree/{revision}/{path}'
        assert parse_dataset(page.rstrip('/')) == expected


@given(st.text(max_size=60) | st.text('hf:/@.datasets%2F-', max_size=40))
def test_any_text_is_a_name_or_a_value_error(text):
    try:
        parsed = parse_dataset(text)
    except ValueError:
        return
    assert parsed.repo.count('/') == 1
    assert '..' not in parsed.path.split('/')
