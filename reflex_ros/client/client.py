# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The client for scripts: calls the functions of ``client.resources`` without asyncio."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from reflex_ros.client import retry
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.loop_thread import LoopThread

Parameters = ParamSpec('Parameters')
Result = TypeVar('Result')


class Reflex:
    """
    The service, for scripts: :meth:`call` runs one function and waits for its result.

    ::

        with Reflex() as reflex:
            for session in reflex.call(sessions.list_all, status='active'):
                print(session.session_id)

    Several threads may use one object at the same time. Arguments and errors are those of
    :class:`.AsyncReflex`.
    """

    def __init__(self, api_key: str | Secret | None = None, *, convex_url: str | None = None,
                 api_url: str | None = None, infer_url: str | None = None,
                 site_url: str | None = None, environment: Mapping[str, str] | None = None,
                 is_anonymous: bool = False, window_s: float | None = None,
                 on_retry: Callable[[retry.Attempt], None] | None = None) -> None:
        self._service = AsyncReflex(
            api_key, convex_url=convex_url, api_url=api_url, infer_url=infer_url,
            site_url=site_url, environment=environment, is_anonymous=is_anonymous,
            window_s=window_s, on_retry=on_retry)
        self._loop = LoopThread('Reflex')
        self._is_closed = False

    def __enter__(self) -> Reflex:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def call(self, function: Callable[Concatenate[AsyncReflex, Parameters],
                                      Coroutine[Any, Any, Result]],
             *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        """
        Call a function of ``client.resources``, without its first argument.

        Blocks until the function returns. Ctrl-C cancels it; a request that was sent before then
        may still take effect.

        :returns: the function's result.
        :raises ServiceError: if the function raises it.
        :raises RuntimeError: after ``close``, and in a thread that runs an event loop.
        """
        return self._loop.run(function(self._service, *args, **kwargs))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        if not self._is_closed:
            self._is_closed = True
            try:
                self._loop.run(self._service.close())
            finally:
                self._loop.close()
