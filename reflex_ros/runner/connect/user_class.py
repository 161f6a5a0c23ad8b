# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classes of a user, named as ``package.module:Class`` in a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
import sys
from typing import Any

from reflex_ros.errors import ConfigurationError


def make(path: str, arguments: Mapping[str, Any], what: str, folder: Path | None = None) -> Any:
    """
    Import a class and make an object of it.

    :param path: ``package.module:Class``.
    :param arguments: keyword arguments of the constructor.
    :param what: the setting that names it, for errors.
    :param folder: searched for modules too, after everything else: where the configuration is.
    :raises ConfigurationError: when there is no such class, or it refuses the arguments.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    module_name, _, names = path.partition(':')
    try:
        found: Any = import_module(module_name)
        for name in names.split('.'):
            found = getattr(found, name)
    except ImportError as exc:
        raise ConfigurationError(
            f'{what}: cannot import {module_name}: {exc}. Install it, or put its file next to the '
            'configuration') from exc
    except AttributeError as exc:
        raise ConfigurationError(f'{what}: {exc}. Correct the name behind the colon') from exc
    try:
        return found(**arguments)
    except TypeError as exc:
        # An argument that the constructor does not know ends up here too.
        raise ConfigurationError(f'{what}: {path} cannot be made: {exc}. Correct its '
                                 'arguments') from exc
