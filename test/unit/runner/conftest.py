# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The builders of the domain tests serve here too."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parents[1] / 'domain'))
