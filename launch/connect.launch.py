# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Connect a robot to its hosted policy: start the processes of ``bringup.process_table``.

Nothing is brought up here: that is the supervisor's job, and the same with ``reflex up``.
"""

from collections.abc import Mapping
import os
from pathlib import Path
import sys

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessIO
from launch.events.process import ProcessIO
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from reflex_ros.bringup import configuration, dds, process_table
from reflex_ros.bringup import rviz as rviz_config
from reflex_ros.domain import secret_variables
from reflex_ros.errors import ConfigurationError
from reflex_ros.runner import running_graphs

LINGER_S = 1.0
STATE_PUBLISHERS = ('robot_state_publisher', 'tf2_ros')
# The executable names the interpreter that has the dependencies; that of launch may lack them.
REFLEX = ExecutableInPackage('reflex', 'reflex_ros')


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument('sim', default_value='false', choices=['true', 'false'],
                              description='simulated arm, service and camera'),
        DeclareLaunchArgument('config', default_value='',
                              description='robot.yaml or ROS parameter file; empty: '
                              'config/robot.yaml of the package'),
        DeclareLaunchArgument('namespace', default_value='',
                              description='of all nodes; several, with commas: a robot each'),
        DeclareLaunchArgument('network', default_value='false', choices=['true', 'false'],
                              description='let other machines see the nodes'),
        DeclareLaunchArgument('rviz', default_value='false', choices=['true', 'false'],
                              description='show the arm, and what the policy wants, in RViz'),
        DeclareLaunchArgument('description', default_value='false', choices=['true', 'false'],
                              description='publish the model of the arm and its frames; '
                              'rviz:=true does it too'),
        DeclareLaunchArgument('leader', default_value='',
                              description='port of a leader arm, with which a person may take '
                              'over; with sim:=true also sim, a simulated one'),
    ]
    # A wider range is for the user to choose.
    discovery = {} if dds.RANGE in os.environ else dds.local_range()
    return LaunchDescription([
        OpaqueFunction(function=check, args=[[argument.name for argument in arguments]]),
        *arguments,
        *(SetEnvironmentVariable(name, value) for name, value in discovery.items()),
        OpaqueFunction(function=start),
    ])


def check(context: LaunchContext, known: list[str]) -> None:
    """Refuse an unknown argument before anything starts."""
    process_table.check_launch_arguments(known, context.launch_configurations,
                                         typed=typed_arguments(sys.argv))


def typed_arguments(argv: list[str]) -> list[str]:
    """Name the launch arguments on the command line of ``ros2 launch``, if it names this file."""
    this = Path(__file__)
    if not any(Path(word).is_file() and this.samefile(word) for word in argv) and not (
            'reflex_ros' in argv and this.name in argv):
        return []
    return [word.partition(':=')[0] for word in argv if ':=' in word]


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    arguments = context.launch_configurations
    namespaces = process_table.namespaces(arguments['namespace'])
    leader = arguments['leader']
    if leader not in ('', process_table.SIM_LEADER) and len(namespaces) > 1:
        raise ConfigurationError(f'leader {leader!r} can guide one robot, and {len(namespaces)} '
                                 'are started. Start a launch file for each')
    has_sim = arguments['sim'] == 'true'
    for namespace in namespaces:
        running_graphs.check_place(running_graphs.domain_in(context.environment), namespace,
                                   is_simulated=has_sim)
    config = configuration.read(
        Path(arguments['config']).expanduser() if arguments['config'] else None, namespaces,
        sim=has_sim)
    network = arguments['network'] == 'true'
    inherited = {**context.environment, **({dds.RANGE: 'SUBNET'} if network else {})}
    return [*(LogInfo(msg=f'Warning: {warning}') for warning in config.warnings),
            *(action for namespace in namespaces
              for action in robot(config, namespace, inherited, leader, has_sim=has_sim)),
            *(action for namespace in namespaces
              if 'true' in (arguments['rviz'], arguments['description'])
              for action in description(config.path, namespace, inherited)),
            *(action for namespace in namespaces if arguments['rviz'] == 'true'
              for action in rviz(namespace, inherited))]


def description(config: Path, namespace: str,
                inherited: Mapping[str, str]) -> list[LaunchDescriptionEntity]:
    """
    Describe what publishes the model of the arm, and of a second one where the policy wants it.

    :param inherited: environment of launch; none of these programs needs the API key.
    """
    process = process_table.description(config)
    env = process.complete_environment(inherited)
    if not all(map(is_installed, STATE_PUBLISHERS)):
        return [Node(package='reflex_ros', executable=process.executable, namespace=namespace,
                     name=process.name, parameters=[*map(str, process.parameter_files)], env=env,
                     respawn=process.respawns, respawn_delay=process_table.RESPAWN_DELAY_S)]
    prefix = rviz_config.frame_prefix(namespace)
    urdf = (process_table.share_folder() / 'config' / 'so101.urdf').read_text()

    def model(name: str, frames: str, *remappings: tuple[str, str]) -> Node:
        return Node(package='robot_state_publisher', executable='robot_state_publisher', name=name,
                    namespace=namespace, remappings=list(remappings), env=env,
                    parameters=[{'robot_description': urdf, 'frame_prefix': frames}])
    return [
        model('robot_state_publisher', prefix),
        model('ghost_state_publisher', f'{prefix}ghost/', ('joint_states', 'policy/joint_states'),
              ('robot_description', 'ghost/robot_description')),
        Node(package='tf2_ros', executable='static_transform_publisher', namespace=namespace,
             env=env,
             arguments=['--frame-id', f'{prefix}base_link',
                        '--child-frame-id', f'{prefix}ghost/base_link'])]


def rviz(namespace: str, inherited: Mapping[str, str]) -> list[LaunchDescriptionEntity]:
    """Describe RViz, or say in one line that it is not installed."""
    if not is_installed('rviz2'):
        return [LogInfo(msg='Warning: rviz:=true needs rviz2, which is not installed: sudo apt '
                        'install ros-$ROS_DISTRO-rviz2. Everything else starts')]
    return [Node(package='rviz2', executable='rviz2', namespace=namespace,
                 env=secret_variables.without(inherited),
                 arguments=['-d', str(rviz_config.config(namespace))])]


def is_installed(package: str) -> bool:
    """Tell whether a package is in the ament index."""
    from ament_index_python.packages import get_package_prefix, PackageNotFoundError

    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def robot(config: configuration.Configuration, namespace: str,
          inherited: Mapping[str, str], leader: str, *,
          has_sim: bool) -> list[LaunchDescriptionEntity]:
    """
    Describe the processes of one robot.

    :param inherited: environment of launch; each process gets what it may have of it.
    :param leader: as in ``process_table.nodes``.
    """
    world = process_table.make_world() if has_sim else None
    nodes = [Node(package='reflex_ros', executable=process.executable,
                  namespace=namespace, name=process.node or None,
                  parameters=[*map(str, process.parameter_files), dict(process.parameters)],
                  env=process.complete_environment(inherited), respawn=process.respawns,
                  respawn_delay=process_table.RESPAWN_DELAY_S, output='screen', emulate_tty=True)
             for process in process_table.nodes(config.path, world, config.cameras, leader)]
    if world is None:
        return nodes
    simulation = [ExecuteProcess(
        # launch has no handler for SIGTERM: without this they would outlive it, as the nodes would
        # without their own check.
        cmd=[*process_table.DIE_WITH_PARENT, REFLEX, *process.subcommand, *process.arguments],
        name=process.name,
        env=process.complete_environment(inherited))
        for process in process_table.simulation(world, linger_s=LINGER_S, leader=leader)]
    return [*simulation, *when_ready(simulation, nodes)]


def when_ready(processes: list[ExecuteProcess],
               then: list[Node]) -> list[LaunchDescriptionEntity]:
    """Start nodes as soon as each of the processes has printed its line of JSON."""
    waiting = set(range(len(processes)))

    def handler(index: int) -> RegisterEventHandler:
        def on_line(event: ProcessIO) -> list[Node]:
            was_waiting = bool(waiting)
            waiting.discard(index)
            return then if was_waiting and not waiting else []
        return RegisterEventHandler(OnProcessIO(target_action=processes[index],
                                                on_stdout=on_line))

    return [handler(index) for index in range(len(processes))]
