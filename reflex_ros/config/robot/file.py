# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read robot.yaml: the model, or all of its problems at once.

The parts that have a kind are validated by the model of their kind. A union would report what
every other kind has against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any, get_args, get_origin, TypeVar

from pydantic import BaseModel, ValidationError

from reflex_ros.config import yaml_lines
from reflex_ros.config.parameters.file import is_parameter_file
from reflex_ros.config.problems import nearest_key, Problem, unknown_key, WrongFile
from reflex_ros.config.robot import cameras, checks, explained, hardware, targets
from reflex_ros.config.robot.fields import CLASS_PATH, Part
from reflex_ros.config.robot.model import RobotConfig
from reflex_ros.config.robot.wrong_value import keys_of, shown, wrong_value
from reflex_ros.config.yaml_lines import Place, YamlFile

Model = TypeVar('Model', bound=BaseModel)
SECTIONS = ('cameras', 'deployment', 'gate', 'recording', 'streaming')
"""Parts that may be left empty."""


@dataclass(frozen=True, slots=True)
class RobotFile:
    """
    A robot.yaml that is right.

    :param warnings: what has no effect, or may not do what it looks like.
    """

    file: YamlFile
    config: RobotConfig
    warnings: tuple[Problem, ...] = ()


def read(path: Path) -> RobotFile:
    """
    Read a robot.yaml.

    :raises NotReadable: if the file is missing or no YAML.
    :raises WrongFile: with every problem of the file.
    """
    return check(yaml_lines.read(path))


def is_robot_yaml(tree: object) -> bool:
    """Tell whether a file is a robot.yaml and not a ROS parameter file."""
    return isinstance(tree, dict) and bool(tree.keys() & {'target', 'hardware'})


def check(file: YamlFile) -> RobotFile:
    """
    Check what a robot.yaml holds; arguments and errors as for :func:`read`.

    :raises WrongFile: with every problem of the file.
    """
    if not isinstance(file.tree, dict):
        raise WrongFile([Problem(file.path, 1, '', 'must be a mapping at the top level')])
    if is_parameter_file(file.tree):
        raise WrongFile([Problem(
            file.path, 1, '', 'this is a ROS parameter file, for the graph: `reflex up --config '
            f'{file.path}`. `reflex init` writes a robot.yaml')])
    reader = _Reader(file)
    config = reader.read(deepcopy(file.tree))
    problems = [*reader.problems, *explained.problems(file)]
    # What a part says together with a value that is wrong itself, it may not mean.
    found = [] if config is None or reader.is_incomplete else [
        finding for finding in checks.findings(config) if finding.place not in reader.wrong]
    problems += [Problem.at(file, finding.place, finding.reason)
                 for finding in found if not finding.is_warning]
    if problems or config is None:
        raise WrongFile(problems)
    return RobotFile(file, config, tuple(
        Problem.at(file, finding.place, finding.reason) for finding in found
        if finding.is_warning))


class _Reader:
    """Validates part by part, and keeps every problem."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file
        self.problems: list[Problem] = []
        self.wrong: set[Place] = set()
        self.is_incomplete = False

    def read(self, tree: Mapping[str, Any]) -> RobotConfig | None:
        """Return the model; of a file with problems, as much of it as can be used to go on."""
        # An empty mapping is often written as a key with nothing behind it.
        values = {key: value for key, value in tree.items()
                  if value is not None or key not in SECTIONS}
        if 'target' in tree:
            values['target'] = self._of_kind(
                ('target',), tree['target'], targets.KINDS, targets.UserTarget, 'transport',
                default='stream') or self._instead(targets.StreamTarget())
        if 'hardware' not in tree:
            self._add((), "missing or non-mapping 'hardware' section")
        values['hardware'] = self._of_kind(
            ('hardware',), tree.get('hardware'), hardware.KINDS, hardware.UserHardware,
            'connector') or self._instead(hardware.SimHardware(kind='sim'))
        sources = values.get('cameras', {})
        if isinstance(sources, dict):
            values['cameras'] = dict(self._cameras(sources))
        else:
            self._add(('cameras',), f'must be a mapping, got {shown(sources)}')
            del values['cameras']
        return self._validated(RobotConfig, values, ())

    def _cameras(self, sources: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, source in sources.items():
            place = ('cameras', name)
            if not re.fullmatch(r'[A-Za-z_]\w*', name, re.ASCII):
                self._add(place, 'the name of a camera has letters, digits and underscores, such '
                          'as front')
            if not isinstance(source, dict):
                self._add(place, "must be a mapping with 'kind' and driver kwargs")
                continue
            camera = self._of_kind(place, source, cameras.KINDS, cameras.UserCamera, 'camera')
            if camera is not None:
                yield name, camera

    def _of_kind(self, place: Place, section: Any, kinds: Mapping[str, type[BaseModel]],
                 of_user: type[BaseModel], what: str, default: str = '') -> Any:
        """Validate a part by the model of its kind; return None if that is not possible."""
        name = '.'.join(map(str, place))
        if not isinstance(section, dict):
            if name in self._file.tree:
                self._add(place, f'missing or non-mapping {name!r} section')
            return None
        kind = section.get('kind', default)
        if kind == '':
            self._add(place, f'kind is required: {", ".join(kinds)}, or '
                      "'pkg.module:Class' path.")
            return None
        if isinstance(kind, str) and re.fullmatch(CLASS_PATH, kind):
            model = of_user
        elif isinstance(kind, str) and kind in kinds:
            model = kinds[kind]
        else:
            nearest = nearest_key(str(kind), kinds)
            hint = f'Did you mean {nearest!r}? ' if nearest else ''
            self._add((*place, 'kind'), f'Unknown {what} kind: {shown(kind)}. {hint}Known: '
                      f"{', '.join(kinds)}, or 'pkg.module:Class' path.")
            return None
        values = {key: value for key, value in section.items()
                  if value is not None or key != 'config'}
        elsewhere = {key: f'kind {other}' for other, model_of_other in kinds.items()
                     for key in keys_of(model_of_other)}
        if 'config' in keys_of(model):
            below = model.model_fields['config'].annotation
            if isinstance(below, type) and issubclass(below, Part):
                elsewhere |= dict.fromkeys(keys_of(below), f'{name}.config')
        return self._validated(model, values, place, elsewhere)

    def _validated(self, model: type[Model], values: dict[str, Any], place: Place,
                   elsewhere: Mapping[str, str] | None = None) -> Model | None:
        """Validate values, if there are problems without what is wrong; None if that fails."""
        try:
            return model.model_validate(values)
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
        for where, error in _first_of_each_value(errors):
            if error['type'] == 'extra_forbidden':
                known = keys_of(_model_at(model, where[:-1]))
                reason = unknown_key(str(where[-1]), known, elsewhere or {})
            else:
                reason = wrong_value(error)
            self._add((*place, *where), reason)
            _remove(values, where)
        try:
            return model.model_validate(values)
        except ValidationError:
            return None

    def _instead(self, part: Model) -> Model:
        """Put a part in the place of one that is wrong, so that the others can be validated."""
        self.is_incomplete = True
        return part

    def _add(self, place: Place, reason: str) -> None:
        self.wrong.add(place)
        self.problems.append(Problem.at(self._file, place, reason))


def _first_of_each_value(errors: list[Any]) -> Iterator[tuple[Place, Any]]:
    """Name the place of each error in the file; a value of two types has an error for each."""
    seen: set[Place] = set()
    for error in errors:
        # Where a value may be a text or a list, pydantic adds the type to the place.
        place = tuple(part for part in error['loc'] if part not in _TYPE_NAMES)
        if place not in seen:
            seen.add(place)
            yield place, error


_TYPE_NAMES = ('str', 'int', 'list[str]')


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    found: Any = model
    for key in place:
        # In a mapping of names to parts, any key leads to the part.
        found = get_args(found)[1] if get_origin(found) is dict else next(
            field.annotation for name, field in found.model_fields.items()
            if (field.alias or name) == key)
    assert isinstance(found, type) and issubclass(found, BaseModel)
    return found


def _remove(values: Any, place: Place) -> None:
    for key in place[:-1]:
        values = values[key] if isinstance(values, dict) and key in values else {}
    if isinstance(values, dict):
        values.pop(place[-1], None)
