# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of RViz for one robot of several."""

from __future__ import annotations

from pathlib import Path

import yaml

from reflex_ros.bringup import process_table, run_folders


def frame_prefix(namespace: str) -> str:
    """Return what stands before the name of each frame of a robot: nothing, or ``left/``."""
    space = namespace.strip('/')
    return f'{space}/' if space else ''


def config(namespace: str) -> Path:
    """Return ``reflex.rviz``, or a copy with the topics and the frames of a namespace."""
    path = process_table.share_folder() / 'config' / 'reflex.rviz'
    prefix = frame_prefix(namespace)
    if not prefix:
        return path
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    shown = content['Visualization Manager']
    shown['Global Options']['Fixed Frame'] = prefix + shown['Global Options']['Fixed Frame']
    for display in shown['Displays']:
        if 'TF Prefix' in display:
            # RViz itself puts a slash behind it.
            display['TF Prefix'] = f'{prefix}{display["TF Prefix"]}'.rstrip('/')
        for key in ('Topic', 'Description Topic'):
            if key in display:
                display[key]['Value'] = f'/{prefix}{display[key]["Value"].lstrip("/")}'
    copy = run_folders.make('rviz') / path.name
    copy.write_text(yaml.safe_dump(content, sort_keys=False), encoding='utf-8')
    return copy
