# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects inside arguments, held against a table like the arguments themselves."""

from __future__ import annotations

import json

from reflex_ros.sim.service.http.functions.base import Args, ArgumentError, check_args, Types
from reflex_ros.sim.service.refusals import Reason, Refusal


def check_object(
    value: object, name: str, required: Types, optional: Types | None = None
) -> Args:
    """
    Check one object.

    :param name: of the argument that it is in.
    :raises Refusal: ``invalid_parameters``, naming the argument.
    """
    if not isinstance(value, dict):
        raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must hold objects')
    try:
        return check_args(value, required, optional or {})
    except ArgumentError as exc:
        raise Refusal(Reason.INVALID_PARAMETERS, f'{name}: {exc}') from exc


def check_objects(
    args: Args, name: str, most: int, required: Types, optional: Types | None = None
) -> list[Args]:
    """
    Check an argument that is a list of objects.

    :param most: how many it may hold.
    :raises Refusal: ``invalid_parameters``, naming the argument.
    """
    items = args.items(name)
    if len(items) > most:
        raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must have at most {most} entries')
    return [check_object(item, name, required, optional) for item in items]


def json_object_text(args: Args, name: str) -> str:
    """
    Return a text argument that must hold a JSON object; it is kept as the client wrote it.

    :raises Refusal: ``invalid_parameters``, naming the argument.
    """
    text = args.text(name)
    try:
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise Refusal(Reason.INVALID_PARAMETERS, f'{name} must hold a JSON object')
    return text
