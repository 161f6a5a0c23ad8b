# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the simulated service: ``python -m reflex_ros.sim.service``."""

from __future__ import annotations

import os

from reflex_ros.sim.service.command import main

if __name__ == '__main__':
    # aiohttp reads all root certificates when it is imported (0.05 s), and we never use TLS.
    os.environ['SSL_CERT_FILE'] = os.devnull
    main()
