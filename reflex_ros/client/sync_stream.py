# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The action stream for scripts: without asyncio, with the documented constructor (d.1)."""

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
"""What :func:`infer_actions` takes out of the observation to open its stream with (d.7)."""


class ActionStream:
    """
    One stream: observations up, action chunks down.

    ::

        with ActionStream('pick up the cube', robot='so101') as stream:
            stream.send_observation(state, {'front': jpeg})
            for row in stream.recv_action().rows:
                ...

    A stream that failed, or whose receive timed out, is of no use any more: open a new one.

    :param prompt: the task.
    :param settings: url, api_key, model, lora, robot, action_adapter, cameras, hz, chunk_size,
        max_gpu_seconds, session_id, timeout, connect_retry_seconds; :class:`.StreamSettings` says
        what each is.
    :raises AuthenticationError: when there is no key in argument, environment or file.
    :raises ConfigurationError: for an address that is none, or an unsafe credentials file.
    """

    def __init__(self, prompt: str, **settings: Unpack[StreamSettings]) -> None:
        self._stream = AsyncActionStream.for_task(prompt, **settings)
        self._loop: LoopThread | None = None

    def __enter__(self) -> ActionStream:
        """Open the stream."""
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the stream."""
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether it was opened, and not closed by us."""
        return self._loop is not None

    @property
    def session_id(self) -> str:
        """What the service calls the session; before it is open, what was asked for."""
        return self._stream.session_id

    @property
    def ready(self) -> Mapping[str, Any]:
        """Everything that ``session.ready`` said; empty before."""
        return self._stream.ready

    @property
    def open_timing(self) -> Mapping[str, float]:
        """
        How long opening took, in milliseconds; of the attempt that succeeded, empty before.

        ``tcp_ms``, ``tls_ms`` and ``websocket_upgrade_ms`` make ``connect_ms``; that and
        ``session_ready_ms`` make ``open_ms``.
        """
        return self._stream.open_timing

    @property
    def skipped(self) -> Sequence[ChunkRejected]:
        """What :meth:`recv_action` passed over, the newest last."""
        return tuple(self._stream.skipped)

    def open(self) -> None:
        """
        Open the stream; does nothing when it is open.

        :raises AuthenticationError: when the key is refused.
        :raises ServiceError: as :meth:`.AsyncActionStream.open`.
        :raises RuntimeError: in a thread that runs an event loop, as all methods here.
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
        """Send one observation; arguments, result and errors as the asyncio stream's."""
        return self._opened().run(self._stream.send_observation(
            state, images, prompt=prompt, seq=seq, capture_time_ns=capture_time_ns, extra=extra))

    def send_raw(self, fields: Mapping[str, object]) -> int:
        """Send the fields of a mapping; arguments, result and errors as the asyncio stream's."""
        return self._opened().run(self._stream.send_raw(fields))

    def recv_action(self, timeout: float | None = None, *, seq: int | None = None) -> ChunkFrame:
        """
        Return the next action chunk.

        :param timeout: deadline of this call [s]; the stream's own when None.
        :param seq: the observation that it must answer; None takes any chunk.
        :raises ServiceUnavailable: when the deadline passes.
        :raises ServiceError: when the service reports an error or the stream ends.
        """
        return self._opened().run(self._stream.recv_action(timeout, seq=seq))

    def close(self) -> None:
        """Say good-bye and close; may be called twice, and never raises for a dead link."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            loop.run(self._stream.close())
        finally:
            loop.close()

    def _opened(self) -> LoopThread:
        if self._loop is None:
            raise StreamClosed('ActionStream is not open.')
        return self._loop


def infer_actions(observation: Mapping[str, Any], url: str | None = None,
                  api_key: str | None = None, timeout: float = 30.0) -> ChunkFrame:
    """
    Open a stream, send one observation, return its chunk, close (section d.7).

    :param observation: ``state``, ``images`` and whatever else the frame shall carry; ``prompt``,
        ``model``, ``lora``, ``cameras``, ``hz``, ``chunk_size``, ``max_gpu_seconds`` and
        ``session_id`` also open the session.
    :param timeout: for one attempt to open, and for the chunk [s].
    :raises ServiceError: as :class:`ActionStream`.
    """
    settings: dict[str, Any] = {name: observation[name] for name in ONE_SHOT
                                if observation.get(name) is not None}
    with ActionStream(observation.get('prompt', DEFAULT_PROMPT), url=url, api_key=api_key,
                      timeout=timeout, **settings) as stream:
        return stream.recv_action(seq=stream.send_raw(observation))
