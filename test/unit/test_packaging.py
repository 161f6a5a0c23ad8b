# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the packaging files say about each other and about the code."""

import ast
from fnmatch import fnmatch
import json
import os
from pathlib import Path
import re
import sys
from xml.etree import ElementTree

import pytest

import reflex_ros
from reflex_ros.bringup import packages

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ElementTree.parse(ROOT / 'package.xml').getroot()  # noqa: S314 (our own file)

GENERATED = {'build', 'install', 'log', 'dist'}

# Import name -> rosdep key and, on the Python package index, distribution.
THIRD_PARTIES = {
    'PIL': ('python3-pil', 'Pillow'),
    'aiohttp': ('python3-aiohttp', 'aiohttp'),
    'ament_index_python': ('ament_index_python', 'ros-ament-index-python'),
    # Only `reflex connect` reads cameras itself; in the graph, their drivers do.
    'av': (None, 'av'),
    'builtin_interfaces': ('builtin_interfaces', 'ros-builtin-interfaces'),
    'click': ('python3-click', 'click'),
    'diagnostic_msgs': ('diagnostic_msgs', 'ros-diagnostic-msgs'),
    'geometry_msgs': ('geometry_msgs', 'ros-geometry-msgs'),
    'httpx': ('python3-httpx', 'httpx'),
    'launch': ('launch', None),
    'launch_ros': ('launch_ros', None),
    'lifecycle_msgs': ('lifecycle_msgs', 'ros-lifecycle-msgs'),
    # Recordings are an extra, and no distribution of ROS has a rosdep key for it.
    'mcap': (None, 'mcap'),
    'mcap_ros2': (None, 'mcap-ros2-support'),
    'numpy': ('python3-numpy', 'numpy'),
    'pyarrow': (None, 'pyarrow'),
    'pydantic': ('python3-pydantic', 'pydantic'),
    'rcl_interfaces': ('rcl_interfaces', 'ros-rcl-interfaces'),
    'rclpy': ('rclpy', 'ros-rclpy'),
    'rich': ('python3-rich', 'rich'),
    'sensor_msgs': ('sensor_msgs', 'ros-sensor-msgs'),
    'serial': ('python3-serial', 'pyserial'),
    'std_msgs': ('std_msgs', 'ros-std-msgs'),
    'std_srvs': ('std_srvs', 'ros-std-srvs'),
    # The index does not have it; the node `description` does without.
    'tf2_msgs': ('tf2_msgs', None),
    'trajectory_msgs': ('trajectory_msgs', 'ros-trajectory-msgs'),
    'websockets': ('python3-websockets', 'websockets'),
    'yaml': ('python3-yaml', 'PyYAML'),
}


def setup_arguments():
    """Read the arguments of ``setup()`` that are literals; running it would need setuptools."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    call = next(
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup')
    literals = {}
    for keyword in call.keywords:
        try:
            literals[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            continue
    return literals


SETUP = setup_arguments()


def texts(tag):
    """List what the manifest has in all elements of one tag."""
    return [element.text for element in MANIFEST.findall(tag)]


def text_files():
    """Find the text files of the source tree."""
    for folder, folders, files in os.walk(ROOT):
        # Skip virtual environments, which hold thousands of files.
        folders[:] = sorted(name for name in folders
                            if not name.startswith('.') and not name.endswith('.egg-info')
                            and not (Path(folder) == ROOT and name in GENERATED))
        yield from (Path(folder, name) for name in sorted(files)
                    if not name.endswith(('.pyc', '.jsonl', '.png', '.so')))


def python_files():
    """Find our Python files, wherever in the tree they are."""
    return (path for path in text_files() if path.suffix == '.py')


def imported_roots(path):
    """Name the top-level packages that a file imports when it runs, inside functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, 'id', '') == 'TYPE_CHECKING':
            # For type checkers, which bring typing_extensions along.
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition('.')[0]


def imported_third_parties(folder):
    """Find what the files of one folder import that is neither ours nor Python's."""
    return {
        root
        for path in (ROOT / folder).rglob('*.py') for root in imported_roots(path)
        if root not in sys.stdlib_module_names and root != 'reflex_ros'
    }


def distribution(requirement):
    """Cut a requirement down to the name of its distribution."""
    return re.match(r'[\w.-]+', requirement).group()


def test_version_is_the_same_everywhere():
    assert MANIFEST.findtext('version') == SETUP['version'] == reflex_ros.__version__


def test_changelog_starts_with_what_is_next_or_with_this_version():
    heading = re.search(r'^(.+)\n-+$', (ROOT / 'CHANGELOG.rst').read_text(), re.MULTILINE).group(1)
    assert heading == 'Forthcoming' or heading.startswith(f'{reflex_ros.__version__} (')


def test_name_and_licence_are_the_same_everywhere():
    assert MANIFEST.findtext('name') == SETUP['name'] == reflex_ros.__name__
    assert MANIFEST.findtext('license') == SETUP['license'] == 'Apache-2.0'
    assert (ROOT / 'LICENSE').read_text().split()[:2] == ['Apache', 'License']


def test_colcon_takes_the_manifest_for_ament_python():
    assert MANIFEST.get('format') == '3'
    assert MANIFEST.findtext('export/build_type') == 'ament_python'
    assert not texts('buildtool_depend')


def test_maintainer_mail_is_well_formed():
    # With a malformed one colcon takes the package for a plain Python one, and says so only in a
    # warning. The expression is narrower than the one that it uses.
    mail, = [element.get('email') for element in MANIFEST.findall('maintainer')]
    assert re.fullmatch(r'[a-z0-9._-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}', mail)


def test_website_repository_and_bugtracker_are_named():
    assert {element.get('type') for element in MANIFEST.findall('url')} == {
        'website', 'repository', 'bugtracker'}


def test_placeholder_addresses_stand_in_the_manifest_only():
    host = MANIFEST.find('maintainer').get('email').partition('@')[2]
    project = MANIFEST.findtext('url').partition('://')[2]
    users = [path for path in text_files()
             if (text := path.read_text(encoding='utf-8')) and (host in text or project in text)]
    assert users == [ROOT / 'package.xml']
    assert 'Placeholders: these addresses do not exist yet' in users[0].read_text()


def test_source_distribution_holds_every_file_of_the_root():
    words = (ROOT / 'MANIFEST.in').read_text().split()
    # setuptools takes these by itself.
    patterns = {*words, 'setup.py', 'setup.cfg', 'pyproject.toml', 'MANIFEST.in', 'reflex_ros'}
    ignored = {line.strip('/') for line in (ROOT / '.gitignore').read_text().splitlines()}
    assert not [
        path.name for path in ROOT.iterdir()
        if path.name not in {'.git', *GENERATED}
        and not any(fnmatch(path.name, pattern) for pattern in patterns | ignored)]


def test_every_import_has_an_exec_depend():
    used = imported_third_parties('reflex_ros') | imported_third_parties('launch')
    unknown = used - set(THIRD_PARTIES)
    assert not unknown
    undeclared = {THIRD_PARTIES[name][0] for name in used} - {None, *texts('exec_depend')}
    assert not undeclared


def distributions(extra=None):
    """Name the distributions of an extra, or those that pip always installs."""
    texts = SETUP['extras_require'][extra] if extra else SETUP['install_requires']
    return {distribution(text) for text in texts}


@pytest.mark.parametrize('wheels', ['ros', 'ros-jazzy'])
def test_every_import_is_installed_by_pip(wheels):
    used = imported_third_parties('reflex_ros') & set(THIRD_PARTIES)
    missing = {THIRD_PARTIES[name][1] for name in used} - {None} - (
        distributions() | distributions(wheels) | distributions('sim')
        | distributions('camera') | distributions('record') | distributions('lerobot'))
    assert not missing


def test_thin_client_imports_nothing_that_an_extra_installs():
    names = {name for name, (_, pip) in THIRD_PARTIES.items() if pip in distributions('sim')}
    assert names == set(packages.SIM_PACKAGES)
    assert not distributions('sim') & distributions()
    users = {path.relative_to(ROOT / 'reflex_ros').as_posix()
             for path in (ROOT / 'reflex_ros').rglob('*.py') if names & set(imported_roots(path))}
    outside = {user for user in users if not user.startswith(
        ('sim/', 'cameras/', 'view/', 'recording/'))}
    assert outside == {'cli/chart.py'}
    # The cameras are read by a node, which comes with rclpy.
    assert {'Pillow'} == distributions('ros') & distributions('sim')


def test_both_distributions_get_the_same_packages():
    assert distributions('ros') == distributions('ros-jazzy')


def test_manifest_and_setup_agree_on_the_dependencies():
    required = distributions() | distributions('sim')
    keys = {key for key, name in THIRD_PARTIES.values() if name in required}
    assert keys == {key for key in texts('exec_depend') if key.startswith('python3-')}


def test_every_requirement_has_a_lower_bound():
    requirements = [*SETUP['install_requires'], *SETUP['extras_require']['sim'],
                    *SETUP['extras_require']['test']]
    assert not [text for text in requirements if '>=' not in text]


@pytest.mark.parametrize('script', SETUP['entry_points']['console_scripts'])
def test_console_script_names_a_main(script):
    module, _, function = script.partition(' = ')[2].partition(':')
    path = ROOT.joinpath(*module.split('.')).with_suffix('.py')
    if not path.exists():
        pytest.skip(f'{module} is not written yet')
    # Read and not imported: a node needs rclpy.
    defined = {getattr(node, 'name', None) for node in ast.parse(path.read_text()).body}
    assert function in defined


def test_hook_that_puts_the_command_on_the_path_is_installed():
    hooks = json.loads((ROOT / 'colcon.pkg').read_text())['hooks']
    assert hooks == ['share/reflex_ros/hook/reflex_path.dsv']
    assert (ROOT / 'resource' / 'reflex_path.dsv').read_text().split(';')[2].strip() == (
        'lib/reflex_ros')
    assert "('share/reflex_ros/hook', ['resource/reflex_path.dsv'])" in (
        (ROOT / 'setup.py').read_text())


def test_index_has_a_marker_of_the_package():
    assert (ROOT / 'resource' / 'reflex_ros').exists()


def test_every_python_file_has_the_licence_header():
    header = ['# Copyright 2026 The reflex_ros authors', '# SPDX-License-Identifier: Apache-2.0']

    def head(path):
        lines = path.read_text().splitlines()
        return lines[1:3] if lines and lines[0].startswith('#!') else lines[:2]

    assert not [str(path.relative_to(ROOT)) for path in python_files() if head(path) != header]
