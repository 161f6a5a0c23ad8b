# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Write the generated pages, and the generated sections of the other pages.

A generated page says so at the top, a generated section between its two markers. Tests compare
each page with what this module would write: ``test/unit/test_docs.py``.
"""

import ast
from collections.abc import Iterable
from dataclasses import fields
from importlib import import_module
import json
from pathlib import Path
from typing import Any

import click

from reflex_ros.bringup.demo import FAULTS
from reflex_ros.bringup.sros2 import policy
from reflex_ros.cli.main import reflex
from reflex_ros.config.parameters.tables import TABLES
from reflex_ros.domain.fault_code import FaultCode, Reaction, Recovery
from reflex_ros.domain.safe_stop import DEADLINES, Event, SafeStop, State
from reflex_ros.domain.safe_stop import TABLE as TRANSITIONS
from reflex_ros.domain.supervision import WANTED

ROOT = Path(__file__).resolve().parents[1]
NOTE = '<!-- Written by `make docs` from the source: change it there. -->\n'
BEGIN = '<!-- Begin of {name}, written by `make docs` from the source: change it there. -->\n'
END = '<!-- End of {name}. -->\n'


def table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Return a Markdown table that ends with a newline."""
    lines = [header, ('---',) * len(header), *rows]
    return ''.join(f'| {" | ".join(map(str, cells))} |\n' for cells in lines)


def parameters() -> str:
    """Make the page of all parameters."""
    page = ['# Parameters', NOTE,
            'If a value is not allowed, *configure* fails and names the parameter.\n\n'
            'A parameter with **live** in its meaning can be changed at any time. All others can\n'
            'be changed only while the node is not configured.\n']
    for node, rows in TABLES.items():
        page.append(f'## {node}\n')
        page.append(table(('parameter', 'default', 'allowed', 'meaning'), (
            (f'`{spec.name}`', '' if spec.default == '' else f'`{spec.default}`', spec.allowed,
             spec.description + (' **live**' if spec.is_live else ''))
            for spec in rows)))
    return '\n'.join(page)


def commands() -> str:
    """Make the page of all commands: what --help prints."""
    page = ['# Commands', NOTE]

    def describe(command: click.Command, path: str, parent: click.Context | None) -> None:
        context = click.Context(command, info_name=path.split()[-1], parent=parent,
                                terminal_width=90, max_content_width=90,
                                **(command.context_settings if parent is None else {}))
        page.append(f'## {path}\n\n```\n{command.get_help(context)}\n```\n')
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                if found is not None:
                    describe(found, f'{path} {name}', context)

    describe(reflex, 'reflex', None)
    return '\n'.join(page)


def robot_yaml() -> str:
    """Make the page of robot.yaml with the present tables of its keys."""
    from reflex_ros.config.robot import cameras, hardware, model, targets
    from reflex_ros.config.robot.fields import Part
    from reflex_ros.config.robot.wrong_value import keys_of

    def keys(part: type[Part], skipped: tuple[str, ...] = ('kind',)) -> str:
        rows = []
        for key, field in zip(keys_of(part), part.model_fields.values(), strict=True):
            if key not in skipped:
                default = 'required' if field.is_required() else f'`{text_of(field.default)}`'
                rows.append((f'`{key}`', default, allowed(part, key), field.description or ''))
        return table(('key', 'default', 'allowed', 'meaning'), rows)

    sections = [('The whole file', model.RobotConfig, ('target', 'hardware', 'cameras',
                                                       'deployment', 'gate', 'recording'))]
    sections += [(f'`{name}`', part, ()) for name, part in (
        ('deployment', model.Deployment), ('gate', model.Gate), ('recording', model.Recording))]
    sections += [(f'`target.kind: {part.model_fields["kind"].annotation.__args__[0]}`', part,
                  ('kind',)) for part in (
        targets.StreamTarget, targets.InferTarget, targets.EdgeTarget)]
    sections += [(f'`hardware.kind: {kind}`, below `config`', part, ()) for kind, part in (
        ('so101', hardware.So101Config), ('sim', hardware.SimConfig),
        ('subprocess', hardware.SubprocessConfig))]
    picture = tuple(keys_of(cameras.Picture))
    sections += [(f'`cameras.NAME.kind: {kind}`', part, ('kind', *picture)) for kind, part in (
        ('v4l2', cameras.V4l2Camera), ('shm', cameras.ShmCamera), ('sim', cameras.SimCamera),
        ('topic', cameras.TopicCamera))]
    sections.append(('The picture of every camera', cameras.Picture, ()))
    return with_sections('doc/robot-yaml.md', keys='\n'.join(
        f'### {title}\n\n{keys(part, skipped)}' for title, part, skipped in sections))


def text_of(value: object) -> str:
    """Return a default as it is written in YAML."""
    return json.dumps(value, default=lambda part: part.model_dump())


def allowed(part: Any, key: str) -> str:
    """Say which values a key of robot.yaml takes, from the schema of its part."""
    found = part.model_json_schema()['properties'][key]
    kinds = []
    for each in found.get('anyOf', [found]):
        if 'enum' in each:
            kinds.append('one of ' + ', '.join(map(str, each['enum'])))
            continue
        kind = {'string': 'text', 'number': 'a number', 'integer': 'a whole number',
                'boolean': 'true or false', 'array': 'a list', 'object': 'a mapping',
                'null': 'nothing'}.get(each.get('type', ''), 'a mapping')
        low = each.get('minimum', each.get('exclusiveMinimum', ''))
        kinds.append(f'{kind} {low}..{each.get("maximum", "")}'
                     if low != '' or 'maximum' in each else kind)
    return ' or '.join(kinds)


def package_map() -> str:
    """Make the table of packages: path, and first line of the docstring."""
    package = ROOT / 'reflex_ros'
    files = [package / '__init__.py', *sorted(package.glob('*/**/__init__.py')),
             *(file for file in sorted(package.glob('*.py')) if file.name != '__init__.py')]
    rows = []
    for file in files:
        place = file.parent if file.name == '__init__.py' else file
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8')))
        rows.append((f'`{place.relative_to(ROOT)}`', docstring.split('\n')[0]))
    return table(('folder', 'what belongs there'), rows)


def with_sections(page: str, **sections: str) -> str:
    """
    Return the text of a page with new generated sections.

    :param page: path from the root of the repository.
    :param sections: name of each section and its new text, which ends with a newline.
    :raises ValueError: if a section does not have its two markers in the page.
    """
    text = (ROOT / page).read_text(encoding='utf-8')
    for name, body in sections.items():
        head, begin, rest = text.partition(BEGIN.format(name=name))
        _, end, tail = rest.partition(END.format(name=name))
        if not end:
            raise ValueError(f'{page} has no markers for the section {name!r}: add the lines '
                             f'{BEGIN.format(name=name)!r} and {END.format(name=name)!r}')
        text = f'{head}{begin}\n{body}\n{end}{tail}'
    return text


def contributing() -> str:
    """Make CONTRIBUTING.md with the present map of the package."""
    return with_sections('CONTRIBUTING.md', package_map=package_map())


def fault_codes() -> str:
    """Make the table of fault codes, with the faults of ``reflex demo`` that provoke them."""
    demo: dict[str, list[str]] = {}
    for fault in FAULTS.values():
        demo.setdefault(fault.cause.name, []).append(f'`{fault.name}`')
    rows = []
    for code in FaultCode:
        row = code.row
        latches = {True: 'at once', False: 'no'}.get(row.latches, row.latches)
        rows.append((code, row.meaning, row.reaction.name.lower(), latches,
                     row.recovery.name.lower(), row.next_step,
                     ', '.join(demo.get(code.name, []))))
    legend = ''.join(f'- *{item.name.lower()}*: {item.value}\n'
                     for item in (*Reaction, *Recovery))
    header = ('code', 'what happened', 'reaction', 'latches', 'recovery', 'next step', 'demo')
    return (f'{table(header, rows)}\nReactions, from the mildest to the strongest, and '
            f'recoveries:\n\n{legend}')


def states() -> str:
    """Make the drawing of the state machine from its table."""
    always = {(row.state, row.event, row.target) for row in TRANSITIONS if row.guard is None}
    branches = {(row.state, row.event) for row in TRANSITIONS
                if row.guard and (row.state, row.event, row.target) not in always}
    labels: dict[tuple[State, State], list[str]] = {}
    for row in TRANSITIONS:
        condition = row.guard.text if row.guard else (
            'otherwise' if (row.state, row.event) in branches else '')
        # A condition that changes the goal of a stop, and not the next state, is not drawn.
        if row.target is row.state or row.event is Event.SHUTDOWN or (
                row.guard and (row.state, row.event, row.target) in always):
            continue
        text = row.event.value + (f' [{condition}]' if condition else '')
        if row.event is Event.TIMEOUT:
            deadline = DEADLINES[row.state]
            text = f'{deadline.code} after {deadline.after_s:g} s'
        labels.setdefault((row.state, row.target), []).append(text)
    lines = [f'    {state.value} --> {target.value}: {" / ".join(texts)}\n'
             for (state, target), texts in labels.items()]
    start = f'    [*] --> {SafeStop().state.value}\n'
    return f'```mermaid\nstateDiagram-v2\n{start}{"".join(lines)}```\n'


def state_meanings() -> str:
    """Make the table of states: the lifecycle states that each wants, and what it means."""
    return table(('state', 'so101 / action_stream', 'what it means'), (
        (state.value, ' / '.join(each.value for each in WANTED[state])
         if state in WANTED else 'stay as they are', state.meaning) for state in State))


def interfaces() -> str:
    """Make the page of interfaces with the present drawing and table of the states."""
    return with_sections('doc/interfaces.md', states=states(), state_meanings=state_meanings())


def safety() -> str:
    """Make the page of stops with the present table of fault codes."""
    return with_sections('doc/safety.md', fault_codes=fault_codes())


def size(number: int) -> str:
    """Return a number of bytes for a person."""
    for unit, name in ((2 ** 20, 'MiB'), (2 ** 10, 'KiB')):
        if number >= unit and not number % unit:
            return f'{number // unit} {name}'
    return f'{number} bytes'


def bounds() -> str:
    """Make the table of the sizes and times that every input is held to."""
    from reflex_ros import small_file
    from reflex_ros.cameras import convert, pixels
    from reflex_ros.cli import account, dotenv, observation
    from reflex_ros.client import (
        action_stream,
        folder_source,
        mapping_file,
        private_file,
        proxy,
        stream_protocol,
        stream_socket,
        transfer,
        transport,
    )
    from reflex_ros.client.resources import models
    from reflex_ros.config import yaml_lines
    from reflex_ros.domain import action, cdr
    from reflex_ros.hardware import codec, port
    from reflex_ros.recording import dataset_reader
    from reflex_ros.runner.connect import commands as run_commands
    from reflex_ros.runner.session_status import SessionSettings
    from reflex_ros.view import server

    session = {field.name: field.default for field in fields(SessionSettings)}
    return table(('input', 'largest', 'longest wait'), (
        ('answer of the service', size(transport.MAX_ANSWER), f'{transport.CALL_S:g} s; '
         f'{transport.UNREACHABLE_S:g} s for a service that cannot be reached'),
        ('frame of the action stream', f'{size(stream_protocol.MAX_FRAME)}, '
         f'{stream_protocol.MAX_ROWS} rows, {stream_protocol.MAX_CONTAINERS} lists and objects; '
         f'{stream_socket.MAX_QUEUE} frames wait',
         f'{session["first_chunk_s"]:g} s in dry_run; {session["recv_hard_s"]:g} s longer than '
         'usual while actions are applied'),
        ('handshake of the action stream', '', f'{action_stream.ATTEMPT_S:g} s'),
        ('answer of a proxy', size(proxy.MAX_HEAD), f'{action_stream.ATTEMPT_S:g} s'),
        ('answer of a storage, to an upload', size(transport.MAX_ANSWER),
         f'{transfer.ANSWER_S:g} s; {transfer.STALL_S:g} s without a byte'),
        ('folder to upload', f'{folder_source.MAX_FILES} files', ''),
        ('adapter to upload', f'{size(models.MAX_ADAPTER)}, its configuration '
         f'{size(models.MAX_CONFIG)}', ''),
        ('`credentials.json`, `robots.json`', size(private_file.MAX_SIZE), 'none: no pipe'),
        ('`.env`', size(dotenv.MAX_SIZE), 'none: no pipe'),
        ('`robot.yaml`, ROS parameter file', f'{size(yaml_lines.MAX_SIZE)}, '
         f'{yaml_lines.MAX_VALUES} values, {yaml_lines.MAX_DEPTH} levels', 'none: no pipe'),
        ('file of a schema or a deployment', f'{size(small_file.LIMIT)}, '
         f'{mapping_file.MAX_VALUES} values, {mapping_file.MAX_DEPTH} levels', 'until Ctrl-C'),
        ('calibration, backup of a calibration, latch, `meta/info.json` of a data set',
         size(small_file.LIMIT), 'none: no pipe'),
        ('`meta/tasks.jsonl` of a data set', size(dataset_reader.MAX_TASKS), 'none: no pipe'),
        ('`--parameters-json @FILE`', size(small_file.LIMIT), 'until Ctrl-C'),
        ('`--state FILE`, `--image FILE`', f'{size(observation.MAX_STATE)}, '
         f'{size(observation.MAX_IMAGE)}', 'until Ctrl-C'),
        ('line that is typed', size(account.MAX_LINE), 'until Ctrl-C'),
        ('frame of a camera', f'{size(convert.LARGEST_INPUT)}, '
         f'{pixels.LARGEST_PICTURE // 10 ** 6} million pixels; {size(convert.LARGEST_OUTPUT)} are '
         'sent', 'the age that `camera_age_s` allows'),
        ('output of a command of `robot.yaml`', size(run_commands.MAX_OUTPUT),
         'its own `timeout_s`'),
        ('command for the arm', f'{action.MAX_HORIZON} rows', f'{action.MAX_AGE_S:g} s of age'),
        ('text in a ROS message', f'{cdr.LONGEST_TEXT} bytes where it is a name', ''),
        ('answer of a servo', size(codec.MAX_FRAME), f'{port.READ_SLICE_S * 1e3:g} ms'),
        ('message of the page of `reflex view`', size(server.MAX_FRAME),
         f'{server.HELLO_S:g} s for its token')))


def security() -> str:
    """Make the page of secrets, programs and inputs with the present bounds."""
    return with_sections('doc/security.md', bounds=bounds())


def faults() -> str:
    """Make the page of all faults of the simulated service."""
    kinds = import_module('reflex_ros.sim.service.faults.kinds')

    def kinds_table(rows: Iterable[Any], prefix: str = '') -> str:
        return table(('name', 'value', 'times', 'effect', 'what the robot side shows'), (
            (f'`{prefix}{kind.name}`', kind.takes(), kind.times or '', kind.what, kind.shows)
            for kind in rows))

    families = table(('family', 'requests'), (
        (f'`{name}`', where) for name, where in kinds.HTTP_FAMILIES.items()))
    return '\n'.join((
        '# Faults of the simulated service', NOTE,
        'Switch a fault on at the start with `reflex sim service --fault NAME[=VALUE][*TIMES]`,\n'
        'or later with `POST /admin/fault {"name": ..., "value": ..., "times": ...}`. After it\n'
        'has happened `times` times, the fault switches itself off. The column `times` has the\n'
        'default; where it is empty, the fault stays on until it is cleared. The codes in the\n'
        'last column are explained in [safety.md](safety.md).\n',
        kinds_table(kinds.ROWS),
        '## Faults of any HTTP exchange\n\nWrite FAMILY_NAME, for example `rpc_slow=500` or '
        '`infer_status=408x2`.\n',
        kinds_table(kinds.HTTP_ROWS, 'FAMILY_'), families))


PAGES = {
    'CONTRIBUTING.md': contributing,
    'config/sros2_policy.xml': lambda: policy(['front']),
    'doc/cli.md': commands,
    'doc/faults.md': faults,
    'doc/interfaces.md': interfaces,
    'doc/parameters.md': parameters,
    'doc/robot-yaml.md': robot_yaml,
    'doc/safety.md': safety,
    'doc/security.md': security,
}
"""Path from the root of the repository -> the function that makes the whole text."""


def main() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (ROOT / name).write_text(make(), encoding='utf-8')


if __name__ == '__main__':
    main()
