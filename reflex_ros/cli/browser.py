# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening a link in the browser of the desktop session, if there is one."""

from __future__ import annotations

from collections.abc import Mapping
import os
import subprocess
import sys
import threading
import webbrowser

from reflex_ros.domain import secret_variables

START_S = 2.0


def open_link(url: str) -> bool:
    """Try to open a link; return whether the opening program reported no error."""
    command = open_command(sys.platform, os.environ)
    if command is None:
        return False
    if not command:
        return webbrowser.open(url)
    try:
        started = subprocess.Popen(
            [*command, url], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
            env=secret_variables.without(os.environ))
    except OSError:
        return False
    try:
        return started.wait(START_S) == 0
    except subprocess.TimeoutExpired:
        # xdg-open can run as long as the browser that it started.
        threading.Thread(target=started.wait, daemon=True).start()
        return True


def open_command(platform: str, environment: Mapping[str, str]) -> list[str] | None:
    """
    Return the command that opens links (protocol reference, section b.3, step 4).

    :returns: an empty list for Python's own ``webbrowser``, None when there is no display.
    """
    if platform == 'darwin':
        return ['open']
    if not platform.startswith('linux'):
        return []
    has_display = environment.get('DISPLAY') or environment.get('WAYLAND_DISPLAY')
    return ['xdg-open'] if has_display else None
