# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every valid robot.yaml reads back as what was written."""

from __future__ import annotations

from pathlib import Path
import re
from types import UnionType
from typing import Any, get_args, get_origin, Literal, Union

from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel
import yaml

from reflex_ros.config import yaml_lines
from reflex_ros.config.robot import cameras, checks, hardware, targets
from reflex_ros.config.robot.file import check
from reflex_ros.config.robot.model import RobotConfig

TEXTS = st.text(st.characters(codec='utf-8', exclude_characters='\x85\u2028\u2029\ufeff',
                              exclude_categories=('Cs', 'Cc')), max_size=8)
PLAIN = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
                     lambda below: st.lists(below, max_size=2)
                     | st.dictionaries(TEXTS, below, max_size=2), max_leaves=4)
NAMES = st.from_regex(r'[A-Za-z_][A-Za-z0-9_]{0,5}', fullmatch=True)
CLASSES = st.just('some.module:Class')
NOT_DRIVEN = (targets.WebrtcTarget, targets.PlatformTarget, hardware.YamHardware,
              cameras.RealSenseCamera)


def values(annotation: Any, limits: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Make a strategy for the values of a field."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(*(values(each, limits) for each in arguments
                           if each not in NOT_DRIVEN and each is not type(None)))
    if origin is dict:
        keys = NAMES if arguments[1] is not str else TEXTS
        return st.dictionaries(keys, values(arguments[1], {}), max_size=2)
    if origin is list:
        return st.lists(values(arguments[0], {}), min_size=max(1, limits.get('min_length', 0)),
                        max_size=2)
    if annotation is Any:
        return PLAIN
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        low, high = limits.get('ge', limits.get('gt', 0)), limits.get('le', 99)
        if annotation is int:
            return st.integers(int(low), int(high))
        return st.floats(low, high, exclude_min='gt' in limits)
    if annotation is str:
        pattern = limits.get('pattern')
        if pattern:
            return CLASSES if ':[A' in pattern else st.from_regex(re.compile(
                pattern, re.ASCII), fullmatch=True).filter(str.isprintable)
        return TEXTS.filter(str.strip)
    return models(annotation)


def models(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Make a strategy for mappings that a model accepts."""
    required, optional = {}, {}
    for name, field in model.model_fields.items():
        limits = {key: getattr(each, key) for each in field.metadata for key in (
            'ge', 'gt', 'le', 'min_length', 'pattern') if getattr(each, key, None) is not None}
        place = required if field.is_required() or name == 'kind' else optional
        place[field.alias or name] = values(field.annotation, limits)
    known = st.fixed_dictionaries(required, optional=optional)
    if model.model_config.get('extra') != 'allow':
        return known
    more = st.dictionaries(NAMES.filter(lambda key: key != 'kind'), PLAIN, max_size=2)
    return st.builds(lambda mine, theirs: {**theirs, **mine}, known, more)


@given(models(RobotConfig))
def test_every_valid_model_reads_back_as_itself(tree: dict[str, Any]) -> None:
    config = RobotConfig.model_validate(tree)
    assume(all(finding.is_warning for finding in checks.findings(config)))
    text = yaml.safe_dump(config.model_dump(by_alias=True, exclude_unset=True),
                          allow_unicode=True)
    assert check(yaml_lines.parse(Path('robot.yaml'), text.encode())).config == config
