# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the examples of doc/python.md, unchanged, against the simulated service."""

from pathlib import Path
import re

import pytest

PAGE = (Path(__file__).parents[2] / 'doc' / 'python.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'^```python\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
OUTPUTS = (
    r'open after [\d.]+ ms, session sess_\w+\n(30 rows, inference [\d.]+ ms\n){3}',
    r'\([-\d., ]+\)\n',
    r'50 rows of 14 lerobot/pi05_base \[\]\n',
    r'5 steps\n',
    r'closed\n3 3 0 \[\] 50\n',
    r'\[\[1\.5, 2\.5\], \[1\.5, 2\.5\]\]\n',
    r'2 steps \[\]\n',
    r'[\w -]+ ready\nsess_\w+ apply_actions\n',
    r'simulated key\n50\n',
    r'not my key: .*reflex login.*\n',
)
ROBOT = """
max_steps: 2
target: {kind: stream, robot: so101}
hardware:
  kind: subprocess
  config: {observe_command: [printf, '{"state":[0,-30,40,30,0,30]}']}
"""
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.mark.parametrize('index', range(len(BLOCKS)))
def test_example_prints_what_is_expected(index, service, monkeypatch, capsys, no_settings):
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    monkeypatch.setenv('REFLEX_CONVEX_URL', service.url)
    monkeypatch.chdir(no_settings)
    Path('frame.jpg').write_bytes(b'\xff\xd8\xff\xe0 a picture')
    Path('robot.yaml').write_text(ROBOT)
    exec(compile(BLOCKS[index], f'doc/python.md, example {index}', 'exec'), {})  # noqa: S102
    assert re.fullmatch(OUTPUTS[index], capsys.readouterr().out)


def test_every_example_has_an_expected_output():
    assert len(BLOCKS) == len(OUTPUTS)


def test_every_setting_of_a_stream_is_on_the_page():
    from reflex_ros.client.stream_settings import StreamSettings
    undocumented = {'on_retry', 'environment'}
    assert not [name for name in StreamSettings.__annotations__.keys() - undocumented
                if f'`{name}`' not in PAGE]
