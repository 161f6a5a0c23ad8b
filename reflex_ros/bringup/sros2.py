# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Who may publish, read, serve and call what: one table, and the SROS2 policy that is made of it.

With SROS2 the middleware enforces it: a program without the key of ``/reflex/action_stream``
cannot command the arm, whatever its node is called. ``config/sros2_policy.xml`` is the policy of a
robot with the camera ``front`` and no namespace. For another one, print it::

    python3 -m reflex_ros.bringup.sros2 --namespace left --camera front --camera wrist
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import click

from reflex_ros.domain import operations
from reflex_ros.domain.heartbeats import DRIVER, LEADER, LEADER_TOPIC, STREAM, SUPERVISOR

ENCLAVES = '/reflex'
"""The enclave of a node is this path, followed by the name of the node."""
ENABLE, OVERRIDE = 'ROS_SECURITY_ENABLE', 'ROS_SECURITY_ENCLAVE_OVERRIDE'
OPERATOR, VIEWER, STOP_DEVICE = 'operator', 'viewer', 'stop_device'
"""Enclaves for other programs: ``reflex`` in a terminal; RViz or Foxglove; a stop device."""
CAMERA = '{camera}/image_raw'
"""Stands for the topics of every camera."""
SUPERVISED, GUIDED = (tuple(operations.SERVICES[name] for name in names)
                      for names in (operations.SUPERVISED, operations.GUIDED))
OPERATIONS = (*SUPERVISED, *GUIDED)
BEATS = tuple(f'_beat/{name}' for name in (DRIVER, STREAM, SUPERVISOR))
SHOWN = ('joint_states', 'safety/state', '/diagnostics')


@dataclass(frozen=True, slots=True)
class Access:
    """What a node may use; names are relative to its namespace, ``~/`` to the node."""

    publishes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


PARAMETER_SERVICES = tuple(f'~/{name}' for name in (
    'describe_parameters', 'get_parameter_types', 'get_parameters', 'get_type_description',
    'list_parameters', 'set_parameters', 'set_parameters_atomically'))
LIFECYCLE_SERVICES = tuple(f'~/{name}' for name in (
    'change_state', 'get_available_states', 'get_available_transitions', 'get_state',
    'get_transition_graph'))
EVERY_NODE = Access(
    publishes=('/diagnostics', '/parameter_events', '/rosout', '~/transition_event'),
    reads=('/clock',), serves=(*LIFECYCLE_SERVICES, *PARAMETER_SERVICES))
"""Topics and services that every node of this package has, in addition to its own row."""

NODES: Mapping[str, Access] = {
    DRIVER: Access(
        publishes=('joint_states', '~/_plan', '~/goals'),
        reads=(f'_beat/{STREAM}', 'safety/permit', 'safety/state', 'safety/stop', '~/command')),
    STREAM: Access(
        publishes=('action_chunk', 'policy/joint_states', 'safety/stop', f'{DRIVER}/command'),
        reads=(f'_beat/{DRIVER}', CAMERA, 'joint_states', LEADER_TOPIC, 'prompt',
               'safety/permit', f'{DRIVER}/_plan'),
        serves=GUIDED),
    SUPERVISOR: Access(
        publishes=('safety/permit', 'safety/state', 'safety/stop'),
        reads=(*BEATS, 'safety/locks/*', 'safety/stop'), serves=SUPERVISED,
        calls=(f'{DRIVER}/change_state', f'{STREAM}/change_state')),
    'recorder': Access(
        publishes=('safety/stop',),
        reads=(*BEATS, *SHOWN, CAMERA, 'action_chunk', 'prompt', 'safety/permit', 'safety/stop',
               f'{DRIVER}/command', f'{DRIVER}/goals')),
    'monitor': Access(
        publishes=('safety/stop',), reads=(*SHOWN, f'_beat/{STREAM}', f'_beat/{DRIVER}'),
        calls=OPERATIONS),
    'view': Access(
        publishes=('safety/stop',), reads=(*SHOWN, *BEATS, CAMERA, 'action_chunk'),
        calls=OPERATIONS),
    'description': Access(
        publishes=('/tf', '/tf_static', 'robot_description'),
        reads=('joint_states', 'policy/joint_states')),
    'episodes': Access(
        reads=(CAMERA, f'_beat/{DRIVER}', f'_beat/{STREAM}', 'joint_states', 'prompt',
               f'{DRIVER}/goals'),
        serves=('~/discard', '~/finish', '~/repeat', '~/start')),
    LEADER: Access(publishes=('~/joint_states',), reads=(f'_beat/{DRIVER}',)),
    'camera_{camera}': Access(publishes=(CAMERA, '{camera}/camera_info')),
    'sim_camera': Access(publishes=(CAMERA,), reads=('joint_states',)),
    'sim_camera_{camera}': Access(publishes=(CAMERA,), reads=('joint_states',)),
}
"""Node -> what it may use."""

OTHERS: Mapping[str, Access] = {
    OPERATOR: Access(
        publishes=('prompt', 'safety/stop', LEADER_TOPIC),
        reads=(*SHOWN, *BEATS, f'{DRIVER}/goals'),
        calls=(*OPERATIONS, *(f'episodes/{name}'
                              for name in ('discard', 'finish', 'repeat', 'start')))),
    VIEWER: Access(
        publishes=('/parameter_events', '/rosout'),
        reads=(*SHOWN, CAMERA, '/parameter_events', '/rosout', '/tf', '/tf_static', 'action_chunk',
               'ghost/robot_description', 'policy/joint_states', 'robot_description',
               f'{DRIVER}/goals')),
    STOP_DEVICE: Access(publishes=('safety/locks/*', '/parameter_events', '/rosout'),
                        reads=('/clock',)),
}
"""Enclave -> what the programs in it may use."""


def environment(node: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that puts a node into its enclave, where SROS2 is switched on."""
    if inherited.get(ENABLE, '').lower() != 'true' or inherited.get(OVERRIDE):
        return {}
    return {OVERRIDE: f'{ENCLAVES}/{node}'}


def allowed(node: str, cameras: Sequence[str]) -> Access:
    """
    Return everything that a node may use.

    :param node: a key of ``NODES``.
    :param cameras: names that replace ``{camera}``.
    """
    own = NODES[node]
    return Access(
        tuple(_expand((*own.publishes, *EVERY_NODE.publishes, '_beat/' + node), cameras)),
        tuple(_expand((*own.reads, *EVERY_NODE.reads), cameras)),
        (*own.serves, *EVERY_NODE.serves), own.calls)


def policy(cameras: Sequence[str], namespace: str = '') -> str:
    """
    Make the policy file of one robot, in the form of SROS2 0.2.0.

    :param cameras: their names, as in the topics.
    :param namespace: of all nodes.
    """
    root = ElementTree.Element('policy', version='0.2.0')
    enclaves = ElementTree.SubElement(root, 'enclaves')
    for node in NODES:
        # A node of one camera has a row for each camera; the others use all cameras.
        each = [[camera] for camera in cameras] if '{camera}' in node else [cameras]
        for own in each:
            _enclave(enclaves, node.format(camera=own[0] if own else ''), namespace,
                     allowed(node, own))
    for name, access in OTHERS.items():
        _enclave(enclaves, name, namespace, Access(
            tuple(_expand(access.publishes, cameras)), tuple(_expand(access.reads, cameras)),
            access.serves, access.calls))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding='unicode')
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<!-- Written by `make docs` from '
            f'reflex_ros/bringup/sros2.py: change it there. -->\n{text}\n')


def _expand(names: Sequence[str], cameras: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name == CAMERA:
            for camera in cameras:
                yield from (f'{camera}/image_raw', f'{camera}/image_raw/compressed')
        elif '{camera}' in name:
            yield from (name.format(camera=camera) for camera in cameras)
        else:
            yield name


def _enclave(enclaves: ElementTree.Element, node: str, namespace: str, access: Access) -> None:
    enclave = ElementTree.SubElement(enclaves, 'enclave', path=f'{ENCLAVES}/{node}')
    profile = ElementTree.SubElement(
        ElementTree.SubElement(enclave, 'profiles'), 'profile',
        ns=f'/{namespace.strip("/")}', node=node)
    for kind, right, names in (
            ('service', 'reply', access.serves), ('service', 'request', access.calls),
            ('topic', 'publish', access.publishes), ('topic', 'subscribe', access.reads)):
        if names:
            group = ElementTree.SubElement(profile, f'{kind}s', {right: 'ALLOW'})
            for name in sorted(set(names)):
                ElementTree.SubElement(group, kind).text = name


@click.command()
@click.option('--namespace', default='', help='Namespace of the robot.')
@click.option('--camera', 'cameras', multiple=True, default=('front',), show_default=True,
              help='A camera of the robot; repeat it for each.')
def main(namespace: str, cameras: tuple[str, ...]) -> None:
    """Print the SROS2 policy of a robot."""
    click.echo(policy(cameras, namespace), nl=False)


if __name__ == '__main__':
    main()
