# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of datasets on the Hugging Face hub (protocol i.5), taken apart."""

from __future__ import annotations

from dataclasses import dataclass
import re
from urllib.parse import unquote

FORMS = ('owner/repo[@revision][/path]', 'hf://datasets/owner/repo[@revision][/path]',
         'https://huggingface.co/datasets/owner/repo[/tree/revision[/path]]')

_NAME = re.compile(r'(?!.*(?:\.\.|--))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?')
_PART = re.compile(r'(?!\.{1,2}$)[^\s\\@?#\x00-\x1f]+')
# A revision is one part of a path, but for the hub's own references: refs/pr/3.
_REVISION = r'(?P<revision>refs/[^/]+/[^/]+|[^/]+)'
_SHORT = re.compile(rf'(?P<repo>[^/@]*/[^/@]*)(?:@{_REVISION})?(?:/(?P<path>.*))?', re.DOTALL)
_PAGE = re.compile(
    r'https://(?:huggingface\.co|hf\.co)/+datasets/(?P<repo>[^/?#]*/[^/?#]+)'
    rf'(?:/(?:tree|blob)/{_REVISION.replace("[^/]", "[^/?#]")}(?:/+(?P<path>[^?#]*))?)?/*')
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class HubDataset:
    """
    A parsed name.

    :param repo: ``owner/repo``.
    :param path: inside the repository, empty for all of it.
    :param revision: branch, tag or commit, empty for the default one.
    """

    repo: str
    path: str = ''
    revision: str = ''


def parse_repo(text: str) -> str:
    """Check a plain ``owner/repo``; anything else is a ``ValueError``."""
    owner, _, name = text.partition('/')
    if not _NAME.fullmatch(owner) or not _NAME.fullmatch(name):
        raise ValueError(f'{text[:100]!r} is not an owner/repo')
    return text


def parse_dataset(text: str) -> HubDataset:
    """Take a name of one of the ``FORMS`` apart; anything else is a ``ValueError``."""
    is_page = '://' in text and not text.startswith('hf://')
    short = text.removeprefix('hf://datasets/')
    match = _PAGE.fullmatch(text) if is_page else _SHORT.fullmatch(short)
    is_bare = text.startswith('datasets/')
    if match is None or is_bare or len(text) > _LONGEST or text != text.strip():
        raise ValueError(f'{text[:100]!r} has none of the forms {", ".join(FORMS)}')
    path, revision = match['path'] or '', unquote(match['revision'] or '')
    path = (unquote(path) if is_page else path).rstrip('/')
    for name, value in (('path', path), ('revision', revision)):
        if value and not all(_PART.fullmatch(part) for part in value.split('/')):
            raise ValueError(f'{value[:100]!r} is not a valid {name} of a repository')
    return HubDataset(parse_repo(match['repo']), path, revision)
