# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The action stream for scripts, without asyncio; constructor as documented (section d.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TYPE_CHECKING

from reflex_ros.client.action_stream import AsyncActionStream
from reflex_ros.client.loop_thread import LoopThread
from reflex_ros.client.stream_frames import Image
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.client.stream_settings import DEFAULT_PROMPT, StreamSettings
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.errors import StreamClosed

if TYPE_CHECKING:
    from typing_extensions import Unpack

ONE_SHOT = ('model', 'lora', 'cameras', 'hz', 'chunk_size', 'max_gpu_seconds', 'session_id')
"""Fields of an observation with which :func:`infer_actions` opens its stream (section d.7)."""


class ActionStream:
    """
    One stream: observations up, action chunks down.

    ::

        with ActionStream('pick up the cube', robot='so101') as stream:
            stream.send_observation(state, {'front': jpeg})
            for row in stream.recv_action().rows:
                ...

    Do not use a stream again after it failed or a receive timed out: open a new one. All methods
    block, and raise RuntimeError in a thread that runs an event loop.

    :param prompt: the task.
    :param settings: url, api_key, model, lora, robot, action_adapter, cameras, hz, chunk_size,
        max_gpu_seconds, session_id, timeout, connect_retry_seconds; see :class:`.StreamSettings`.
    :raises AuthenticationError: if there is no API key in argument, environment and file.
    :raises ConfigurationError: if the URL is not valid, or others can read the credentials file.
    :raises TypeError: for an unknown setting.
    :raises ValueError: if a rate, a size or a time is not a positive number.
    """

    def __init__(self, prompt: str, **settings: Unpack[StreamSettings]) -> None:
        self._stream = AsyncActionStream.for_task(prompt, **settings)
        self._loop: LoopThread | None = None

    def __enter__(self) -> ActionStream:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether ``open`` succeeded and ``close`` was not called since."""
        return self._loop is not None

    @property
    def session_id(self) -> str:
        """Id of the session from the service; before it is open, the requested one."""
        return self._stream.session_id

    @property
    def ready(self) -> Mapping[str, Any]:
        """All fields of ``session.ready``; empty before the stream is open."""
        return self._stream.ready

    @property
    def open_timing(self) -> Mapping[str, float]:
        """
        Duration of each step of the successful attempt to open [ms]; empty before.

        ``tcp_ms`` + ``tls_ms`` + ``websocket_upgrade_ms`` = ``connect_ms``;
        ``connect_ms`` + ``session_ready_ms`` = ``open_ms``.
        """
        return self._stream.open_timing

    @property
    def skipped(self) -> Sequence[ChunkRejected]:
        """Frames that :meth:`recv_action` skipped, the newest last."""
        return tuple(self._stream.skipped)

    def open(self) -> None:
        """
        Open the stream; does nothing if it is open.

        Blocks at most for the retry window and one attempt, by default 90 s + 15 s.

        :raises AuthenticationError: if the service refuses the key.
        :raises ServiceError: as in :meth:`.AsyncActionStream.open`.
        """
        if self._loop is not None:
            return
        loop = LoopThread('ActionStream')
        try:
            loop.run(self._stream.open())
        except BaseException:
            loop.close()
            raise
        self._loop = loop

    def send_observation(self, state: Sequence[float],
                         images: Mapping[str, Image] | None = None, *,
                         prompt: str | None = None, seq: int | None = None,
                         capture_time_ns: int | None = None,
                         extra: Mapping[str, object] | None = None) -> int:
        """
        Send one observation, as :meth:`.AsyncActionStream.send_observation` does.

        Blocks without a limit while the service does not read and the send buffer is full.
        """
        return self._opened().run(self._stream.send_observation(
            state, images, prompt=prompt, seq=seq, capture_time_ns=capture_time_ns, extra=extra))

    def send_raw(self, fields: Mapping[str, object]) -> int:
        """Send one observation, as :meth:`.AsyncActionStream.send_raw` does."""
        return self._opened().run(self._stream.send_raw(fields))

    def recv_action(self, timeout: float | None = None, *, seq: int | None = None) -> ChunkFrame:
        """
        Return the next action chunk; blocks at most ``timeout``.

        :param timeout: limit for this call [s]; None uses the limit of the stream.
        :param seq: number of the observation that the chunk must answer; None accepts any chunk.
        :raises ServiceUnavailable: if the limit passes.
        :raises ServiceError: if the service reports an error or the stream ends.
        """
        return self._opened().run(self._stream.recv_action(timeout, seq=seq))

    def close(self) -> None:
        """
        Send the closing frame and close; may be called twice. A dead link raises nothing.

        Blocks at most about half a second.
        """
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            loop.run(self._stream.close())
        finally:
            loop.close()

    def _opened(self) -> LoopThread:
        if self._loop is None:
            raise StreamClosed('ActionStream is not open. Call open first')
        return self._loop


def infer_actions(observation: Mapping[str, Any], url: str | None = None,
                  api_key: str | None = None, timeout: float = 30.0) -> ChunkFrame:
    """
    Open a stream, send one observation, return its chunk, and close (section d.7).

    :param observation: ``state``, ``images`` and other fields of the frame. ``prompt``,
        ``model``, ``lora``, ``cameras``, ``hz``, ``chunk_size``, ``max_gpu_seconds`` and
        ``session_id`` are also used to open the session.
    :param timeout: limit for one attempt to open, and for the chunk [s].
    :raises ServiceError: as in the methods of :class:`ActionStream`.
    """
    settings: dict[str, Any] = {name: observation[name] for name in ONE_SHOT
                                if observation.get(name) is not None}
    with ActionStream(observation.get('prompt', DEFAULT_PROMPT), url=url, api_key=api_key,
                      timeout=timeout, **settings) as stream:
        return stream.recv_action(seq=stream.send_raw(observation))
