# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How rows look on the wire: the id under three names, and nothing that is unknown (i.1)."""

from __future__ import annotations

from collections.abc import Mapping


def ids(name: str, row_id: str) -> dict[str, object]:
    """Return an id under every name that clients look for, typed one included."""
    return {'_id': row_id, 'id': row_id, name: row_id}


def given(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields that are known: neither None nor an empty text."""
    return {name: value for name, value in fields.items() if value not in ('', None)}
