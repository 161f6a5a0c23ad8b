# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``-v`` adds: our own logs on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import logging

FORM = '%(asctime)s [%(levelname)s] %(name)s: %(message)s'


@contextmanager
def logs() -> Iterator[None]:
    """
    Show what our own loggers say, and nobody else's.

    The logs of httpx and websockets hold headers, and a header holds the key.
    """
    logger = logging.getLogger('reflex_ros')
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORM))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
