# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The simulated Reflex service: one process, one port on 127.0.0.1, the real protocol.

It is written from the protocol reference alone and shares no code with ``reflex_ros.client``, so
that a client that works here has been checked by a second reading of the same facts.

Where to look: ``http`` serves RPC, REST, uploads, the dashboard and the admin endpoint; ``stream``
one action-stream connection; ``oneshot`` inference without a stream; ``policy`` decides what the
robot is told to do; ``resources`` holds state and calls of each noun, and ``calls`` declares the
calls; ``storage`` keeps the state over a restart; ``faults`` is every fault that can be switched
on; ``context`` is what all parts share, ``state`` wires them, and ``server`` is the process.
"""
