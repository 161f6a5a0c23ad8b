# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``view``, the page of ``reflex view``."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (
    Spec('host', '127.0.0.1', 'Address to listen on. Another one than 127.0.0.1 lets other '
         'machines that know the token look, and drive the arm.'),
    Spec('port', 8765, 'Port to listen on; 0 is any free one.', '', 0, 65535),
    Spec('as_json', False, 'Print the address, or why there is none, as one JSON document.'),
)
