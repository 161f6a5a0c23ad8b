# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The network between us and the simulated service: a TCP relay that can be cut or go silent.

It runs its own thread, moves bytes and understands none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
import contextlib
import socket
import struct
import threading
from typing import Any

_RESET_ON_CLOSE = struct.pack('ii', 1, 0)


class Link:
    """
    Relay 127.0.0.1:``port`` to 127.0.0.1:``target``.

    :param target: port of the service.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._up.set()
        self._down.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5.0)
        """Where to connect to."""

    def cut(self) -> None:
        """Reset every connection (RST) and refuse new ones."""
        self._run(self._cut())

    def silence(self, *, up: bool = True, down: bool = True) -> None:
        """
        Keep the connections open and deliver nothing more.

        :param up: on the way to the service.
        :param down: on the way back.
        """
        self._run(self._set_flowing(up=not up, down=not down))

    def restore(self) -> None:
        """Accept and deliver again; what was cut stays cut."""
        self._is_cut = False
        self._run(self._set_flowing(up=True, down=True))

    def close(self) -> None:
        """End the relay; may be called twice."""
        if self._thread.is_alive():
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2.0)
            self._loop.close()

    def _run(self, job: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(job, self._loop).result(5.0)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, '127.0.0.1', 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._set_flowing(up=True, down=True)
        await self._cut()
        # One more turn for the transports, so that their sockets are really closed.
        await asyncio.sleep(0)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            raw = writer.get_extra_info('socket')
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()
        self._writers.clear()

    async def _set_flowing(self, *, up: bool, down: bool) -> None:
        for event, flows in ((self._up, up), (self._down, down)):
            (event.set if flows else event.clear)()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection('127.0.0.1', self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer, self._up),
                             self._pump(far_reader, writer, self._down))
        self._writers -= {writer, far_writer}

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                    flowing: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
