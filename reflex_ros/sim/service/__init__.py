# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The simulated Reflex service: one process, one port on 127.0.0.1, the real protocol.

It is written from the protocol reference alone and shares no code with ``reflex_ros.client``, so
that a client that works here has been checked by a second reading of the same facts.

Where to look: ``functions/`` holds the RPC functions, one module per noun; ``rpc`` the envelopes
around them; ``rest/`` the REST routes; ``upload_target`` where files go; ``tables`` what is
remembered, and ``store`` where it survives a restart; ``stream`` one action-stream connection;
``policies`` what the robot is told to do; ``faults`` every switch; ``admin`` the loopback endpoint
that throws them; ``server`` the process.
"""
