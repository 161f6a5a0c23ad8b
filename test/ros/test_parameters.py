# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters on real rclpy: ranges are seen by tools, and no value keeps a node from starting."""

from importlib import import_module

import pytest

from reflex_ros.errors import ConfigurationError

pytest.importorskip('rclpy')
pytestmark = pytest.mark.xdist_group('ros nodes')

NODES = ('so101_driver_node', 'action_stream_node', 'supervisor_node', 'sim_camera_node',
         'camera_node', 'description_node', 'monitor_node', 'recorder_node', 'view_node')


@pytest.fixture
def make_node(ros):
    """Return a function that makes a node with a small table; parameters are text."""
    from rclpy.lifecycle import TransitionCallbackReturn

    from reflex_ros.config.parameters.spec import Spec
    from reflex_ros.nodes.base import ReflexNode
    table = (Spec('speed', 0.5, 'speed', 'rad/s', 0.1, 2.0), Spec('count', 3, 'count', '', 1, 8),
             Spec('name', 'arm', 'name'), Spec('mode', 'on', 'mode', choices=('on', 'off')),
             Spec('flag', False, 'flag'),
             Spec('cameras', ['front'], 'names'),
             Spec('camera.<name>.width', 0, 'width', 'px', 0, 4096, per='cameras'),
             Spec('camera.<name>.age_s', 0.0, 'age', 's', 0.0, 5.0, per='cameras'))
    nodes = []

    def make(**parameters):
        arguments = [part for name, value in parameters.items()
                     for part in ('-p', f'{name}:={value}')]
        context = ros(*arguments)
        context.__enter__()
        node = ReflexNode('tried', table, 1.0)
        node.is_success = lambda result: result is TransitionCallbackReturn.SUCCESS
        nodes.append((node, context))
        return node

    yield make
    for node, context in nodes:
        node.destroy_node()
        context.__exit__(None, None, None)


def range_of(node, name):
    """Return the range that a tool sees, as (from, to), or None."""
    descriptor = node.describe_parameter(name)
    found = [*descriptor.floating_point_range, *descriptor.integer_range]
    return (found[0].from_value, found[0].to_value) if found else None


def change(node, name, value):
    from rclpy.parameter import Parameter
    return node.set_parameters([Parameter(name, value=value)])[0]


def test_numbers_have_a_range_and_a_description(make_node):
    node = make_node()
    assert range_of(node, 'speed') == (0.1, 2.0)
    assert range_of(node, 'count') == (1, 8)
    assert range_of(node, 'name') is None and range_of(node, 'flag') is None
    assert node.describe_parameter('speed').description == 'speed'
    assert '0.1..2' in node.describe_parameter('speed').additional_constraints


@pytest.mark.parametrize('module', NODES)
def test_every_bounded_parameter_of_every_node_has_its_range(ros, module):
    from reflex_ros.nodes.parameters import Parameters
    table = import_module(f'reflex_ros.nodes.{module}').TABLE
    with ros() as rclpy:
        node = rclpy.create_node('tried')
        parameters = Parameters(node, table)
        lists = {spec.per for spec in table if spec.per}
        node.set_parameters([rclpy.Parameter(name, value=['front']) for name in lists])
        parameters.read()
        for spec in table:
            bounds = None if spec.low is None else (spec.low, spec.high)
            name = spec.name.replace('<name>', 'front')
            assert range_of(node, name) == bounds, name
        node.destroy_node()


@pytest.mark.parametrize('name, given, words', [
    ('speed', '9.0', ("'speed' is 9.0", '0.1..2', 'configure again')),
    ('speed', '9', ("'speed' is 9.0", '0.1..2')),
    ('speed', '.nan', ("'speed' is nan", '0.1..2')),
    ('speed', 'fast', ("'speed' is 'fast'", 'a number')),
    ('count', '99', ("'count' is 99", '1..8')),
    ('count', '2.5', ("'count' is 2.5", 'a whole number')),
    ('flag', '1', ("'flag' is 1", 'true or false')),
])
def test_bad_value_lets_the_node_start_and_configure_names_it(make_node, name, given, words):
    node = make_node(**{name: given})
    assert not node.is_success(node.trigger_configure())
    assert all(word in node.problem for word in words), node.problem
    assert not node.is_success(node.trigger_configure()), 'a bad value was forgotten'


def test_corrected_value_is_taken_and_the_range_is_seen_from_then_on(make_node):
    node = make_node(speed='9.0', count='99')
    assert range_of(node, 'speed') is None and range_of(node, 'count') is None
    assert not node.is_success(node.trigger_configure())
    assert change(node, 'speed', 1.0).successful and change(node, 'count', 8).successful
    assert node.is_success(node.trigger_configure())
    assert range_of(node, 'speed') == (0.1, 2.0) and range_of(node, 'count') == (1, 8)


def test_correction_that_is_bad_too_is_refused(make_node):
    node = make_node(speed='9.0')
    answer = change(node, 'speed', 8.0)
    assert not answer.successful and "'speed' is 8.0" in answer.reason
    assert '0.1..2' in answer.reason


@pytest.mark.parametrize('name, value', [('speed', 9.0), ('speed', 0.0), ('count', 9)])
def test_value_outside_the_range_is_refused_with_name_and_bounds(make_node, name, value):
    node = make_node()
    before = node.get_parameter(name).value
    answer = change(node, name, value)
    assert not answer.successful
    # The words are rclpy's own.
    low, high = range_of(node, name)
    for word in (name, f'Min: {low}', f'Max: {high}', f'value: {value}'):
        assert word in answer.reason
    assert node.get_parameter(name).value == before


@pytest.mark.parametrize('value', [0.1, 2.0])
def test_value_at_the_end_of_the_range_is_taken(make_node, value):
    node = make_node()
    assert change(node, 'speed', value).successful
    assert node.is_success(node.trigger_configure())


def test_whole_number_for_a_float_is_checked_as_a_float(make_node):
    node = make_node(speed='1')
    # A tool shows a number with a slider, not a whole number.
    assert type(node.get_parameter('speed').value) is float
    assert range_of(node, 'speed') == (0.1, 2.0)
    assert node.is_success(node.trigger_configure())
    assert node.parameters.read()['speed'] == 1.0
    node.trigger_cleanup()
    answer = change(node, 'speed', 3)
    assert not answer.successful and "'speed' is 3.0" in answer.reason


def test_type_that_does_not_fit_is_refused_later_too(make_node):
    answer = change(make_node(), 'speed', 'fast')
    assert not answer.successful and 'a number' in answer.reason


def test_each_item_of_a_list_has_its_parameters(make_node):
    node = make_node(cameras='[front, wrist]', **{'camera.wrist.width': '320',
                                                  'camera.wrist.age_s': '1'})
    assert {range_of(node, f'camera.{name}.width') for name in ('front', 'wrist')} == {(0, 4096)}
    values = node.parameters.read()
    assert (values['camera.front.width'], values['camera.wrist.width']) == (0, 320)
    assert values['camera.wrist.age_s'] == 1.0
    assert not change(node, 'camera.wrist.width', 5000).successful
    assert change(node, 'camera.front.width', 224).successful
    assert node.parameters.read()['camera.front.width'] == 224


def test_list_that_changes_is_followed_at_configure(make_node):
    node = make_node(**{'camera.top.width': '640', 'cameras': '[top]'})
    assert change(node, 'cameras', ['front']).successful
    with pytest.raises(ConfigurationError, match=r"'camera\.top\.width' is for 'top', which is "
                                                r"not in 'cameras': front"):
        node.parameters.read()
    assert not node.has_parameter('camera.top.width') and node.has_parameter('camera.front.width')
    assert change(node, 'cameras', ['front', 'top']).successful
    assert node.parameters.read()['camera.top.width'] == 640


@pytest.mark.parametrize('name, words', [
    ('camera.fornt.width', ("for 'fornt'", "not in 'cameras': front", "'camera.front.width'?")),
    ('camera.front.with', ("'camera.front.with' does not exist", "'camera.front.width'?")),
    ('sped', ("'sped' does not exist", "Did you mean 'speed'?", 'camera.<name>.width'))])
def test_name_that_does_not_exist_is_refused_with_the_nearest(make_node, name, words):
    node = make_node(**{name: '1'})
    with pytest.raises(ConfigurationError) as caught:
        node.parameters.read()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize('given', ["''", '[]', "['']"])
def test_list_without_items_is_empty(make_node, given):
    node = make_node(cameras=given)
    if given == "''":
        with pytest.raises(ConfigurationError, match='a list of text'):
            node.parameters.read()
    else:
        assert node.parameters.read()['cameras'] == []
    assert not node.has_parameter('camera.front.width')


def test_parameter_of_another_node_is_warned_about_and_ignored(make_node):
    # As in a section /** of a parameter file, which every node gets.
    node = make_node(prompt='pick', **{'camera.front.topic': '/image', 'gate.dry_run_s': '3.0'})
    warnings = []
    node.get_logger().warning = warnings.append
    assert node.is_success(node.trigger_configure()), node.problem
    assert [words for words in warnings if "'prompt' is ignored: it is one of action_stream" in
            words] and len(warnings) == 3


def test_parameter_of_no_node_is_refused(make_node):
    node = make_node(promt='pick')
    assert not node.is_success(node.trigger_configure())
    assert "'promt' does not exist" in node.problem


def test_file_translated_from_a_robot_yaml_is_read_by_rcl_as_it_was_written(ros, tmp_path):
    from reflex_ros.bringup import configuration
    from reflex_ros.config.parameters.action_stream import TABLE
    from reflex_ros.nodes.parameters import Parameters
    robot = tmp_path / 'robot.yaml'
    robot.write_text("""
prompt: 'yes: pick \u00fc "5" # 1e5'
hardware: {kind: so101, config: {limits.velocity: 1}}
target: {base_model: '12', open_window_s: 1.0e-5}
""")
    with ros('--params-file', str(configuration.read(robot).path)) as rclpy:
        node = rclpy.create_node('action_stream')
        values = Parameters(node, TABLE).read()
        node.destroy_node()
    assert values['prompt'] == 'yes: pick \u00fc "5" # 1e5' and values['cameras'] == []
    assert values['service.model'] == '12' and values['service.open_window_s'] == 1e-5
    assert values['limits.velocity'] == 1.0


def test_word_off_without_quotes_is_a_choice(make_node):
    # YAML makes false of it, so a person who writes what the page says must not get an error.
    node = make_node(mode='off')
    assert node.parameters.read()['mode'] == 'off'
    assert not change(node, 'mode', True).successful
