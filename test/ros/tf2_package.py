# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The package ``tf2_msgs``, built from the definition of its one message.

Every ROS installation has it; the Python package index, from which the tests take ROS, does not.
The generators of ROS are there, so the real thing takes a C compiler and two seconds.
"""

import ctypes
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig

NAME = 'tf2_msgs'
PREFIX = Path(sys.prefix)
IDL = """#include "geometry_msgs/msg/TransformStamped.idl"
module tf2_msgs {
  module msg {
    struct TFMessage {
      sequence<geometry_msgs::msg::TransformStamped> transforms;
    };
  };
};
"""


def build(folder):
    """
    Build the package in an empty folder, and return the folder to import it from.

    :raises ImportError: when this machine has no compiler, or ROS no generators.
    :raises subprocess.CalledProcessError: when the compiler refuses.
    """
    if shutil.which('g++') is None:
        raise ImportError('g++ is not installed')
    definition = folder / 'idl' / 'msg' / 'TFMessage.idl'
    definition.parent.mkdir(parents=True)
    definition.write_text(IDL)
    _generate(folder, f'{folder / "idl"}:msg/TFMessage.idl')
    site = folder / 'site'
    shutil.copytree(folder / 'python' / 'msg', site / NAME / 'msg')
    (site / NAME / '__init__.py').touch()
    _compile(folder, site)
    return site


def _generate(folder, definition):
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport

    what = NAME, [definition], [PREFIX / 'share']
    code = folder / 'include' / NAME
    hashes = HashTypeDescription('hash').generate_type_hashes(*what, code)
    GenerateC('c').generate(*what, code, type_description_files=hashes)
    GenerateCTypesupport('c', typesupport_implementations=[
        'rosidl_typesupport_fastrtps_c']).generate(*what, code)
    GenerateFastRTPSCTypesupport('fastrtps_c').generate(*what, code)
    GeneratePython('py', typesupport_implementations=['rosidl_typesupport_c']).generate(
        *what, folder / 'python')


def _compile(folder, site):
    import numpy

    includes = [folder / 'include', PREFIX / 'include', *(PREFIX / 'include').glob('*/'),
                sysconfig.get_paths()['include'], numpy.get_include()]
    code, python = folder / 'include' / NAME / 'msg', folder / 'python'
    geometry = ('geometry_msgs__rosidl_generator_c', 'geometry_msgs__rosidl_generator_py',
                'geometry_msgs__rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_fastrtps_c',
                'rosidl_typesupport_c', 'rosidl_runtime_c', 'rcutils', 'fastcdr')
    built = []
    # Each needs those before it. The names are those by which ROS and Python look for them.
    for name, sources in (
            (f'lib{NAME}__rosidl_generator_c.so', code.glob('detail/*.c')),
            (f'lib{NAME}__rosidl_typesupport_fastrtps_c.so', code.glob('detail/*.cpp')),
            (f'lib{NAME}__rosidl_typesupport_c.so', code.glob('*.cpp')),
            (f'lib{NAME}__rosidl_generator_py.so', python.glob('msg/*.c')),
            (f'{NAME}_s__rosidl_typesupport_c{sysconfig.get_config_var("EXT_SUFFIX")}',
             python.glob('*typesupport_c.c'))):
        built.append(site / NAME / name)
        sources = list(sources)
        subprocess.run(
            ['g++' if sources[0].suffix == '.cpp' else 'gcc', '-O0', '-fPIC', '-shared', '-w',
             *(f'-I{each}' for each in includes), *sources, '-o', built[-1],
             f'-Wl,-soname,{name}', *built[:-1], f'-L{PREFIX / "lib"}',
             *(f'-l{each}' for each in geometry)], check=True, capture_output=True)
    # ROS opens them by name; the loader takes what is loaded by that name already.
    for library in built[:-1]:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
