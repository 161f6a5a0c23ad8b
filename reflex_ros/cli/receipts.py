# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex receipts``: the records of what happened under deployments."""

from __future__ import annotations

import click

from reflex_ros.cli import text
from reflex_ros.cli.named import IdOf
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask
from reflex_ros.client.resources import receipts as calls

IDS = ('receiptId', 'id', '_id')


@click.group()
def receipts() -> None:
    """List deployment receipts, the records of what happened."""


@service_command('reflex receipts list --deployment deploy_abc123', group=receipts)
@click.option('--deployment', type=IdOf('deployment'),
              help='Only receipts of this deployment: id or name.')
def list_(common: CommonOptions, deployment: str | None) -> None:
    """
    List deployment receipts.

    The service decides which fields a receipt has.
    """
    found = ask(common, calls.list_all, deployment)
    rows = [row.as_sent() for row in found.receipts]
    # The fields of a real receipt are not known, so the table shows every field of the rows.
    names = dict.fromkeys(name for row in rows for name in row if name not in IDS)
    text.show_rows(common, 'Deployment receipts', rows, list(names), value=found.as_sent(),
                   field='receipts', next=['reflex sessions list'])
