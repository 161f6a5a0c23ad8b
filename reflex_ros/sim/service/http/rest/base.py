# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a REST route is: its method and path, the fields of its body, its handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reflex_ros.sim.service.http.functions.base import Args, Types, Value

if TYPE_CHECKING:
    from reflex_ros.sim.service.state import ServiceState


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request that has passed the checks of key and body.

    :param key_id: public name of the key that asks.
    :param params: the named parts of the path.
    :param query: what stands behind the question mark; the last one of a name counts.
    """

    key_id: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Args


@dataclass(frozen=True, slots=True)
class Route:
    """
    One row of the route table.

    :param path: with named parts in braces, ``/v1/datasets/{id}``.
    :param handler: makes the JSON object of the answer. Raises ``Refusal`` to say no.
    :param required: field of the JSON body -> type.
    :param optional: field of the JSON body -> type; null counts as absent.
    """

    method: str
    path: str
    handler: Callable[[ServiceState, Request], Value]
    required: Types = field(default_factory=dict)
    optional: Types = field(default_factory=dict)
