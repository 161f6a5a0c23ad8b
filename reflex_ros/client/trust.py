# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The certificate authorities that are trusted: one list for requests, uploads and streams.

The list is that of the system, which ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` replace as for every
program that uses OpenSSL, and the list that httpx brings along.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
import os
import ssl

from reflex_ros.client.http import httpx
from reflex_ros.errors import ConfigurationError, ServiceProtocolError

FILE, FOLDER = 'SSL_CERT_FILE', 'SSL_CERT_DIR'


def context() -> ssl.SSLContext:
    """
    Return the settings of TLS, with the trusted authorities.

    :raises ConfigurationError: if ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` cannot be used; OpenSSL
        alone would ignore that.
    """
    return _context(os.environ.get(FILE, ''), os.environ.get(FOLDER, ''))


# Loading the lists takes tens of milliseconds.
@lru_cache(maxsize=4)
def _context(file: str, folder: str) -> ssl.SSLContext:
    made = httpx.create_ssl_context(trust_env=False)
    if not file and not folder:
        made.set_default_verify_paths()
        return made
    if folder and not os.path.isdir(folder):
        raise ConfigurationError(f'{FOLDER} names {folder}, which is not a folder. Fix or unset '
                                 f'{FOLDER}')
    try:
        made.load_verify_locations(file or None, folder or None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(f'{FILE} names {file}, which is not a readable list of '
                                 f'certificates ({exc.strerror or exc}). Fix or unset '
                                 f'{FILE}') from exc
    return made


def distrust(place: str, exc: BaseException) -> ServiceProtocolError | None:
    """Return the error for a host whose certificate is not valid; None for another failure."""
    for cause in causes(exc):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ServiceProtocolError(
                f'{place}: the certificate of the host is not trusted '
                f'({cause.verify_message}). The API key is not sent to it. Check the address; if '
                f'your network has an authority of its own, name its file in {FILE}')
    return None


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error, then its causes."""
    cause: BaseException | None = exc
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
