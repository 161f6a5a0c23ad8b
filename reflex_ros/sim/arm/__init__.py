# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated SO-101 arm: six STS3215 servos behind a pseudo-terminal, in a process of its own.

Bytes go up through :mod:`framing` (what is a frame), :mod:`bus` (who answers, and when),
:mod:`servo` (what a register does) and :mod:`plant` (how the joints move); :mod:`host` owns the
pseudo-terminal and the clock, :mod:`control` a socket through which tests watch and disturb.
Everything below ``host`` takes the time as an argument. Nothing is shared with the driver but the
register table, so that an error in the driver's codec cannot cancel out here.
"""
