# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for every command: help, -v, exit codes, pipes, completion."""

import json
import os
import shutil
import subprocess
import sys

import click
import pytest

from reflex_ros.cli import main as module
from reflex_ros.cli import remote
from reflex_ros.cli.options import CommonOptions
from reflex_ros.client.resources import account

KEY = 'rfx_canary_7c1d9e'
RUN = (sys.executable, '-W', 'error', '-m', 'reflex_ros.cli.main')
pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


def all_commands(group=module.reflex, path=()):
    """Yield every command with its path."""
    context = click.Context(group, info_name='reflex')
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(all_commands())


@pytest.mark.parametrize('path', COMMANDS, ids=' '.join)
def test_every_command_has_help_with_an_example(reflex, path):
    outcome = reflex(*path, '--help')
    assert outcome.code == 0
    assert f'Usage: reflex {" ".join(path)}' in outcome.out
    assert '\n    reflex ' in outcome.out.partition('Example:')[2]


def test_every_command_has_json_and_verbose():
    for path, command in COMMANDS.items():
        options = {name for option in command.params for name in option.opts}
        assert {'--json', '-v', '--verbose'} <= options, path


def test_table_of_commands_says_what_the_commands_say():
    for name, (_, text) in module.COMMANDS.items():
        command = module.reflex.get_command(click.Context(module.reflex), name)
        assert command.name == name
        assert text.endswith('.') and len(text) < 80


# ---- nothing, or only a group


@pytest.mark.parametrize('argv', [(), ('robots',), ('sessions',)])
def test_group_without_a_command_prints_its_help_with_exit_two(reflex, argv):
    outcome = reflex(*argv)
    assert (outcome.code, outcome.err) == (2, '')
    assert outcome.out.startswith(' '.join(('Usage: reflex', *argv)))
    assert 'Commands:' in outcome.out


def test_group_without_a_command_is_one_document_in_json(reflex):
    outcome = reflex('--json', 'robots')
    assert (outcome.code, outcome.err) == (2, '')
    assert outcome.document == {'ok': False, 'error': 'Missing command.'}


# ---- unexpected errors


@pytest.fixture
def broken(monkeypatch):
    """Make a command raise an unexpected error."""
    async def whoami(service):
        raise ZeroDivisionError('by\nzero\x1b[2J')

    monkeypatch.setattr(account, 'whoami', whoami)


LINE = 'unexpected ZeroDivisionError: by\\nzero\\x1b[2J; run again with -v and report the output'


def test_unexpected_error_is_one_line(ask, broken):
    outcome = ask('whoami')
    assert outcome.code == 1
    assert outcome.err == f'Reflex command failed\n\nError: {LINE}\n'
    assert ask('whoami', '--json').document == {'ok': False, 'error': LINE}


def test_unexpected_error_has_its_traceback_with_v(ask, broken):
    outcome = ask('whoami', '-v')
    assert outcome.code == 1
    assert 'Traceback (most recent call last):' in outcome.err
    assert 'ZeroDivisionError: by' in outcome.err
    assert outcome.err.endswith(f'Error: {LINE}\n')


# ---- -v


def test_verbose_shows_each_exchange_and_never_the_key(ask, service):
    service.fault('rpc_status', '503x1')
    outcome = ask('-v', 'whoami')
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    assert len(lines) == 3
    place = f'POST {service.url}/api/query publicApi:whoami: '
    assert all('[DEBUG] reflex_ros.client.transport: ' + place in line for line in lines)
    for line, text in zip(lines, ('HTTP 503, ', 'HTTP 503 (attempt 1, ', 'HTTP 200, '),
                          strict=True):
        assert place + text in line
        assert line.endswith((' ms', ' ms)'))


def test_logs_are_silent_without_v_and_again_after_v(ask, service):
    service.fault('rpc_status', '503x1')
    assert ask('whoami').err == ''
    assert ask('whoami', '-v').err != ''
    assert ask('whoami').err == ''


def test_verbose_shows_how_a_stream_was_opened(service, run, capsys):
    from reflex_ros.cli import verbose
    from reflex_ros.client import action_stream
    from reflex_ros.client.credentials import Secret

    kind = getattr(action_stream, 'AsyncActionStream', None) or action_stream.ActionStream
    request = action_stream.OpenRequest('wave')

    async def main():
        async with kind(service.actions_url, Secret(KEY), request):
            pass

    with verbose.logs():
        run(main())
    err = capsys.readouterr().err
    assert 'reflex_ros.client.action_stream: ' in err
    assert 'open at attempt 1: tcp_ms ' in err
    assert 'session_ready_ms' in err
    assert KEY not in err


# ---- pipes


@pytest.mark.parametrize('key', [KEY, ''])
def test_reader_that_has_gone_is_no_error(service, no_settings, key):
    environment = os.environ | {'REFLEX_API_KEY': key, 'REFLEX_CONVEX_URL': service.url}
    running = subprocess.Popen([*RUN, 'robots', 'list', '--json'], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert (running.wait(20.0), err) == (1, '')


def test_nothing_has_colour_or_moves_the_cursor_without_a_terminal(ask):
    for argv in (('whoami',), ('robots', 'list'), ('doctor', 'deploy_blocked'), ('--help',)):
        outcome = ask(*argv)
        assert '\x1b' not in outcome.out + outcome.err


# ---- completion


def complete(*words):
    """Ask for completions of the last word as bash does; return them and what was imported."""
    script = ('import sys; sys.argv = ["reflex"]\n'
              'import atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n'
              'from reflex_ros.cli.main import main; main()')
    environment = os.environ | {
        '_REFLEX_COMPLETE': 'bash_complete', 'COMP_WORDS': ' '.join(('reflex', *words)),
        'COMP_CWORD': str(len(words))}
    ended = subprocess.run([sys.executable, '-c', script], env=environment, capture_output=True,
                           text=True, timeout=20)
    found = [line.partition(',')[2] for line in ended.stdout.splitlines()]
    return found, set(ended.stderr.split())


def test_commands_are_completed_without_importing_any():
    found, loaded = complete('de')
    assert found == ['demo', 'demote', 'deploy', 'deployments']
    assert not {'httpx', 'pydantic', 'asyncio', 'reflex_ros.cli.deployments'} & loaded


def test_commands_of_a_group_and_options_are_completed_without_the_network_libraries():
    found, loaded = complete('robots', 're')
    assert found == ['register', 'register-schema']
    assert not {'httpx', 'asyncio', 'websockets'} & loaded
    assert '--every' in complete('robots', 'heartbeat', '--e')[0]


@pytest.mark.skipif(shutil.which('bash') is None, reason='bash is not installed')
def test_script_for_bash_completes(no_settings):
    program = no_settings / 'bin' / 'reflex'
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reflex_ros.cli.main "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {'PATH': f'{program.parent}:{os.environ["PATH"]}'}
    ended = subprocess.run(['bash', '-c', (
        'set -e; eval "$(reflex completion bash)"; complete -p reflex\n'
        'COMP_WORDS=(reflex deployments l) COMP_CWORD=2\n'
        '_reflex_completion reflex l deployments; echo "${COMPREPLY[@]}"')],
        env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == 'list'
    assert '_reflex_completion' in ended.stdout


@pytest.mark.parametrize('shell, text', [
    ('bash', '_REFLEX_COMPLETE=bash_complete'), ('zsh', '#compdef reflex'),
    ('fish', 'complete --no-files --command reflex')])
def test_script_is_printed_for_each_shell(reflex, shell, text):
    outcome = reflex('completion', shell)
    assert outcome.code == 0
    assert text in outcome.out
    assert json.loads(reflex('completion', shell, '--json').out)['script'] + '\n' == outcome.out


@pytest.mark.parametrize('called, name', [
    ('/usr/bin/reflex', 'reflex'), ('/usr/bin/reflex-ros', 'reflex-ros'), ('main.py', 'reflex')])
def test_command_goes_by_the_name_it_was_called(monkeypatch, called, name):
    monkeypatch.setattr(sys, 'argv', [called])
    assert module.program() == name


def test_address_of_another_argument_reaches_the_service():
    # The one helper through which every command sends requests passes all arguments on.
    with pytest.raises(TypeError, match='nonsense'):
        remote.ask_at(CommonOptions(api_key=KEY), account.whoami, nonsense=1)


def test_command_of_the_service_imports_only_what_it_needs():
    # Each of these takes as long as everything else together.
    code = ('import sys; import reflex_ros.cli.account, reflex_ros.client.async_client;'
            'print([name for name in ("httpx._main", "rich", "yaml", "numpy", "websockets") '
            'if name in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n'


@pytest.mark.parametrize('outputs, is_lost', [
    ('>&-', True), ('>/dev/full', True), ('2>&-', False), ('2>/dev/full', False),
    ('>&- 2>&-', True)])
@pytest.mark.parametrize('argv', ['--version', '--help', 'completion bash', 'whoami --json'])
def test_output_that_cannot_be_written_is_told_without_a_traceback(tmp_path, argv, outputs,
                                                                   is_lost):
    # The descriptors go to the shell as they are; what is left of them is seen here.
    done = subprocess.run(
        ['sh', '-c', f'exec "$0" -m reflex_ros.cli.main {argv} {outputs}', sys.executable],
        capture_output=True, text=True, timeout=30.0,
        env={**os.environ, 'XDG_CONFIG_HOME': str(tmp_path), 'REFLEX_API_KEY': ''})
    fails = argv.startswith('whoami')
    assert done.returncode == (1 if is_lost or fails else 0), done
    assert 'Traceback' not in done.stderr and 'Exception ignored' not in done.stderr
    assert 'Error' not in done.stdout
    if is_lost and '2>' not in outputs:
        assert done.stderr.startswith('Reflex command failed\n\nError: ')
        assert done.stderr.count('Error: ') == 1
