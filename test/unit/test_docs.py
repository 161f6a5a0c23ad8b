# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages: generated parts are up to date, links lead somewhere, quoted messages exist."""

import ast
import importlib.util
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_generator():
    spec = importlib.util.spec_from_file_location('generate', ROOT / 'doc' / 'generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


@pytest.mark.parametrize('name', sorted(GENERATOR.PAGES))
def test_page_is_up_to_date(name):
    assert (ROOT / name).read_text(encoding='utf-8') == GENERATOR.PAGES[name](), 'run `make docs`'


def test_every_package_is_on_the_map():
    packages = {f'`{file.parent.relative_to(ROOT)}`'
                for file in (ROOT / 'reflex_ros').glob('**/__init__.py')}
    assert not [name for name in packages if f'| {name} |' not in GENERATOR.package_map()]


def test_section_without_markers_is_refused():
    with pytest.raises(ValueError, match='has no markers'):
        GENERATOR.with_sections('README.md', no_such_section='text\n')


def test_every_generated_file_says_so_before_its_content():
    texts = {name: (ROOT / name).read_text(encoding='utf-8') for name in GENERATOR.PAGES}
    assert not [name for name, text in texts.items() if 'ritten by `make docs`' not in text]


def test_every_state_is_documented():
    from reflex_ros.domain.safe_stop import State
    page = (ROOT / 'doc' / 'interfaces.md').read_text(encoding='utf-8')
    assert not [state.value for state in State if state.value not in page
                and state is not State.SHUTDOWN]


def test_quoted_messages_of_the_arm_exist():
    page = (ROOT / 'doc' / 'so101.md').read_text(encoding='utf-8')
    symptoms = [line.split(' | ')[0] for line in page.splitlines() if line.startswith('| `')]
    # "..." stands for any text, and a digit for any number.
    pieces = {piece.strip(' .:;()') for line in symptoms for quote in re.findall('`(.+?)`', line)
              for piece in re.split(r'\.\.\.|\d', quote)} - {'', 'returned no data'}
    assert len(pieces) > 10
    texts = '\n'.join(
        node.value for file in (ROOT / 'reflex_ros').glob('**/*.py')
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8')))
        if isinstance(node, ast.Constant) and isinstance(node.value, str))
    assert not [piece for piece in pieces if piece not in texts]


def test_message_of_pyserial_on_the_page_exists():
    serialposix = pytest.importorskip('serial.serialposix')
    assert 'returned no data' in Path(serialposix.__file__).read_text(encoding='utf-8')


def test_every_link_between_pages_leads_somewhere():
    pages = [*ROOT.glob('*.md'), *(ROOT / 'doc').glob('*.md')]
    dead = [(page.name, link) for page in pages
            for link in re.findall(r'\]\(([\w./-]+)[)#]', page.read_text(encoding='utf-8'))
            if not (page.parent / link).exists()]
    assert not dead


def recipes():
    page = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    return page[page.index('## How to add something'):page.index('## Map of the package')]


def test_every_path_in_a_recipe_exists():
    paths = re.findall(r'`(\w+/[\w./]+)`', recipes())
    assert len(paths) > 20
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_name_in_a_recipe_exists():
    names = set(re.findall(r'`@?(_?[A-Z][A-Za-z_]{2,}|\w+_command|text\.report)', recipes()))
    assert {'COMMANDS', 'TABLE', 'ArmDescription', 'service_command'} <= names
    code = '\n'.join(file.read_text(encoding='utf-8')
                     for file in (ROOT / 'reflex_ros').glob('**/*.py'))
    assert not [name for name in names if not re.search(rf'\b{re.escape(name)}\b', code)]
