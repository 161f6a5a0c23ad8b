# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files that a user has named for the output of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reflex_ros.errors import ConfigurationError


@contextmanager
def writing(path: Path, option: str) -> Iterator[None]:
    """
    Write a file within the block.

    :param option: names the file on the command line.
    :raises ConfigurationError: if the file cannot be written; names the option.
    """
    try:
        yield
    except OSError as exc:
        raise ConfigurationError(f'{path} cannot be written: {exc.strerror or exc}. Choose '
                                 f'another file with {option}') from exc
