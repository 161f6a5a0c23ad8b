# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Find the name that a port keeps when its cable is unplugged and plugged in again.

The kernel numbers ports in the order in which they appear: after a replug, /dev/ttyACM0 may be
another arm. udev makes links from the adapter's serial number, or from the USB socket; these
links stay the same.
"""

from __future__ import annotations

from pathlib import Path

FOLDERS = ('dev/serial/by-id', 'dev/serial/by-path')


def stable_name(name: str, root: Path = Path('/')) -> str:
    """
    Return the most stable name of the port ``name``, or ``name`` itself if udev made no link.

    :param name: device path or link; a link is returned unchanged.
    :param root: root of the file system, for tests.
    """
    if Path(name).is_symlink():
        return name
    device = Path(name).resolve()
    for folder in FOLDERS:
        for link in sorted((root / folder).glob('*')):
            if link.resolve() == device:
                return str(link)
    return name
