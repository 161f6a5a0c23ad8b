# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The API keys by their public names, and the model that each serves (protocol i.7)."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.tables import Table

OWN_KEY = 'key_sim'


@dataclass(slots=True)
class Key:
    """
    One key; the secret itself is not here.

    :param model_id: what ``/v1/infer`` serves to it, empty for the base model.
    """

    id: str
    name: str
    model_id: str = ''


class Keys:
    """Every key: so far the service's own."""

    def __init__(self) -> None:
        """Start with the key that the service accepts."""
        self.table = Table(Key, Reason.KEY_NOT_FOUND)
        self.table.add(Key(OWN_KEY, 'simulated key'))

    def bind(self, key_id: str, model_id: str) -> Key:
        """
        Let a key serve a model, or the base model again when the id is empty.

        :raises Refusal: ``key_not_found``.
        """
        key = self.table.get(key_id)
        key.model_id = model_id
        return key

    def unbind_model(self, model_id: str) -> None:
        """Let nobody serve a model that is gone."""
        for key in self.table.all():
            if key.model_id == model_id:
                key.model_id = ''
