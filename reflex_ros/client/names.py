# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Names instead of ids: whatever takes the id of a resource also takes its name, or ``@last``.

A name must fit exactly one resource; ``@last`` is the newest. A text that fits nothing is passed
on as it is: the service then says that there is no such id, and what to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
import re
from typing import TYPE_CHECKING

from reflex_ros.client.messages import Row
from reflex_ros.client.resources import (
    datasets,
    deployments,
    models,
    robots,
    sessions,
    training,
)
from reflex_ros.errors import ConfigurationError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

LAST = '@last'
MAX_SHOWN = 10
_ID = re.compile(r'(?=.*\d)[0-9a-z]{32}|[a-z]+_[0-9a-f]{16,}')
"""Ids that machines make; no list is needed to know that they are no names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One resource of a list.

    :param created_at: [ms since 1970]; 0 when unknown.
    """

    id: str
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of resource that can be named.

    :param noun: for texts.
    :param command: lists all resources of this kind.
    """

    noun: str
    command: str
    rows: Callable[[AsyncReflex], Awaitable[Iterable[Entry]]]


async def resolve(service: AsyncReflex, kind: str, text: str) -> str:
    """
    Return the id of a resource; errors as in :meth:`.RpcClient.call`.

    :param kind: a key of ``KINDS``.
    :param text: id, name or ``@last``.
    :raises ConfigurationError: if several resources have the name, or ``@last`` fits none.
    """
    if _ID.fullmatch(text):
        return text
    row = KINDS[kind]
    found = list(await row.rows(service))
    if text == LAST:
        if not found:
            raise ConfigurationError(f'{LAST}: there is no {row.noun} yet. Run `{row.command}`')
        # The later one of two that were made in the same millisecond.
        return max(enumerate(found), key=lambda pair: (pair[1].created_at, pair[0]))[1].id
    if any(entry.id == text for entry in found):
        return text
    ids = [entry.id for entry in found if entry.name == text]
    if len(ids) > 1:
        shown = ', '.join(ids[-MAX_SHOWN:])
        raise ConfigurationError(f'{len(ids)} resources of the kind {row.noun} have the name '
                                 f'{text!r}: {shown}. Give one of these ids instead')
    return ids[0] if ids else text


async def _datasets(service: AsyncReflex) -> Iterable[Entry]:
    answer = await datasets.list_all(service)
    return [_entry(row, row.dataset_id) for row in answer.datasets if not row.is_deleted]


async def _deployments(service: AsyncReflex) -> Iterable[Entry]:
    answer = await deployments.list_all(service)
    return [_entry(row, row.deployment_id) for row in answer.deployments]


async def _models(service: AsyncReflex) -> Iterable[Entry]:
    return [_entry(row, row.model_id) for row in (await models.list_all(service)).rows]


async def _robots(service: AsyncReflex) -> Iterable[Entry]:
    return [_entry(row, row.robot_id) for row in (await robots.list_all(service)).robots]


async def _schemas(service: AsyncReflex) -> Iterable[Entry]:
    return [_entry(row, row.schema_id) for row in (await robots.list_schemas(service)).schemas]


async def _sessions(service: AsyncReflex) -> Iterable[Entry]:
    return [_entry(row, row.session_id, 'clientSessionId')
            for row in await sessions.list_all(service)]


async def _runs(service: AsyncReflex) -> Iterable[Entry]:
    answer = await training.list_all(service, None)
    return [_entry(row, row.run_id, 'modelName') for row in answer.runs]


def _entry(row: Row, identity: str, name: str = 'name') -> Entry:
    return Entry(identity, row.first_text(name),
                 row.first_number('createdAt', 'created_at', 'updatedAt', 'updated_at') or 0.0)


KINDS: Mapping[str, Kind] = {
    'dataset': Kind('dataset', 'reflex datasets list', _datasets),
    'deployment': Kind('deployment', 'reflex deployments list', _deployments),
    'model': Kind('model', 'reflex models list', _models),
    'robot': Kind('robot', 'reflex robots list', _robots),
    'schema': Kind('robot schema', 'reflex robots schemas', _schemas),
    'session': Kind('session', 'reflex sessions list', _sessions),
    'run': Kind('training run', 'reflex training list --all', _runs),
}
"""Kind -> how its resources are listed."""
