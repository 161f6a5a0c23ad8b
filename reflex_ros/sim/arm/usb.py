# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The adapter's USB side: the time at which a reply on the line reaches the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reflex_ros.sim.arm.settings import Usb

_PACKET_BYTES = 64
_PAUSE_NS = 300_000
_FRAME_NS = {Usb.CDC_1MS: 1_000_000, Usb.FTDI_16MS: 16_000_000}


class Delivery(NamedTuple):
    """Bytes for the client, and the time at which they arrive."""

    due_ns: int
    data: bytes


def schedule(replies: Sequence[Delivery], usb: Usb) -> list[Delivery]:
    """
    Return the replies to one request with the times at which they reach the client.

    :param replies: in the order of the line, each with the time at which it is complete there.
    """
    if usb is Usb.NONE:
        return list(replies)
    if usb is Usb.BULK:
        return _in_packets(replies)
    frame_ns = _FRAME_NS[usb]
    return [Delivery(due_ns + -due_ns % frame_ns, data) for due_ns, data in replies]


def _in_packets(replies: Sequence[Delivery]) -> list[Delivery]:
    """Delay each reply to the end of its USB packet, like the CH343 of most boards."""
    packets: list[list[Delivery]] = []
    size = 0
    for reply in replies:
        size += len(reply.data)
        pause_ns = reply.due_ns - packets[-1][-1].due_ns if packets else -1
        if size > _PACKET_BYTES or not 0 <= pause_ns <= _PAUSE_NS:
            packets.append([])
            size = len(reply.data)
        packets[-1].append(reply)
    return [Delivery(packet[-1].due_ns, reply.data) for packet in packets for reply in packet]
