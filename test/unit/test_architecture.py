# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Dependencies point one way: the tables below are the architecture.

Each rule is checked twice: in the text, where an import inside a function counts too, and in a
fresh interpreter, where what others bring along counts too.
"""

import ast
from functools import cache
import importlib.util
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Layer -> the layers that it may import. Nobody may import sim: it is looked up by name.
LAYERS = {
    'errors': set(),
    'small_file': set(),
    'domain': {'errors'},
    'cameras': {'errors', 'domain'},
    'client': {'errors', 'small_file', 'domain'},
    'hardware': {'errors', 'small_file', 'domain'},
    'recording': {'errors', 'small_file', 'domain', 'cameras'},
    'view': {'errors'},
    'config': {'errors', 'small_file', 'domain', 'cameras', 'hardware', 'recording'},
    'runner': {'errors', 'small_file', 'domain', 'cameras', 'client', 'hardware', 'recording',
               'config'},
    'bringup': {'errors', 'small_file', 'domain', 'cameras', 'hardware', 'recording', 'config'},
    'nodes': {'errors', 'small_file', 'domain', 'cameras', 'client', 'hardware', 'recording',
              'config', 'runner', 'bringup', 'view'},
    'cli': {'errors', 'small_file', 'domain', 'cameras', 'client', 'hardware', 'recording',
            'config', 'runner', 'bringup'},
    'sim': {'errors', 'small_file', 'domain', 'client', 'hardware'},
}

# Third party -> the one place that may name it, or several.
OWNERS = {
    'builtin_interfaces': 'reflex_ros.nodes',
    'diagnostic_msgs': 'reflex_ros.nodes',
    'geometry_msgs': 'reflex_ros.nodes',
    'httpx': 'reflex_ros.client',
    'mcap': 'reflex_ros.recording',
    'mcap_ros2': 'reflex_ros.recording',
    'lifecycle_msgs': 'reflex_ros.nodes',
    'PIL': ('reflex_ros.cameras', 'reflex_ros.recording.dataset_folder', 'reflex_ros.cli.chart',
            'reflex_ros.sim.picture'),
    # The simulated service reads the protocol with models of its own.
    'pyarrow': ('reflex_ros.recording.dataset_folder', 'reflex_ros.recording.dataset_check',
                'reflex_ros.recording.dataset_reader'),
    'pydantic': ('reflex_ros.client.messages', 'reflex_ros.config.robot',
                 'reflex_ros.sim.service'),
    'rcl_interfaces': 'reflex_ros.nodes',
    'rclpy': 'reflex_ros.nodes',
    'sensor_msgs': 'reflex_ros.nodes',
    'serial': 'reflex_ros.hardware.port',
    'std_msgs': 'reflex_ros.nodes',
    'std_srvs': 'reflex_ros.nodes',
    'tf2_msgs': 'reflex_ros.nodes',
    'trajectory_msgs': 'reflex_ros.nodes',
    'websockets': 'reflex_ros.client',
}

# Where one particular arm may be named; everywhere else an arm is an ArmDescription.
SO101_PLACES = (
    'reflex_ros.hardware', 'reflex_ros.config.parameters.so101', 'reflex_ros.sim.arm',
    'reflex_ros.sim.service.so101',
    'reflex_ros.nodes.so101_driver_node', 'reflex_ros.runner.manual_drive',
    'reflex_ros.runner.teleop', 'reflex_ros.runner.servo_setup')
SO101_COMMANDS = 'reflex_ros.cli.so101'
SO101_TABLE = 'reflex_ros.hardware.so101'

IMPORT_AND_LIST = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def module_name(path):
    """Make ``reflex_ros.domain.joints`` from the path of that file."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def files_of(layer):
    """List the files of a layer, which may be one module or not be written yet."""
    return sorted([
        *ROOT.glob(f'reflex_ros/{layer}.py'), *ROOT.glob(f'reflex_ros/{layer}/**/*.py')])


@cache
def imports_of(path):
    """
    List what a file imports, anywhere in it, as absolute dotted names.

    ``from a.b import c`` counts as ``a.b.c``, because c may be a module.
    """
    name = module_name(path)
    package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                base = importlib.util.resolve_name('.' * node.level + base, package)
            found += [f'{base}.{alias.name}' for alias in node.names]
    return found


def layer_of(name):
    """Name the layer of one of our modules, or None for the package itself and all others."""
    parts = name.split('.')
    return parts[1] if parts[0] == 'reflex_ros' and len(parts) > 1 and parts[1] in LAYERS else None


def is_inside(name, place):
    """Tell whether a dotted name is a place or below it."""
    return name == place or name.startswith(f'{place}.')


def owners_of(name):
    """List the places that may name a third party; our own modules may name all others."""
    owners = OWNERS.get(name.partition('.')[0], 'reflex_ros')
    return owners if isinstance(owners, tuple) else (owners,)


def test_every_module_belongs_to_a_layer():
    layered = {path for layer in LAYERS for path in files_of(layer)}
    assert set(ROOT.glob('reflex_ros/**/*.py')) - layered == {
        ROOT / 'reflex_ros' / name for name in ('__init__.py', '__main__.py')}


@pytest.mark.parametrize('layer', LAYERS)
def test_layer_imports_only_layers_below_it(layer):
    allowed = LAYERS[layer] | {layer, None}
    assert not [
        f'{module_name(path)} imports {name}'
        for path in files_of(layer) for name in imports_of(path) if layer_of(name) not in allowed]


@pytest.mark.parametrize('layer', LAYERS)
def test_third_party_is_imported_only_by_its_owner(layer):
    assert not [
        f'{module_name(path)} imports {name}'
        for path in files_of(layer) for name in imports_of(path)
        if not any(is_inside(module_name(path), owner) for owner in owners_of(name))]


@pytest.mark.parametrize('layer, allowed', [
    ('errors', set()), ('small_file', set()), ('domain', {'numpy'})])
def test_core_needs_no_third_party(layer, allowed):
    known = sys.stdlib_module_names | allowed | {'reflex_ros'}
    assert not [
        f'{module_name(path)} imports {name}'
        for path in files_of(layer) for name in imports_of(path)
        if name.partition('.')[0] not in known]


@pytest.mark.parametrize('layer', [
    pytest.param(layer, marks=[pytest.mark.ros] if layer == 'nodes' else []) for layer in LAYERS])
def test_importing_a_layer_brings_along_nothing_from_beside_or_above(layer):
    # To import a __main__ is to run it.
    names = [module_name(path) for path in files_of(layer) if path.name != '__main__.py']
    if not names:
        pytest.skip(f'reflex_ros.{layer} is not written yet')
    listing = subprocess.run(
        [sys.executable, '-c', IMPORT_AND_LIST, *names],
        cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert listing.returncode == 0, listing.stderr
    loaded = json.loads(listing.stdout)
    reachable = LAYERS[layer] | {layer, None}
    layers = {layer_of(name) for name in loaded} - reachable
    assert not layers
    third_parties = {
        name for name in OWNERS
        if name in loaded and not {layer_of(owner) for owner in owners_of(name)} & reachable}
    assert not third_parties


@pytest.mark.parametrize('module', ['reflex_ros.nodes', 'reflex_ros.cli.main'])
def test_our_processes_solve_their_small_systems_in_one_thread(module):
    listing = subprocess.run(
        [sys.executable, '-c', f'import {module}, numpy, os\n'
         'numpy.linalg.solve(numpy.eye(300), numpy.eye(300))\n'
         'print(len(os.listdir("/proc/self/task")))'],
        env={name: value for name, value in os.environ.items() if name != 'OPENBLAS_NUM_THREADS'},
        cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert listing.stdout == '1\n', listing.stderr


def knows_the_so101(name):
    """Tell whether a module may name the SO-101's joints."""
    return name.startswith(SO101_COMMANDS) or any(
        is_inside(name, place) for place in SO101_PLACES)


def modules_for_any_arm():
    """List the files that may not know which arm they work for."""
    return [path for path in sorted(ROOT.glob('reflex_ros/**/*.py'))
            if not knows_the_so101(module_name(path))]


def test_table_of_the_so101_is_imported_only_where_that_arm_is_driven():
    assert not [
        f'{module_name(path)} imports {name}'
        for path in modules_for_any_arm() for name in imports_of(path)
        if is_inside(name, SO101_TABLE)]


def test_joints_of_the_so101_are_named_only_where_that_arm_is_driven():
    from reflex_ros.hardware.so101 import JOINT_NAMES

    assert not [
        f'{module_name(path)}:{node.lineno} names {node.value}'
        for path in modules_for_any_arm() for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in JOINT_NAMES]


def service_part(name):
    """Name the module or wing at the top of the simulated service that a dotted name is in."""
    parts = name.removeprefix('reflex_ros.sim.service').split('.')
    return parts[1] if name.startswith('reflex_ros.sim.service.') else None


def test_simulated_service_has_at_most_20_modules_and_wings_at_its_top():
    top = ROOT / 'reflex_ros' / 'sim' / 'service'
    names = {path.stem for path in top.glob('*.py')} | {path.parent.name for path in top.glob(
        '*/__init__.py')}
    assert len(names - {'__init__'}) <= 20


def test_wings_of_the_simulated_service_import_each_other_in_no_circle():
    # Imports for type checking count too: a reader follows them as well.
    graph = {}
    for path in files_of('sim'):
        if (part := service_part(module_name(path))) is not None:
            graph.setdefault(part, set()).update(
                other for name in imports_of(path) if (other := service_part(name)) not in (
                    None, part))
    graph = {part: {other for other in others if other in graph} for part, others in graph.items()}
    while free := {part for part, others in graph.items() if not others}:
        graph = {part: others - free for part, others in graph.items() if part not in free}
    # What is left, imports itself through others.
    assert graph == {}
