# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all parts of robot.yaml have in common, and parts that are made of node parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import keyword
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model, Field

from reflex_ros.config.parameters.spec import Spec

CLASS_PATH = r'^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$'
"""A class of the user: ``package.module:Class``."""


class Part(BaseModel):
    """A mapping in robot.yaml: every key is known, every value has its own type."""

    model_config = ConfigDict(extra='forbid', strict=True, frozen=True, allow_inf_nan=False)


class UserClass(BaseModel):
    """A class of the user, with the arguments of its constructor."""

    model_config = ConfigDict(extra='allow', strict=True, frozen=True)

    kind: str = Field(pattern=CLASS_PATH, description='Class to import: package.module:Class.')

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Keyword arguments of the constructor."""
        return self.model_extra or {}


class Settings(Part):
    """Values that a node reads as parameters."""

    def values(self) -> dict[str, Any]:
        """Return all values by the name of their parameter."""
        return self.model_dump(by_alias=True)

    def given(self) -> dict[str, Any]:
        """Return the values that stand in the file, by the name of their parameter."""
        return self.model_dump(by_alias=True, exclude_unset=True)


def settings_of(rows: Iterable[Spec], names: Mapping[str, str] | None = None) -> type[Settings]:
    """
    Make a part of robot.yaml from parameters of a node: same type, default and range.

    :param names: parameter -> key in robot.yaml, for those that have another name there.
    """
    fields: dict[str, Any] = {}
    for row in rows:
        key = (names or {}).get(row.name, row.name)
        unit = f' [{row.unit}]' if row.unit else ''
        bounds: dict[str, Any] = (
            {} if row.low is None else {'ge': row.low, 'le': row.high})
        default = list(row.default) if isinstance(row.default, list) else row.default
        attribute = key.replace('.', '_')
        fields[attribute + '_' * keyword.iskeyword(attribute)] = (_type(row), Field(
            default, alias=key, description=row.description + unit, **bounds))
    return create_model('Settings', __base__=Settings, **fields)


def _type(row: Spec) -> Any:
    if row.choices:
        return Literal[row.choices]
    return list[str] if isinstance(row.default, list) else type(row.default)
