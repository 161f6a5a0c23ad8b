# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated SO-101 arm: six STS3215 servos behind a pseudo-terminal, in a process of its own.

Bytes from the client pass through :mod:`framing` (find the frames), :mod:`bus` (which servo
answers, and when), :mod:`servo` (what a register does) and :mod:`plant` (how the joints move).
:mod:`host` owns the pseudo-terminal and the clock. :mod:`control` serves the socket through which
tests read the true state and switch faults. Every module below ``host`` gets the time as an
argument. The simulation shares only the register table with the driver, so an error in the
driver's codec cannot cancel itself out here.
"""
