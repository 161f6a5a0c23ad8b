# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Names of datasets on the Hugging Face hub (protocol i.5), taken apart. Pure functions.

    owner/repo[@revision][/path]
    hf://datasets/owner/repo[@revision][/path]
    https://huggingface.co/datasets/owner/repo[/tree/revision[/path]]
"""

from __future__ import annotations

from dataclasses import dataclass
import re
from urllib.parse import unquote, urlsplit

_NAME = re.compile(r'(?!.*(?:\.\.|--))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?')
_PART = re.compile(r'(?!\.{1,2}$)[^\s\\@?#\x00-\x1f]+')
# A revision is one part of a path, but for the hub's own references: refs/pr/3.
_REVISION = re.compile(r'refs/[^/]+/[^/]+|[^/]+')
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class HubDataset:
    """
    What a name says.

    :param repo: ``owner/repo``.
    :param path: inside the repository, empty for all of it.
    :param revision: branch, tag or commit, empty for the default one.
    """

    repo: str
    path: str = ''
    revision: str = ''


def parse_repo(text: str) -> str:
    """
    Check a plain ``owner/repo``.

    :raises ValueError: when it is none.
    """
    owner, _, name = text.partition('/')
    if not _NAME.fullmatch(owner) or not _NAME.fullmatch(name):
        raise ValueError(f'{text[:100]!r} is no owner/repo')
    return text


def parse_dataset(text: str) -> HubDataset:
    """
    Take the name of a dataset apart.

    :raises ValueError: when it is none of the forms; says why.
    """
    if not text or len(text) > _LONGEST or text != text.strip():
        raise ValueError('the name of a dataset must not be empty, padded or endless')
    if text.startswith('hf://'):
        rest = text[len('hf://'):]
        if not rest.startswith('datasets/'):
            raise ValueError('after hf:// must come datasets/owner/repo')
        return _parse_short(rest[len('datasets/'):])
    if '://' in text:
        return _parse_page(text)
    if text.startswith('datasets/'):
        raise ValueError('datasets/owner/repo needs hf:// before it')
    return _parse_short(text)


def _parse_short(text: str) -> HubDataset:
    head, at, tail = text.partition('@')
    if not at:
        owner, _, rest = head.partition('/')
        name, _, path = rest.partition('/')
        return _checked(f'{owner}/{name}', path, '')
    match = _REVISION.match(tail)
    revision = match[0] if match else ''
    path = tail[len(revision):]
    if not revision or (path and not path.startswith('/')):
        raise ValueError('after @ must come a revision')
    return _checked(head, path[1:], unquote(revision))


def _parse_page(text: str) -> HubDataset:
    try:
        page = urlsplit(text)
    except ValueError as exc:
        raise ValueError('the address of a dataset is malformed') from exc
    if page.scheme != 'https' or page.netloc not in ('huggingface.co', 'hf.co'):
        raise ValueError('the address of a dataset begins with https://huggingface.co/datasets/')
    parts = page.path.strip('/').split('/')
    if parts[0] != 'datasets' or len(parts) < 3 or page.query or page.fragment:
        raise ValueError('the address of a dataset is https://huggingface.co/datasets/owner/repo')
    repo, rest = '/'.join(parts[1:3]), '/'.join(parts[3:])
    if not rest:
        return _checked(repo, '', '')
    kind, _, tail = rest.partition('/')
    match = _REVISION.match(tail)
    if kind not in ('tree', 'blob') or match is None:
        raise ValueError('behind owner/repo can only stand tree/REVISION[/PATH]')
    return _checked(repo, unquote(tail[match.end():].lstrip('/')), unquote(match[0]))


def _checked(repo: str, path: str, revision: str) -> HubDataset:
    path = path.rstrip('/')
    if path and not all(_PART.fullmatch(part) for part in path.split('/')):
        raise ValueError(f'{path[:100]!r} is no path inside a repository')
    if revision and not all(_PART.fullmatch(part) for part in revision.split('/')):
        raise ValueError(f'{revision[:100]!r} is no revision')
    return HubDataset(parse_repo(repo), path, revision)
