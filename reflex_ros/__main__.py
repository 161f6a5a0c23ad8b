# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m reflex_ros``: the ``reflex`` command."""

from reflex_ros.cli.main import entry

if __name__ == '__main__':
    entry()
