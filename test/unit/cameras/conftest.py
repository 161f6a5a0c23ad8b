# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the builders here importable: in importlib mode pytest adds no folder to the path."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).parent))
