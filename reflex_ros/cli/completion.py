# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex completion``: the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions, local_command


@local_command('eval "$(reflex completion bash)"',
               'reflex completion fish > ~/.config/fish/completions/reflex.fish')
@click.argument('shell', type=click.Choice(['bash', 'zsh', 'fish']))
def completion(common: CommonOptions, shell: str) -> None:
    """
    Print the completion script for a shell.

    Load the script when the shell starts, as in the examples.
    """
    root = click.get_current_context().find_root()
    name = root.info_name or 'reflex'
    kind = get_completion_class(shell)
    assert kind is not None, 'click knows the three shells'
    # click looks for this variable.
    variable = f'_{name}_COMPLETE'.replace('-', '_').upper()
    script = kind(root.command, {}, name, variable).source()
    text.report(common, {'ok': True, 'script': script}, script)
