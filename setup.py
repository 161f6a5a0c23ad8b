# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packaging of reflex_ros; colcon and pip both read it, so there is no logic but glob."""

from glob import glob

from setuptools import find_packages, setup

setup(
    name='reflex_ros',
    version='0.1.0',
    description='Run hosted Reflex robot policies on ROS 2',
    author='The reflex_ros authors',
    # No addresses: package.xml says why.
    maintainer='The reflex_ros authors',
    license='Apache-2.0',
    keywords=['robotics', 'ROS 2', 'VLA', 'policy', 'SO-101'],
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Developers',
        'Intended Audience :: Science/Research',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    packages=find_packages(exclude=['test*', 'bench*', 'doc*']),
    package_data={'reflex_ros': ['py.typed'], 'reflex_ros.view': ['static/*']},
    # Type checkers read py.typed from a real file.
    zip_safe=False,
    # '*.*' and not '*': a __pycache__ beside a launch file is no file that could be installed.
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/reflex_ros']),
        ('share/reflex_ros', ['package.xml']),
        ('share/reflex_ros/config', glob('config/*.*')),
        ('share/reflex_ros/hook', ['resource/reflex_path.dsv']),
        ('share/reflex_ros/launch', glob('launch/*.*')),
        ('share/reflex_ros/udev', glob('resource/*.rules')),
    ],
    # Where no reason is given, the bound is what Ubuntu 22.04 ships: the oldest system (Humble)
    # that we claim. Nothing is bounded from above: that is for an application to decide.
    install_requires=[
        'click>=8.0',
        'httpx>=0.22',
        'numpy>=1.21',
        # Models are written for the pydantic 2 API; Ubuntu 24.04 still has 1.10.
        'pydantic>=2.0',
        'pyserial>=3.5',
        'PyYAML>=5.4',
        'rich>=11.2',
        # The first with websockets.asyncio; Ubuntu 24.04 still has 10.4.
        'websockets>=13.0',
    ],
    extras_require={
        # What `reflex sim`, `reflex demo` and `reflex up --sim` need: the simulated service and
        # camera. `reflex so101 monitor --plot` also draws with Pillow.
        'sim': ['aiohttp>=3.8', 'Pillow>=9.0'],
        # Cameras of `reflex connect`: v4l2 devices, and pictures that have to be converted.
        'camera': ['av>=10.0', 'Pillow>=9.0'],
        # The page of `reflex view`.
        'view': ['aiohttp>=3.8'],
        # Recorded runs as a LeRobot data set.
        'lerobot': ['mcap>=1.1', 'mcap-ros2-support>=0.5', 'pyarrow>=14.0', 'av>=10.0',
                    'Pillow>=9.0'],
        # Recordings: written by the node `recorder` and by `reflex connect`, read by
        # `reflex recordings` and `reflex stops`.
        'record': ['mcap>=1.1', 'mcap-ros2-support>=0.5'],
        # ROS 2 Kilted from the Python package index, for machines without a ROS 2 installation.
        # Exact, because compiled libraries of different builds must not meet in one process; what
        # they bring along is held by their own bounds. Fast DDS is the only middleware there.
        'ros': [
            'ros-rclpy[fastrtps]==9.1.2',
            'ros-ament-index-python==1.11.0',
            'ros-builtin-interfaces==2.3.0',
            'ros-diagnostic-msgs==5.5.1',
            'ros-geometry-msgs==5.5.1',
            'ros-lifecycle-msgs==2.3.0',
            'ros-rcl-interfaces==2.3.0',
            'ros-sensor-msgs==5.5.1',
            'ros-std-msgs==5.5.1',
            'ros-std-srvs==5.5.1',
            'ros-trajectory-msgs==5.5.1',
            # action_stream converts camera frames with it.
            'Pillow>=9.0',
        ],
        # The same packages of ROS 2 Jazzy. Install one of the two, never both.
        'ros-jazzy': [
            'ros-rclpy[fastrtps]==7.1.6',
            'ros-ament-index-python==1.8.1',
            'ros-builtin-interfaces==2.0.3',
            'ros-diagnostic-msgs==5.3.6',
            'ros-geometry-msgs==5.3.6',
            'ros-lifecycle-msgs==2.0.3',
            'ros-rcl-interfaces==2.0.3',
            'ros-sensor-msgs==5.3.6',
            'ros-std-msgs==5.3.6',
            'ros-std-srvs==5.3.6',
            'ros-trajectory-msgs==5.3.6',
            'Pillow>=9.0',
        ],
        # xdist has --dist=loadgroup since 2.5, which is also what Ubuntu 22.04 ships.
        # pytest-xdist 3.8 does not keep the groups of tests together with pytest 9.2.
        'test': ['pytest>=6.2,<9.2', 'pytest-xdist>=2.5', 'hypothesis>=6.36', 'selenium>=4.6',
                 # A foreign reader of our data sets.
                 'lerobot-doctor>=0.2'],
        # Only `python -m bench.streaming_pictures` needs it.
        'bench': ['matplotlib>=3.5'],
        # Exact: a linter that changes by itself turns a green commit red.
        'lint': ['ruff==0.17.6', 'mypy==2.4.1', 'types-PyYAML>=6.0'],
    },
    entry_points={
        'console_scripts': [
            'reflex = reflex_ros.cli.main:entry',
            'reflex-ros = reflex_ros.cli.main:entry',
            'action_stream_node = reflex_ros.nodes.executables:action_stream_node',
            'camera_node = reflex_ros.nodes.executables:camera_node',
            'description_node = reflex_ros.nodes.executables:description_node',
            'episodes_node = reflex_ros.nodes.executables:episodes_node',
            'leader_node = reflex_ros.nodes.executables:leader_node',
            'monitor_node = reflex_ros.nodes.executables:monitor_node',
            'recorder_node = reflex_ros.nodes.executables:recorder_node',
            'view_node = reflex_ros.nodes.executables:view_node',
            'sim_camera_node = reflex_ros.nodes.executables:sim_camera_node',
            'so101_driver_node = reflex_ros.nodes.executables:so101_driver_node',
            'supervisor_node = reflex_ros.nodes.executables:supervisor_node',
        ],
        # Found by ros2cli, where that is installed: `ros2 reflex status` and all the others.
        'ros2cli.command': ['reflex = reflex_ros.cli.ros2_command:ReflexCommand'],
    },
)
