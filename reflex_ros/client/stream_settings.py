# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of an action stream in a script (section d.1); makes request, URL and key of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import math
from typing import TypedDict

from reflex_ros.client import access, endpoints, retry
from reflex_ros.client.credentials import Secret
from reflex_ros.client.stream_frames import OpenRequest

DEFAULT_PROMPT = 'do something'
DEFAULT_TIMEOUT_S = 30.0


class StreamSettings(TypedDict, total=False):
    """
    Settings of a stream; all are optional.

    :param url: http, https, ws or wss URL of the service. Default: REFLEX_ACTIONS_URL,
        REFLEX_API_URL, the host of the RPC backend.
    :param api_key: default: REFLEX_API_KEY, then the credentials file of ``reflex login``.
    :param model: base model, e.g. ``pi0.5``.
    :param lora: LoRA adapter of the model, e.g. ``my-adapter@v1``.
    :param robot: kind of robot, e.g. ``so101``.
    :param action_adapter: layout and units of the rows: ``so101_joint``, ``aloha_joint`` or
        ``pi_native``.
    :param cameras: names of the cameras whose images the observations contain.
    :param hz: requested rate of the rows [Hz].
    :param chunk_size: requested rows per chunk.
    :param max_gpu_seconds: limit for the cost of the session [GPU seconds].
    :param session_id: id of a session that was authorized before; it stays open afterwards.
    :param timeout: limit for one chunk, and for one attempt to open, there at most 15 [s];
        default: 30.
    :param connect_retry_seconds: how long opening is retried [s]; 0 tries once. Default:
        REFLEX_WS_CONNECT_RETRY_SECONDS, then 90.
    :param on_retry: called before each wait between attempts.
    :param environment: environment variables; default: those of the process.
    """

    url: str | None
    api_key: str | Secret | None
    model: str | None
    lora: str | None
    robot: str | None
    action_adapter: str | None
    cameras: Sequence[str]
    hz: float | None
    chunk_size: int | None
    max_gpu_seconds: float | None
    session_id: str
    timeout: float
    connect_retry_seconds: float | None
    on_retry: Callable[[retry.Attempt], None] | None
    environment: Mapping[str, str] | None


def request(prompt: str, settings: StreamSettings) -> OpenRequest:
    """
    Check the settings, and make the request that opens a session.

    :raises TypeError: for an unknown setting, and if ``cameras`` is one text instead of a list.
    :raises ValueError: if a rate, a size or a time is not a positive number.
    """
    if unknown := sorted(settings.keys() - StreamSettings.__annotations__.keys()):
        raise TypeError(f'a stream has no setting {", ".join(unknown)}; it has '
                        f'{", ".join(StreamSettings.__annotations__)}')
    cameras = settings.get('cameras', ())
    if isinstance(cameras, str):
        raise TypeError(f'cameras must be a list of names, got the text {cameras!r}')
    values: Mapping[str, object] = settings
    for name in ('hz', 'chunk_size', 'max_gpu_seconds', 'timeout', 'connect_retry_seconds'):
        value = values.get(name, 1)
        may_be_zero = value == 0 and name == 'connect_retry_seconds'
        if value is not None and not (may_be_zero or _is_positive(value)):
            raise ValueError(f'{name} must be a positive number, got {value!r}')
    return OpenRequest(
        prompt, session_id=settings.get('session_id', ''), model=settings.get('model'),
        lora=settings.get('lora'), robot=settings.get('robot'),
        action_adapter=settings.get('action_adapter'), cameras=tuple(cameras),
        hz=settings.get('hz'), chunk_size=settings.get('chunk_size'),
        max_gpu_seconds=settings.get('max_gpu_seconds'))


def destination(url: str | None, api_key: str | Secret | None,
                environment: Mapping[str, str]) -> tuple[str, Secret | None]:
    """
    Resolve URL and API key of a stream; a URL with a token needs no key (section d.2).

    :raises AuthenticationError: if no API key is found.
    :raises ConfigurationError: if the URL is not valid, or others can read the credentials file.
    """
    found = access.resolve(environment, api_key=api_key, is_anonymous=True)
    address = endpoints.actions_url(url, environment, found.rpc_url)
    if not api_key and endpoints.token_in(address):
        return address, None
    return address, access.for_stream(environment, address, api_key=api_key)


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and 0.0 < value < math.inf
