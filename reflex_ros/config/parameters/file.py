# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Check that every section of a ROS parameter file, and every parameter in it, reaches a node.

rcl silently ignores the others, so a mistyped namespace would go unnoticed. The names of sections
are matched as rcl does: ``*`` is one word of a name, ``**`` any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

from reflex_ros.config import yaml_lines
from reflex_ros.config.parameters.spec import IGNORED_PREFIXES
from reflex_ros.config.parameters.tables import TABLES
from reflex_ros.config.problems import nearest_key, Problem, WrongFile
from reflex_ros.config.yaml_lines import Place, YamlFile

PARAMETERS = 'ros__parameters'


@dataclass(frozen=True, slots=True)
class _Section:
    """
    The parameters of the nodes that a name stands for.

    :param name: as in the file, with a slash before each part.
    :param place: of its parameters.
    """

    name: str
    place: Place
    values: Mapping[str, Any]

    def reaches(self, node: str) -> bool:
        """Tell whether a node (``/left/so101``) gets these parameters."""
        words = re.escape(self.name).replace(r'/\*\*', r'(/\w+)*').replace(r'/\*', r'/\w+')
        return re.fullmatch(words, node, re.ASCII) is not None


def is_parameter_file(tree: object) -> bool:
    """Tell whether every branch of a file leads to ``ros__parameters``, and there is one."""
    return isinstance(tree, dict) and bool(tree) and all(
        name == PARAMETERS or is_parameter_file(below) for name, below in tree.items())


def check(file: YamlFile, namespaces: Sequence[str]) -> tuple[Problem, ...]:
    """
    Check the sections and parameters of a parameter file.

    :param namespaces: of the robots that are started; an empty one is the root.
    :returns: warnings: sections that may be for nodes of somebody else.
    :raises WrongFile: for sections and parameters that reach no node, with the nearest names.
    """
    nodes = {f'{_prefix(namespace)}/{name}': name for namespace in namespaces for name in TABLES}
    sections = list(_sections(file.tree, ()))
    problems, warnings = [], []
    for section in sections:
        reached = {name for node, name in nodes.items() if section.reaches(node)}
        if not section.name:
            problems.append(Problem.at(file, section.place, 'stands at the top: put it below the '
                                       'name of a node'))
        elif not isinstance(section.values, dict):
            problems.append(Problem.at(file, section.place, 'must be a mapping of parameters'))
        elif reached:
            problems += _unknown(file, section, reached)
        elif reason := _refusal(section, sections, nodes):
            problems.append(Problem.at(file, section.place[:-1], reason))
        elif section.name.rpartition('/')[2] not in TABLES:
            warnings.append(Problem.at(
                file, section.place[:-1], f'section {section.name} reaches no node that is '
                f'started here: {", ".join(nodes)}'))
    if problems:
        raise WrongFile(problems)
    return tuple(warnings)


def missed(arguments: Sequence[str], name: str, node: str) -> Iterator[str]:
    """
    Yield a warning for each parameter file of a command line that misses the node it is for.

    :param arguments: those of the node's process.
    :param name: of the sections that are meant for the node.
    :param node: its full name (``/left/so101``).
    """
    for option, path in zip(arguments, arguments[1:], strict=False):
        if option != '--params-file':
            continue
        try:
            tree = yaml_lines.read(Path(path)).tree
        except yaml_lines.NotReadable:
            # rcl reads less strictly.
            continue
        sections = list(_sections(tree, ())) if is_parameter_file(tree) else []
        same = [each.name for each in sections
                if each.name.rpartition('/')[2] in (name, node.rpartition('/')[2])]
        if same and not any(each.reaches(node) for each in sections):
            yield (f'{path}: the section {", ".join(same)} does not reach this node, {node}: it '
                   f'takes its default values. Write /**/{node.rpartition("/")[2]} for any '
                   'namespace')


def _refusal(section: _Section, sections: Sequence[_Section], nodes: Mapping[str, str]) -> str:
    """Say why a section that reaches no node is a mistake; empty when it may be meant so."""
    last = section.name.rpartition('/')[2]
    same = [node for node, name in nodes.items() if name == last]
    # A file for several robots has a section for each, of which one is started here.
    if any(other.name.endswith(f'/{last}') and other.reaches(node)
           for other in sections for node in same):
        return ''
    if same:
        return (f'section {section.name} does not reach the node {", ".join(same)}: write '
                f'/**/{last} for any namespace')
    nearest = nearest_key(last, TABLES)
    return (f'section {section.name} reaches no node. Did you mean /**/{nearest}?'
            if nearest else '')


def _unknown(file: YamlFile, section: _Section, reached: set[str]) -> Iterator[Problem]:
    """Name the parameters that none of the nodes of a section has."""
    specs = [spec for name in TABLES if name in reached for spec in TABLES[name]]
    for name, place in _names(section.values, section.place):
        if name.startswith(IGNORED_PREFIXES) or any(spec.is_for(name) for spec in specs):
            continue
        owner = next((node for node, table in TABLES.items()
                      if any(spec.is_for(name) for spec in table)), '')
        nearest = nearest_key(name, [spec.name for spec in specs])
        hint = (f' It is a parameter of {owner}' if owner else
                f' Did you mean {nearest!r}?' if nearest else '')
        yield Problem.at(file, place, f'no node of the section {section.name} has a parameter '
                         f'{name!r}.{hint}')


def _names(values: Mapping[str, Any], place: Place) -> Iterator[tuple[str, Place]]:
    """List the parameters of a section: mappings in it add their key and a dot."""
    for key, value in values.items():
        if isinstance(value, dict):
            for name, below in _names(value, (*place, key)):
                yield f'{key}.{name}', below
        else:
            yield key, (*place, key)


def _sections(tree: Mapping[str, Any], place: Place) -> Iterator[_Section]:
    for key, below in tree.items():
        if key == PARAMETERS:
            name = ''.join(_prefix(str(part)) for part in place)
            yield _Section(name, (*place, key), below)
        else:
            yield from _sections(below, (*place, key))


def _prefix(name: str) -> str:
    """Return a name with one slash before it; empty stays empty."""
    name = name.strip('/')
    return f'/{name}' if name else ''
