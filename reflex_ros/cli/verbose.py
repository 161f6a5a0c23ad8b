# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The logs that ``-v`` writes to stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import logging

from reflex_ros.client.credentials import hide_known

FORM = '%(asctime)s [%(levelname)s] %(name)s: %(message)s'


class Formatter(logging.Formatter):
    """Formats records, with their tracebacks, and hides every secret in them."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        return hide_known(super().format(record))


@contextmanager
def logs(level: int = logging.DEBUG, form: str = FORM,
         handler: logging.Handler | None = None) -> Iterator[None]:
    """
    Write the logs of this package to stderr, and of no other package.

    The logs of httpx and websockets contain headers, and a header contains the API key.

    :param level: least important records that are written.
    :param form: format of a line.
    :param handler: takes the records in place of stderr.
    """
    logger = logging.getLogger('reflex_ros')
    handler = handler or logging.StreamHandler()
    handler.setFormatter(Formatter(form))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
