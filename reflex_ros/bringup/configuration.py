# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the nodes get from a configuration file: a ROS parameter file, or robot.yaml.

robot.yaml is translated into a parameter file of our own, so that everything after it (files that
override it, namespaces, launch) is the same for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import os
from pathlib import Path

import yaml

from reflex_ros.bringup import run_folders
from reflex_ros.bringup.process_table import share_folder
from reflex_ros.config import yaml_lines
from reflex_ros.config.parameters import file as parameter_file
from reflex_ros.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    The file for the nodes.

    :param path: ROS parameter file.
    :param cameras: names of the cameras that need a node which publishes them.
    :param warnings: sentences about what may not do what it looks like.
    """

    path: Path
    cameras: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(path: Path | None, namespaces: Sequence[str] = ('',), *,
         sim: bool = False) -> Configuration:
    """
    Check a configuration file; of a robot.yaml, write the parameter file.

    Without this check each node would end while it reads the file, and be started again forever.

    :param path: None: the one of this package.
    :param namespaces: of the robots that are started with it.
    :param sim: whether a simulated arm takes the place of the hardware.
    :raises ConfigurationError: with the line of each mistake, or with the file to copy.
    """
    example = share_folder() / 'config' / 'robot.yaml'
    path = path or example
    try:
        file = yaml_lines.read(path)
    except yaml_lines.NotReadable as exc:
        hint = (f'Copy {example} and change it' if not path.exists()
                else f'Compare it with {example}')
        raise ConfigurationError(f'{exc}. {hint}') from exc
    if parameter_file.is_parameter_file(file.tree):
        warnings = parameter_file.check(file, namespaces)
        return Configuration(path, warnings=tuple(map(str, warnings)))
    # pydantic takes 0.15 s to import, and the other form does not need it.
    from reflex_ros.config.robot import file as robot_file
    from reflex_ros.config.robot import graph

    if not robot_file.is_robot_yaml(file.tree):
        raise ConfigurationError(
            f'{path}: neither a robot.yaml (with target and hardware) nor a ROS parameter file '
            f'(node names with ros__parameters below each). Compare it with {example}')
    if len(namespaces) > 1:
        raise ConfigurationError(
            f'{path} is a robot.yaml, which is one robot: {", ".join(namespaces)} are several. '
            'Start each with a file of its own, or use a ROS parameter file such as '
            'config/two_arms.yaml')
    found = robot_file.check(file)
    parameters = graph.parameters(found, os.environ, sim=sim)
    return Configuration(_write(parameters), graph.published(found.config),
                         tuple(map(str, (*found.warnings, *graph.warnings(found)))))


def _write(parameters: dict[str, dict[str, object]]) -> Path:
    """Write a parameter file for nodes in any namespace."""
    tree = {f'/**/{node}': {parameter_file.PARAMETERS: values}
            for node, values in parameters.items() if values}
    path = run_folders.make('parameters') / 'parameters.yaml'
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding='utf-8')
    return path
