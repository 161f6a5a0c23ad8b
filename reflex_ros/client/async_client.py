# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The client for asyncio: one API key, the URLs of the service, the connections to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
import os
from types import TracebackType

from reflex_ros.client import access, endpoints, retry
from reflex_ros.client.credentials import Credentials, Secret
from reflex_ros.client.rest import RestClient
from reflex_ros.client.rpc import RpcClient
from reflex_ros.client.transport import Transport


class AsyncReflex:
    """
    The service, as the functions in ``client.resources`` expect it as their first argument.

    API key and URLs are resolved in the documented order: argument, environment, credentials
    file, default (sections a.2 and b.1). Nothing is sent before the first call.

    :param site_url: URL of the dashboard; resolved at its first use, because few calls need it.
    :param saved: content of the credentials file; None reads the file.
    :param is_anonymous: work without an API key, for the functions that need none.
    :param window_s: how long a repeatable request is retried [s]; None means 20.
    :param on_retry: called before each wait between attempts.
    :raises AuthenticationError: if no API key is found.
    :raises ConfigurationError: if a URL is not valid, or others can read the credentials file.
    """

    def __init__(self, api_key: str | Secret | None = None, *, convex_url: str | None = None,
                 api_url: str | None = None, infer_url: str | None = None,
                 site_url: str | None = None,
                 environment: Mapping[str, str] | None = None,
                 saved: Credentials | None = None, is_anonymous: bool = False,
                 window_s: float | None = None,
                 on_retry: Callable[[retry.Attempt], None] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self.access = access.resolve(environment, api_key=api_key, convex_url=convex_url,
                                     saved=saved, is_anonymous=is_anonymous)
        self.key, rpc_url = self.access.key, self.access.rpc_url
        self._rest_url = endpoints.api_url(api_url, environment, rpc_url)
        self._infer_url = endpoints.infer_url(infer_url, environment, rpc_url)
        self.transport = Transport(window_s=window_s, on_retry=on_retry, environment=environment)
        self.rpc = RpcClient(self.transport, rpc_url, self.key)
        self._site = (site_url, environment, self.access.saved_site)

    @cached_property
    def rest(self) -> RestClient:
        """
        The REST endpoints.

        :raises AuthenticationError: if they are at an address that the key is not for.
        """
        return RestClient(self.transport, self._rest_url, self.access.key_for(self._rest_url))

    @cached_property
    def inference(self) -> RestClient:
        """The endpoint for single inferences; errors as in :attr:`rest`."""
        return RestClient(self.transport, self._infer_url, self.access.key_for(self._infer_url),
                          name='Reflex inference')

    @property
    def site_url(self) -> str:
        """
        Base URL of the dashboard.

        :raises ConfigurationError: if the URL is not valid.
        """
        return endpoints.site_url(*self._site)

    async def __aenter__(self) -> AsyncReflex:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; may be called twice."""
        await self.transport.close()
