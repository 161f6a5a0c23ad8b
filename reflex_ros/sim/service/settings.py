# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be set about the simulated service, at start and while it runs."""

from __future__ import annotations

import random

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """
    The tunable values of one service process; replaced as a whole, never changed in place.

    The command line has an option for each; durations end in ``_s`` or ``_ms``.

    :param key: the one API key that is accepted.
    :raises ValueError: when a value is out of its range.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra='forbid', allow_inf_nan=False)

    key: str = Field('rfx_sim', min_length=1)
    latency_ms: float = Field(
        20.0, ge=0.0, le=600e3, description='Duration of one inference in milliseconds.')
    jitter_ms: float = Field(
        0.0, ge=0.0, le=600e3,
        description='Largest random extra duration of an inference in milliseconds.')
    hz: float = Field(
        30.0, ge=0.1, le=1e3, description='Rows per second, if the client requests no rate.')
    chunk_size: int = Field(
        50, ge=1, le=1000, description='Rows per chunk, if the client requests no size.')
    expiry_s: float = Field(
        1800.0, ge=0.0, le=1e9, description='Seconds until a session expires.')
    seed: int = Field(
        0, ge=-2**63, le=2**63 - 1,
        description='Seed of the random generator for jitter and policies.')
    inpaint: int = Field(1, ge=0, le=1, description=(
        'Announce action_prefix in session.ready, and begin chunks with it; 0: do not.'))
    disagreement: float = Field(0.0, ge=0.0, le=90.0, description=(
        'Random offset of each chunk in degrees and percent, as standard deviation.'))
    ping_s: float = Field(0.0, ge=0.0, le=3600.0, description=(
        'Seconds between pings on the action stream; 0 sends none.'))
    queue_s: float = Field(
        5.0, ge=0.0, le=1e9, description='Seconds for which a training run is queued.')
    provision_s: float = Field(
        15.0, ge=0.0, le=1e9, description='Seconds for which a training run is provisioned.')
    train_s: float = Field(
        100.0, ge=0.0, le=1e9, description='Seconds for which a training run is running.')
    pull_s: float = Field(
        10.0, ge=0.0, le=1e9, description='Seconds that the import of a model takes.')
    balance_usd: float = Field(
        100.0, ge=-1e9, le=1e9,
        description='Balance of the organisation in USD; below 5 nothing starts.')

    def latency_s(self, rng: random.Random) -> float:
        """Return how long one inference takes, jitter included."""
        return (self.latency_ms + rng.uniform(0.0, self.jitter_ms)) * 1e-3

    def changed(self, changes: dict[str, object]) -> Settings:
        """Make a copy with some values replaced; ``ValueError`` on an unknown or bad one."""
        return Settings.model_validate(self.model_dump() | changes)

    def to_json(self) -> dict[str, object]:
        """Return every value but the key, for ``/admin/state``."""
        return self.model_dump(exclude={'key'})
