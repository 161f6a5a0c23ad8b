# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Results as a JSON document or as text for a person (protocol reference, section j.1).

The values come from the service. As text, they are shortened and escaped, and hidden if their key
names a secret. JSON is for programs and hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
import json
import math
import re
import sys
from typing import NoReturn

import click

from reflex_ros.cli.options import CommonOptions
from reflex_ros.client.messages import Row
from reflex_ros.client.texts import printable
from reflex_ros.domain.counted import counted

MAX_ROWS, MAX_DEPTH = 5, 8
MISSING = 'not available'
HIDDEN = '[hidden]'
SECRETS = ('apikey', 'api_key', 'secret', 'token', 'password')
CAPITALS = {'api': 'API', 'hf': 'HF', 'id': 'ID', 'ids': 'IDs', 'json': 'JSON', 'sha': 'SHA',
            'url': 'URL'}


def document(value: Mapping[str, object]) -> None:
    """Print one JSON document; infinity and NaN become null."""
    try:
        text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=2, sort_keys=True)
    click.echo(text)


def report(common: CommonOptions, value: Mapping[str, object], *text: str) -> None:
    """Print a result: a JSON document with ``--json``, else lines of text."""
    if common.as_json:
        document(value)
        return
    for line in text:
        click.echo(line)


def fail(common: CommonOptions, error: str, value: Mapping[str, object], *text: str) -> NoReturn:
    """
    Print what was found although the command failed, then end with exit code 1.

    With ``--json``, the document says ``ok: false`` and ``error``; as text, the error follows on
    stderr.
    """
    if common.as_json:
        document({**value, 'ok': False, 'error': error})
        sys.exit(1)
    report(common, value, *text)
    raise click.ClickException(error)


def show(common: CommonOptions, title: str, value: Mapping[str, object], field: str,
         **more: object) -> None:
    """
    Print a result.

    :param title: first line of the text.
    :param field: name of the value in the JSON document.
    :param more: further fields of the document; the text prints them after the value.
    """
    if common.as_json:
        document({'ok': True, field: value, **more})
        return
    # The title already says that the request succeeded.
    printed = {key: each for key, each in value.items() if (key, each) != ('ok', True)}
    _print(title, lines(printed), more)


def show_rows(common: CommonOptions, title: str, rows: Sequence[Mapping[str, object]],
              columns: Sequence[str], *, value: Mapping[str, object], field: str,
              **more: object) -> None:
    """
    Print a list: the whole answer as JSON, or a table of all rows as text.

    :param columns: keys that make the columns; a key without any value is left out.
    :param value: the whole answer, as in :func:`show`.
    :param more: as in :func:`show`.
    """
    if common.as_json:
        document({'ok': True, field: value, **more})
    else:
        _print(title, table(rows, columns) if rows else [f'No {title.lower()} found.'], more)


def next_lines(commands: Sequence[str]) -> Iterator[str]:
    """Yield the block that names the commands which follow; nothing for none."""
    if commands:
        yield '\nNext:'
        yield from (f'  {command}' for command in commands)


def show_record(common: CommonOptions, title: str, answer: Row, noun: str, *, field: str = '',
                ids: Sequence[str] = (), **more: object) -> None:
    """
    Print an answer about one object: the whole answer as JSON, or the object once as text.

    :param noun: key of the object in the answer; without that key, the answer is the object.
    :param field: name of the answer in the JSON document (default: the noun).
    :param ids: further keys of its id: the service sends the id under several keys at once.
    """
    value = answer.as_sent()
    if not common.as_json:
        nested = value.get(noun)
        thing = nested if isinstance(nested, Mapping) else value
        names = (f'{noun}Id', f'{noun}_id', *ids, '_id', 'id')
        value = {'id': next((thing[name] for name in names if thing.get(name)), None),
                 **{key: each for key, each in thing.items() if key not in names}}
        if value['id'] is None:
            del value['id']
    show(common, title, value, field or noun, **more)


def lines(value: Mapping[str, object], depth: int = 0) -> Iterator[str]:
    """Yield a mapping as lines, one per plain value, indented by two blanks per level."""
    printed: set[tuple[str, object]] = set()
    for key, each in value.items():
        # The service sends an id as ``_id`` and as ``id``; both have the same label.
        mark = (label(str(key)), each if isinstance(each, str) else key)
        if mark not in printed:
            yield from _item(str(key), each, depth)
        printed.add(mark)


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Iterator[str]:
    """Yield rows as aligned columns under a line of labels."""
    used = [key for key in columns if any(row.get(key) not in (None, '') for row in rows)]
    yield from grid([label(key) for key in used],
                    ([_cell(key, row.get(key)) for key in used] for row in rows))


def grid(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield cells as aligned columns, one line per row."""
    every = [tuple(head), *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for cells in every:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield '  '.join(padded).rstrip()


def show_grid(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print cells as aligned columns."""
    for line in grid(head, rows):
        click.echo(line)


def label(key: str) -> str:
    """Convert a key to words: ``robotSchemaId`` and ``robot_schema_id`` to ``Robot schema ID``."""
    words = re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z_]+', key) or [key]
    text = ' '.join(CAPITALS.get(word.lower(), word.lower()) for word in words)
    return printable(text[:1].upper() + text[1:], 80)


def plain(key: str, value: object) -> str:
    """Format one value that is neither a mapping nor a list; its key tells a time or a secret."""
    if value is None or value == '':
        return MISSING
    if _is_secret(key):
        return HIDDEN
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (int, float)):
        return (_moment(value) if _is_time(key) else '') or _number(value)
    return printable(str(value))


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(title: str, body: Iterable[str], more: Mapping[str, object]) -> None:
    click.echo(f'{title}\n')
    for line in [*body, *_more(more)]:
        click.echo(line)


def _more(more: Mapping[str, object]) -> Iterator[str]:
    for key, value in more.items():
        if key == 'next' and isinstance(value, Sequence):
            yield from next_lines(value)
        else:
            yield from _item(key, value, 0)


def _item(key: str, value: object, depth: int) -> Iterator[str]:
    head = f'{"  " * depth}{label(key)}:'
    if _is_secret(key) or not isinstance(value, (Mapping, list, tuple)):
        yield f'{head} {plain(key, value)}'
    elif depth >= MAX_DEPTH:
        yield f'{head} ...'
    elif isinstance(value, Mapping):
        yield head if value else f'{head} {MISSING}'
        yield from lines(value, depth + 1)
    else:
        yield f'{head} {counted(len(value), "item")}'
        yield from _rows(key, value, depth + 1)


def _rows(key: str, rows: Sequence[object], depth: int) -> Iterator[str]:
    bullet = '  ' * depth + '- '
    for row in rows[:MAX_ROWS]:
        if isinstance(row, Mapping) and row:
            # The first line of a row starts with the bullet, the others with blanks.
            block = list(lines(row, depth + 1))
            yield from [bullet + block[0].lstrip(), *block[1:]]
        elif isinstance(row, (Mapping, list, tuple)):
            yield f'{bullet}{counted(len(row), "item")}'
        else:
            yield bullet + plain(key, row)
    if len(rows) > MAX_ROWS:
        yield f'{bullet}... {len(rows) - MAX_ROWS} more'


def _cell(key: str, value: object) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return f'{counted(len(value), "item")}'
    return '-' if value is None or value == '' else plain(key, value)


def _is_secret(key: str) -> bool:
    # The name that a person gave a key is none: "apiKeyName".
    lower = key.lower()
    return any(word in lower for word in SECRETS) and not lower.endswith('name')


def _is_time(key: str) -> bool:
    # Only the whole word: "heartbeat" and "format" end in "at" and are not times.
    return bool(re.search(r'(^|_)at$|[a-z0-9]At$', key))


def _moment(value: float) -> str:
    """Format milliseconds since 1970 as local time; return nothing outside the range of dates."""
    try:
        moment = datetime.fromtimestamp(value / 1000).astimezone()
    except (OverflowError, ValueError, OSError):
        return ''
    return moment.strftime('%Y-%m-%d %H:%M:%S %Z')


def _number(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f'{value:.6g}'
