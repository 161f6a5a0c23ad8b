# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether a policy and the layout of the arm on the wire fit each other, before anything is sent.

What the service says of it is compared in ``domain.wire_check``; here is where it says so: the
robot schema of the deployment, the grant of a session and ``session.ready``.
"""

from __future__ import annotations

from collections.abc import Mapping

from reflex_ros.client.readiness import Facts
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.wire_check import differences, Expected, from_schema, from_session
from reflex_ros.errors import ReflexError


class PolicyMisfit(ReflexError):
    """
    What the service says of states and rows is not how this arm is written.

    :param source: where the service says so.
    :param found: differences, at least one.
    """

    def __init__(self, arm: ArmDescription, source: str, found: list[str]) -> None:
        super().__init__(
            f'{source} does not fit the adapter {arm.wire.adapter} of the arm {arm.name}: '
            f"{'; '.join(found)}. Set 'adapter' or 'mapping.joints', or use a deployment for "
            'this arm')


def check(arm: ArmDescription, source: str, expected: Expected) -> None:
    """
    Compare the layout of an arm with what the service says.

    :param source: where it says so, for the error text.
    :raises PolicyMisfit: naming every difference.
    """
    found = differences(arm.wire, expected)
    if found:
        raise PolicyMisfit(arm, source, found)


def check_session(arm: ArmDescription, source: str, fields: Mapping[str, object]) -> None:
    """
    Compare the layout of an arm with the grant of a session or ``session.ready``.

    :raises PolicyMisfit: naming every difference.
    """
    check(arm, source, from_session(fields))


def check_deployment(arm: ArmDescription, known: Facts | None) -> None:
    """
    Compare the layout of an arm with the robot schema of a deployment.

    :param known: None, and a deployment without a schema, say nothing.
    :raises PolicyMisfit: naming every difference.
    """
    schema = known.schema if known is not None else None
    if known is not None and schema is not None:
        name = f'{schema.name} ({schema.schema_id})' if schema.name else schema.schema_id
        check(arm, f'the robot schema {name} of deployment {known.deployment_id}',
              from_schema(schema.content))
