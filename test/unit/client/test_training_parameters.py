# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every training parameter and its limits, as in the reference (section i.6)."""

import json

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client.training_parameters import check, from_json, PARAMETERS, to_json
from reflex_ros.errors import ConfigurationError

# Written from the reference, not from the table: key, good values, bad values.
BOUNDS = [
    ('maxSteps', [1, 30, 10 ** 6], [0, -1, 1.5, '30', True, None]),
    ('batchSize', [1, 64], [0, -4, 2.0, 'big', False]),
    ('learningRate', [1e-5, 1, 0.5], [0, -1e-4, float('nan'), float('inf'), '1e-4', True]),
    ('warmupSteps', [0, 500], [-1, 0.5, True]),
    ('saveFreq', [50, 1000], [49, 0, -50, 50.0]),
    ('maxMinutes', [1, 600], [0, -1, 1.5]),
    ('gradient_checkpointing', [True, False], [0, 1, 'yes', None]),
    ('freeze_vision_encoder', [True, False], [0, 'no']),
    ('dtype', ['bfloat16', 'float32'], ['float16', '', 32, 'BFLOAT16']),
    ('lora.rank', [4, 8, 16, 32, 64], [0, 1, 5, 128, 16.0, '16', True]),
    ('lora.alpha', [1, 16, 256], [0, 257, -1, 1.5, True]),
    ('lora.dropout', [0, 0.0, 0.25, 0.5], [-0.01, 0.51, 1, float('nan'), '0']),
    ('lora.target_modules', [['q_proj'], ['action_in_proj', 'down_proj']],
     [[], ['x_proj'], ['q_proj', 'q_proj'], 'q_proj', [1], None]),
]
CASES = {key: (good, bad) for key, good, bad in BOUNDS}


def test_table_has_what_the_reference_lists_and_no_more():
    assert list(PARAMETERS) == [key for key, _, _ in BOUNDS]
    flags = [row.flag for row in PARAMETERS.values()]
    assert len(set(flags)) == len(flags)


@pytest.mark.parametrize('key, value', [
    (key, value) for key, good, _ in BOUNDS for value in good])
def test_allowed_value_is_sent_as_it_is(key, value):
    sent = check({key: value}, 'lora')
    outer, _, inner = key.partition('.')
    assert sent == ({outer: {inner: value}} if inner else {key: value})
    assert json.loads(to_json(sent)) == sent


@pytest.mark.parametrize('key, value', [(key, value) for key, _, bad in BOUNDS for value in bad])
def test_other_value_is_refused_with_flag_key_and_bounds(key, value):
    with pytest.raises(ConfigurationError) as refused:
        check({key: value}, 'lora')
    row = PARAMETERS[key]
    assert str(refused.value).startswith(f'{row.flag} must be {row.allowed}, got ')
    assert str(refused.value).endswith(f'({key})')


@pytest.mark.parametrize('key', [key for key in CASES if key.startswith('lora.')])
def test_lora_parameter_does_not_go_with_a_full_run(key):
    with pytest.raises(ConfigurationError, match='is for LoRA and not allowed with --trainable'):
        check({key: CASES[key][0][0]}, 'full')
    assert check({'maxSteps': 5}, 'full') == {'maxSteps': 5}


@pytest.mark.parametrize('given, ok', [
    ({'maxSteps': 100, 'warmupSteps': 50}, True), ({'maxSteps': 100, 'warmupSteps': 51}, False),
    ({'maxSteps': 101, 'warmupSteps': 50}, True), ({'maxSteps': 101, 'warmupSteps': 51}, False),
    ({'maxSteps': 50, 'saveFreq': 50}, True), ({'maxSteps': 50, 'saveFreq': 51}, False),
    ({'maxSteps': 30, 'saveFreq': 50}, False), ({'warmupSteps': 10 ** 6}, True)])
def test_bounds_that_depend_on_the_steps(given, ok):
    if ok:
        assert check(given, 'lora') == given
    else:
        with pytest.raises(ConfigurationError, match=f'with --max-steps {given["maxSteps"]}'):
            check(given, 'lora')


def test_lora_may_be_an_object_and_both_ways_at_once_must_not_collide():
    assert check({'lora': {'rank': 8}, 'lora.alpha': 4}, 'lora') == {
        'lora': {'rank': 8, 'alpha': 4}}
    with pytest.raises(ConfigurationError, match='lora.rank is set twice'):
        check({'lora': {'rank': 8}, 'lora.rank': 8}, 'lora')
    with pytest.raises(ConfigurationError, match='must be an object'):
        check({'lora': 8}, 'lora')


def test_unknown_name_is_refused_with_the_nearest_known():
    with pytest.raises(ConfigurationError, match="'max_steps' does not exist. Did you mean maxS"):
        check({'max_steps': 5}, 'lora')
    with pytest.raises(ConfigurationError, match='The parameters are maxSteps, batchSize'):
        check({'zzz': 5}, 'lora')


def test_kind_of_fine_tuning_is_one_of_two():
    with pytest.raises(ConfigurationError, match='^--trainable must be lora or full.$'):
        check({}, 'half')


def test_json_is_compact_and_sorted():
    sent = check({'warmupSteps': 1, 'lora.rank': 8, 'batchSize': 2}, 'lora')
    assert to_json(sent) == '{"batchSize":2,"lora":{"rank":8},"warmupSteps":1}'
    assert to_json({}) is None


@pytest.mark.parametrize('text', ['', '{', '[]', '1', '"x"', 'null', '[' * 100000])
def test_text_that_is_no_object_is_refused(text):
    with pytest.raises(ConfigurationError, match='parameters-json must be valid JSON.'):
        from_json(text)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.sampled_from(['q_proj', 'k_proj', 'nope']) | st.integers(), max_size=3),
    st.integers(0, 300), st.sampled_from([4, 8, 16, 32, 64, 0.5, 'bfloat16', True]))


@given(st.dictionaries(st.sampled_from([*PARAMETERS, 'other']), VALUES, max_size=5),
       st.sampled_from(['lora', 'full']))
def test_what_passes_is_within_the_bounds_and_nothing_else_is_raised(given, fine_tuning):
    try:
        sent = check(given, fine_tuning)
    except ConfigurationError as refused:
        assert str(refused).isprintable() and len(str(refused)) < 500
        return
    flat = {key: value for key, value in sent.items() if key != 'lora'}
    flat |= {f'lora.{key}': value for key, value in sent.get('lora', {}).items()}
    assert flat == given
    # Strict JSON: no NaN, no infinity.
    json.loads(to_json(sent) or '{}', parse_constant=lambda name: pytest.fail(name))
    if 'lora.rank' in flat:
        assert flat['lora.rank'] in (4, 8, 16, 32, 64) and fine_tuning == 'lora'
    if 'lora.dropout' in flat:
        assert 0 <= flat['lora.dropout'] <= 0.5
    if 'maxSteps' in flat:
        assert flat['maxSteps'] >= 1
        assert flat.get('warmupSteps', 0) * 2 <= flat['maxSteps']
        assert flat.get('saveFreq', 0) <= flat['maxSteps']
    if 'saveFreq' in flat:
        assert flat['saveFreq'] >= 50
