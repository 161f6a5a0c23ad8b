# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a script opens a stream with (section d.1): settings to request, address and key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import math
from typing import TypedDict

from reflex_ros.client import credentials, endpoints, retry
from reflex_ros.client.credentials import Secret
from reflex_ros.client.stream_frames import OpenRequest

DEFAULT_PROMPT = 'do something'
DEFAULT_TIMEOUT_S = 30.0


class StreamSettings(TypedDict, total=False):
    """
    Settings of a stream beside its prompt, all of them optional.

    :param url: of the service: http(s) or ws(s). Default: REFLEX_ACTIONS_URL, REFLEX_API_URL, the
        host of the backend.
    :param api_key: default: REFLEX_API_KEY, then the credentials file of ``reflex login``.
    :param model: e.g. ``pi0.5``.
    :param lora: adapter, e.g. ``my-adapter@v1``.
    :param robot: e.g. ``so101``.
    :param action_adapter: ``so101_joint``, ``aloha_joint`` or ``pi_native``.
    :param cameras: names of the images that will come.
    :param hz: rate of the rows that we want [1/s].
    :param chunk_size: rows per chunk that we want.
    :param max_gpu_seconds: bound on what the session may cost [s of GPU].
    :param session_id: of a session that was authorized before.
    :param timeout: for one attempt to open (at most 15 s), and for one chunk [s]; 30.
    :param connect_retry_seconds: how long opening is retried [s], 0 tries once; default:
        REFLEX_WS_CONNECT_RETRY_SECONDS, then 90.
    :param on_retry: called before each wait between attempts.
    :param environment: where the variables are looked up; that of the process by default.
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
    Make the request from the settings.

    :raises TypeError: for a setting that does not exist, and for cameras that are one text.
    :raises ValueError: for a rate, a size or a time that is none.
    """
    if unknown := sorted(settings.keys() - StreamSettings.__annotations__.keys()):
        raise TypeError(f'a stream has no setting {", ".join(unknown)}; it has '
                        f'{", ".join(StreamSettings.__annotations__)}')
    cameras = settings.get('cameras', ())
    if isinstance(cameras, str):
        raise TypeError(f'cameras is a list of names; got the text {cameras!r}')
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
    Resolve address and key of the stream; no key for an address with a token (section d.2).

    :raises AuthenticationError: when there is no key.
    :raises ConfigurationError: for an address that is none, or an unsafe credentials file.
    """
    saved = credentials.load(credentials.path(environment))
    rpc_url = endpoints.rpc_url(None, environment, saved.convex_url)
    address = endpoints.actions_url(url, environment, rpc_url)
    given = api_key.reveal() if isinstance(api_key, Secret) else api_key
    if not given and endpoints.token_in(address):
        return address, None
    return address, credentials.api_key(given, environment, saved)


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and 0.0 < value < math.inf
