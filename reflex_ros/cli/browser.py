# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a link in the browser of whoever sits in front of this machine, if anybody does."""

from __future__ import annotations

from collections.abc import Mapping
import os
import subprocess
import sys
import threading
import webbrowser

START_S = 2.0


def opened(url: str) -> bool:
    """Try to open a link; say whether it worked as far as anybody can tell."""
    command = opener(sys.platform, os.environ)
    if command is None:
        return False
    if not command:
        return webbrowser.open(url)
    try:
        started = subprocess.Popen(
            [*command, url], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError:
        return False
    try:
        return started.wait(START_S) == 0
    except subprocess.TimeoutExpired:
        # It stays with the browser that it has started.
        threading.Thread(target=started.wait, daemon=True).start()
        return True


def opener(platform: str, environment: Mapping[str, str]) -> list[str] | None:
    """
    Choose the program that opens links (section b.3, step 4).

    :returns: its command; empty for the language's own helper, None when there is no display.
    """
    if platform == 'darwin':
        return ['open']
    if not platform.startswith('linux'):
        return []
    has_display = environment.get('DISPLAY') or environment.get('WAYLAND_DISPLAY')
    return ['xdg-open'] if has_display else None
