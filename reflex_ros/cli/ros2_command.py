# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``ros2 reflex``: the ``reflex`` command for those who think in ``ros2``."""

from __future__ import annotations

import argparse
import sys
from typing import Any


class ReflexCommand:
    """
    Drive the running graph, and everything else that `reflex` does.

    What ``ros2cli.command.CommandExtension`` asks for, without deriving from it: the package works
    without ros2cli.
    """

    NAME = 'reflex'
    EXTENSION_POINT_VERSION = '0.1'

    def add_arguments(self, parser: argparse.ArgumentParser, cli_name: str,
                      *, argv: list[str] | None = None) -> None:
        """Leave every word after ``reflex``, also ``--help``, to the command itself."""
        # Without an option of its own, argparse would read the words that begin with a dash.
        parser.prefix_chars = '\0'
        parser.add_argument('words', nargs=argparse.REMAINDER)

    def main(self, *, parser: argparse.ArgumentParser, args: Any) -> int:
        """Run the command; its exit code is that of ``ros2``."""
        from reflex_ros.cli.main import main

        before, sys.argv = sys.argv, ['ros2 reflex', *args.words]
        try:
            main()
        except SystemExit as exc:
            return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
        finally:
            sys.argv = before
        return 0
