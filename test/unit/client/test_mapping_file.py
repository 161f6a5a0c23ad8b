# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON and YAML files that a person writes, valid and invalid in every way."""

import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import mapping_file
from reflex_ros.client.resources import deployments, robots
from reflex_ros.errors import ConfigurationError


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path."""
    def make(content, name='f.json'):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return make


@pytest.mark.parametrize('name, content', [
    ('f.json', '{"a": [1, 2.5, null, true, "x"], "b": {}}'),
    ('f', '{"a": [1, 2.5, null, true, "x"], "b": {}}'),
    ('f.yaml', 'a: [1, 2.5, null, true, x]\nb: {}'),
    ('f.YML', 'a:\n- 1\n- 2.5\n-\n- yes\n- x\nb: {}\n')])
def test_mapping_is_read_by_the_suffix(write, name, content):
    assert mapping_file.read(write(content, name), 'robot schema') == {
        'a': [1, 2.5, None, True, 'x'], 'b': {}}


@pytest.mark.parametrize('name, content, text', [
    ('f.json', '{', 'Robot schema must be valid JSON.'),
    ('f.json', 'a: 1', 'Robot schema must be valid JSON.'),
    ('f.json', '[' * 100_000, 'Robot schema must be valid JSON.'),
    ('f.json', b'\xff\xfe\xfa', 'Robot schema must be valid JSON.'),
    ('f.json', '[]', 'Robot schema must be a JSON object.'),
    ('f.json', '"x"', 'Robot schema must be a JSON object.'),
    ('f.json', '', 'Robot schema must be valid JSON.'),
    ('f.yaml', '', 'Robot schema must be a JSON object.'),
    ('f.yaml', 'a: [', 'Robot schema must be valid YAML.'),
    ('f.yaml', 'a: !!python/object/apply:os.system ["true"]', 'must be valid YAML.'),
    ('f.yaml', '\x00', 'must be valid YAML.'),
    ('f.yaml', '[\n' * 1500, 'must be valid YAML.'),
    ('f.yaml', 'a: 2026-01-01', 'contains a date, which JSON cannot hold'),
    ('f.yaml', '1: a', 'contains the key 1 that is not a text'),
    ('f.yaml', 'a: .nan', 'contains the number nan'),
    ('f.json', '{"a": Infinity}', 'contains the number inf'),
    ('f.yaml', 'a: &a [*a]', 'too many or too deeply nested values'),
    ('f.json', '{"a":' * 80 + '1' + '}' * 80, 'too many or too deeply nested values'),
])
def test_file_that_is_no_mapping_is_one_clear_line(write, name, content, text):
    with pytest.raises(ConfigurationError) as caught:
        mapping_file.read(write(content, name), 'robot schema')
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_short_file_that_stands_for_billions_is_refused(write):
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]', *(
        f'a{number}: &a{number} [{", ".join([f"*a{number - 1}"] * 10)}]'
        for number in range(1, 12))]
    with pytest.raises(ConfigurationError, match='too many'):
        mapping_file.read(write('\n'.join(lines), 'bomb.yaml'), 'deployment spec')


def test_file_that_cannot_be_read_is_named(tmp_path, write):
    with pytest.raises(ConfigurationError, match='Failed to read robot schema: No such file'):
        mapping_file.read(tmp_path / 'none.json', 'robot schema')
    with pytest.raises(ConfigurationError, match='Failed to read robot schema: .*directory'):
        mapping_file.read(tmp_path, 'robot schema')
    with pytest.raises(ConfigurationError, match='it is larger than 1 MiB'):
        mapping_file.read(write(b' ' * (2 ** 20 + 1)), 'robot schema')


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=8), inner, max_size=4), max_leaves=20)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_what_json_can_hold_comes_back(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / 'value.json'
    file.write_text(json.dumps(value))
    assert mapping_file.read(file, 'x') == value


@given(st.binary(max_size=200), st.sampled_from(['fuzzed.json', 'fuzzed.yaml']))
def test_any_bytes_are_a_mapping_or_our_error(tmp_path_factory, content, name):
    file = tmp_path_factory.getbasetemp() / name
    file.write_bytes(content)
    try:
        assert isinstance(mapping_file.read(file, 'x'), dict)
    except ConfigurationError as exc:
        assert '\n' not in str(exc)


# ---- what is read out of them


@pytest.mark.parametrize('content, text', [
    ({}, 'name'), ({'name': ' ', 'modelId': 'm'}, 'name'), ({'name': 5, 'modelId': 'm'}, 'name'),
    ({'name': 'n'}, 'modelId'), ({'name': 'n', 'model_id': ['m']}, 'modelId'),
    ({'name': 'n', 'artifact': 'm', 'mode': 3}, 'mode'),
    ({'name': 'n', 'artifact': 'm', 'robot_schema_id': {}}, 'robotSchemaId')])
def test_deployment_spec_without_a_text_is_refused(content, text):
    with pytest.raises(ConfigurationError) as caught:
        deployments.spec_of(content)
    assert str(caught.value) == f'Deployment spec requires string field: {text}.'


@pytest.mark.parametrize('key, meant', [
    ('robotSchema', 'robotSchemaId'), ('modelID', 'modelId'), ('artefact', 'artifact'),
    ('robot_schema', 'robot_schema_id')])
def test_misspelt_field_of_a_deployment_spec_is_named(key, meant):
    with pytest.raises(ConfigurationError, match=f'field {key}. Did you mean {meant}?'):
        deployments.spec_of({'name': 'n', 'modelId': 'm', key: 'x'})


@pytest.mark.parametrize('model', ['modelId', 'model_id', 'artifact'])
@pytest.mark.parametrize('schema', ['robotSchemaId', 'robot_schema_id'])
def test_deployment_spec_goes_by_its_names(model, schema):
    content = {'name': 'n', model: 'm', schema: 's', 'runtime': 'cloud', 'more': [1]}
    assert deployments.spec_of(content) == deployments.DeploymentSpec(
        'n', 'm', 'dry_run', 's', 'cloud', content)


NAMES = st.sampled_from(['name', 'modelId', 'mode', 'actions', 'action', 'shape', 'safe_stop',
                         'schema_version', 'robot_kind'])


CONTENTS = st.dictionaries(NAMES, st.recursive(
    VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=6), max_size=4)


@given(CONTENTS)
def test_any_mapping_is_a_spec_or_our_error(content):
    try:
        deployments.spec_of(content)
    except ConfigurationError:
        pass


@given(CONTENTS)
def test_any_mapping_is_a_schema_or_our_error(content):
    class Nobody:
        """A client that sends nothing."""

        class rpc:  # noqa: N801
            """An RPC client that checks the arguments of a call."""

            @staticmethod
            async def call(*args, **fields):
                assert isinstance(fields['schemaVersion'], str)
                assert isinstance(fields['hasExplicitSafeStop'], bool)
                assert type(fields['actionDim']) in (int, type(None))
                return {}

    job = robots.register_schema(Nobody, 'n', content)
    try:
        job.send(None)
    except (StopIteration, ConfigurationError):
        pass
