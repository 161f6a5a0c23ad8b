# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""robot.yaml: every kind of mistake is refused with its line, and valid files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reflex_ros.config import yaml_lines
from reflex_ros.config.problems import WrongFile
from reflex_ros.config.robot import explained
from reflex_ros.config.robot.file import check, RobotFile
from reflex_ros.config.robot.graph import parameters
from reflex_ros.config.robot.hardware import SubprocessHardware
from reflex_ros.config.robot.targets import EdgeTarget, StreamTarget

SO101 = 'hardware: {kind: so101}\n'
PATH = Path('robot.yaml')


def read(text: str) -> RobotFile:
    return check(yaml_lines.parse(PATH, text.encode()))


def problems(text: str) -> list[str]:
    with pytest.raises(WrongFile) as refused:
        read(text)
    assert str(refused.value) == '\n'.join(map(str, refused.value.problems))
    return [str(problem).removeprefix('robot.yaml:') for problem in refused.value.problems]


# One row per kind of mistake: the file, and the beginning of its one problem.
MISTAKES = [
    # The whole file and its sections.
    ('- 1', '1: must be a mapping at the top level'),
    ('', '1: must be a mapping at the top level'),
    ('target: {kind: stream}', "1: missing or non-mapping 'hardware' section"),
    ('hardware: so101', "1: hardware: missing or non-mapping 'hardware' section"),
    ('hardware: {config: {}}', '1: hardware: kind is required: so101, sim, subprocess'),
    (SO101 + 'target: stream', "2: target: missing or non-mapping 'target' section"),
    (SO101 + 'cameras: [front]', '2: cameras: must be a mapping, got a list'),
    (SO101 + 'cameras: {front: 0}', "2: cameras.front: must be a mapping with 'kind'"),
    (SO101 + 'cameras:\n  front: {device: 0}', '3: cameras.front: kind is required: v4l2'),
    (SO101 + 'deployment: deploy_1', '2: deployment: must be a mapping, got'),
    # Unknown names.
    (SO101 + '\nmax_stps: 5', "3: max_stps: unknown key. Did you mean 'max_steps'?"),
    (SO101 + 'qqq: 5', '2: qqq: unknown key. Known here: mode, prompt'),
    ('hardware: {kind: so101, port: x}', '1: hardware.port: unknown key. It belongs to '
     'hardware.config'),
    ('hardware:\n  kind: so101\n  config: {prt: x}', "3: hardware.config.prt: unknown key. Did "
     "you mean 'port'?"),
    ('hardware:\n  kind: so101\n  config:\n    limits: {velocity: 1}',
     '4: hardware.config.limits: unknown key. Write its keys with a dot: limits.velocity, '),
    (SO101 + 'target: {encoding: json}',
     '2: target.encoding: unknown key. It belongs to kind edge'),
    (SO101 + 'target: {kind: edg}', "2: target.kind: Unknown transport kind: 'edg'. Did you mean "
     "'edge'? Known: stream, infer, edge"),
    ('hardware: {kind: so100}', "1: hardware.kind: Unknown connector kind: 'so100'. Did you mean "
     "'so101'?"),
    (SO101 + 'cameras: {a: {kind: 5}}', '2: cameras.a.kind: Unknown camera kind: 5. Known: v4l2'),
    (SO101 + 'target: {kind: "a b:C"}', '2: target.kind: Unknown transport kind'),
    (SO101 + 'cameras: {a-b: {kind: sim}}', '2: cameras.a-b: the name of a camera has letters'),
    # Types and bounds.
    (SO101 + 'mode: go', "2: mode: must be 'dry_run' or 'apply_actions', got 'go'"),
    (SO101 + 'mode: apply_action', "2: mode: must be 'dry_run' or 'apply_actions', got "
     "'apply_action'. Did you mean 'apply_actions'?"),
    (SO101 + 'max_steps: 1.5', '2: max_steps: must be a whole number, got 1.5'),
    (SO101 + 'max_steps: "5"', "2: max_steps: must be a whole number, got '5'. Write 5"),
    (SO101 + 'max_steps: true', '2: max_steps: must be a whole number, got true'),
    (SO101 + 'max_steps: -1', '2: max_steps: must be at least 0, got -1'),
    (SO101 + 'control_period_s: 1e-3', "2: control_period_s: must be a number, got '1e-3'. Write "
     '0.001, without quotes'),
    (SO101 + 'control_period_s: .nan', '2: control_period_s: must be a finite number, got nan'),
    (SO101 + 'stop_on_error: 1', '2: stop_on_error: must be true or false, got 1'),
    (SO101 + 'prompt:', '2: prompt: must be text, got nothing'),
    (SO101 + 'deployment: {id: 5}', '2: deployment.id: must be text, got 5. Put it into quotes'),
    ('hardware: {kind: so101, config: {limits.velocity: 9}}',
     '1: hardware.config.limits.velocity: must be at most 2, got 9'),
    ('hardware: {kind: subprocess, config: {}}',
     '1: hardware.config.observe_command: is required'),
    ('hardware: {kind: subprocess}', '1: hardware.config: is required'),
    ('hardware: {kind: shell, config: {observe_command: " "}}', '1: hardware.config.'
     'observe_command: command must not be empty'),
    ('hardware: {kind: shell, config: {observe_command: 5}}',
     '1: hardware.config.observe_command: must be text'),
    (SO101 + 'target: {kind: edge, url: "host:80"}', '2: target.url: must be of another form'),
    (SO101 + 'target: {kind: edge, url: "http://h", encoding: msgpack}',
     "2: target.encoding: must be 'json_numpy' or 'json', got 'msgpack'"),
    (SO101 + 'target: {kind: edge, url: "http://h", camera_field_map: {a: 1}}', '2: target.'
     'camera_field_map.a: must be text, got 1'),
    (SO101 + 'cameras: {a: {kind: v4l2, device: [1]}}', '2: cameras.a.device: must be text'),
    (SO101 + 'cameras: {a: {kind: v4l2}}', '2: cameras.a.device: is required'),
    (SO101 + 'recording: {formats: [mp4]}', '2: recording.formats.0: must be '),
    (SO101 + 'recording: {formats: []}', '2: recording.formats: must be at least 1 values'),
    # Combinations; none with a part that is wrong itself.
    ('hardware: {kind: so100}\ntarget: {robot: x}', '1: hardware.kind: Unknown connector kind'),
    ('mode: apply_actions\nhardware: {kind: subprocess, config: {observe_command: x}}',
     '2: hardware.config.action_command: action_command is required for apply_actions mode'),
    ('mode: apply_actions\nhardware: {kind: so101, config: {profile: leader}}',
     '2: hardware.config.profile: a leader is measured and never moved'),
    ('hardware: {kind: sim, config: {stop.soft_s: 0.2, stop.hard_s: 0.1}}',
     '1: hardware.config.stop.soft_s: must be less than stop.hard_s, which is 0.1'),
    (SO101 + 'target: {robot: so101}', '2: target.robot: delete it: hardware.kind so101 says'),
    (SO101 + 'target: {action_adapter: aloha}', '2: target.action_adapter: must be '),
    (SO101 + 'target: {mapping.changes: {elbow_flex: {sign: -1}}}',
     '2: target.mapping.changes.elbow_flex: has no effect: the joint is not in mapping.joints'),
    (SO101 + 'target: {mapping.joints: [elbow]}', '2: target.mapping.joints: '),
    (SO101 + 'target: {mapping.joints: [shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, '
     'wrist_roll, gripper], mapping.changes: {elbow_flex: {sgn: -1}}}',
     '2: target.mapping.changes.elbow_flex.sgn: unknown key'),
    (SO101 + 'cameras: {a: {kind: v4l2, device: 0}, b: {kind: v4l2, device: /dev/video0}}',
     '2: cameras.b.device: camera a opens /dev/video0 too'),
    (SO101 + 'cameras: {a: {kind: sim}, b: {kind: sim, key: a}}', "2: cameras.b.key: camera a has "
     "the key 'a' too"),
    (SO101 + 'cameras: {a: {kind: sim, rotation: 45}}',
     '2: cameras.a.rotation: is 45, allowed are 0, 90, 180, 270'),
    (SO101 + 'cameras: {a: {kind: sim, crop: half}}', "2: cameras.a.crop: is 'half', allowed is "
     'square'),
    (SO101 + 'cameras: {a: {kind: sim, longest_side: 9, send_width: 9}}', '2: cameras.a.'
     'longest_side: is set beside send_width or send_height'),
    # What the vendor's runner drives and ours does not.
    (SO101 + 'target: {kind: webrtc}', "2: target.kind: 'webrtc' is not driven"),
    ('hardware: {kind: yam_bimanual, config: {left: {channel: a}, right: {channel: b}}}',
     "1: hardware.kind: 'yam_bimanual' is not driven"),
]


@pytest.mark.parametrize(('text', 'expected'), MISTAKES)
def test_mistake_is_refused_with_file_line_field_and_reason(text: str, expected: str) -> None:
    found = problems(text)
    assert len(found) == 1 and found[0].startswith(expected), found


def test_all_problems_are_named_at_once_in_the_order_of_their_lines() -> None:
    found = problems("""mode: go
target:
  kind: webrtc
  img_size: 224
  bogus: 1
hardware:
  kind: so101
  config: {prt: x}
cameras:
  front: {kind: v4l2, device: 0, width: 1.5, rotation: 45}
  side: {kind: real}
""")
    assert [problem.split(': ')[:2] for problem in found] == [
        ['1', 'mode'], ['3', 'target.kind'], ['4', 'target.img_size'], ['5', 'target.bogus'],
        ['8', 'hardware.config.prt'], ['10', 'cameras.front.rotation'],
        ['10', 'cameras.front.width'], ['11', 'cameras.side.kind']]


def test_every_key_of_what_is_not_driven_says_what_to_use_instead() -> None:
    from reflex_ros.config.robot.targets import PlatformTarget, WebrtcTarget
    from reflex_ros.config.robot.wrong_value import keys_of
    same_in_a_stream = {'base_model'}
    assert explained.WEBRTC.keys() == set(keys_of(WebrtcTarget)) - same_in_a_stream
    assert explained.PLATFORM.keys() == set(keys_of(PlatformTarget)) - same_in_a_stream


def test_realsense_without_its_library_names_what_to_use_instead(
        monkeypatch: pytest.MonkeyPatch) -> None:
    text = SO101 + 'cameras:\n  front: {kind: realsense, serial: "1"}'
    monkeypatch.setattr(explained, 'has_realsense', lambda: False)
    assert problems(text) == [f'3: cameras.front.kind: {explained.REALSENSE["kind"]}']
    monkeypatch.setattr(explained, 'has_realsense', lambda: True)
    assert read(text).config.cameras['front'].kind == 'realsense'


def test_shortest_file_is_a_dry_run_of_the_hosted_policy() -> None:
    config = read(SO101).config
    assert config.mode == 'dry_run' and isinstance(config.target, StreamTarget)
    assert config.target.base_model == 'pi0.5' and config.cameras == {}


def test_sections_with_nothing_behind_them_count_as_absent() -> None:
    text = 'hardware:\n  kind: so101\n  config:\ncameras:\ndeployment:\nstreaming:\n'
    assert read(text).config == read(SO101).config


def test_class_of_the_user_keeps_its_arguments() -> None:
    config = read("""
target: {kind: 'my.pkg:Policy', url: x, deep: {a: [1]}}
hardware: {kind: 'arm:Arm', config: {port: 5, speeds: [1, 2]}}
cameras: {front: {kind: 'cams:Cam', index: 0}}
""").config
    target: Any = config.target
    hardware: Any = config.hardware
    camera: Any = config.cameras['front']
    assert target.kind == 'my.pkg:Policy' and target.arguments == {'url': 'x', 'deep': {'a': [1]}}
    assert hardware.config.values() == {'port': 5, 'speeds': [1, 2]}
    assert camera.arguments == {'index': 0}


def test_configuration_for_the_vendors_runner_is_read_unchanged() -> None:
    found = read("""
mode: apply_actions
max_steps: 120
control_period_s: 0.05
stop_on_error: true
pipeline_inference: false
heartbeat_interval_s: 0
target:
  kind: edge
  url: http://127.0.0.1:8000/act
  state_field: proprio
  instruction_field: prompt
  camera_field_map: {top: image}
  actions_path: prediction.actions
  encoding: json
  auto_timestamp_field: ''
  extra_payload: {num_steps: 5}
  headers: {Authorization: Bearer x}
  timeout_s: 10
hardware:
  kind: subprocess
  config:
    observe_command: python3 observe.py
    action_command: python3 act.py
    safe_stop_command: python3 stop.py
    command_timeout_s: 1.5
    safe_stop_timeout_s: 5
cameras:
  top: {kind: webcam, device: 0, width: 640, height: 480, warmup_frames: 5, fourcc: MJPG}
  left: {kind: shm, name: left, max_attach_retries: 20, attach_retry_delay_s: 0.5}
deployment: {id: deploy_1, robot_id: robot_1, robot_name: bench}
streaming: {cameras: [top], fps: 15, pixel_format: bgr24, relay_url: ''}
""")
    target, hardware = found.config.target, found.config.hardware
    assert isinstance(target, EdgeTarget) and target.camera_field_map == {'top': 'image'}
    assert isinstance(hardware, SubprocessHardware) and hardware.config.command_timeout_s == 1.5
    assert found.config.deployment.robot_name == 'bench'
    assert [warning.field for warning in found.warnings] == ['streaming']


def test_secrets_do_not_show_in_the_text_of_a_model() -> None:
    config = read(SO101 + 'target: {kind: edge, url: "http://h", headers: {A: rfx_1}}').config
    assert 'rfx_1' not in repr(config)


MAPPED = SO101 + """
target:
  action_adapter: aloha_joint
  mapping.joints: [shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll, gripper,
                   '-', '-', '-', '-', '-', '-', '-', '-']
  mapping.changes:
    wrist_roll: {sign: -1, unit: degrees}
"""


def test_adapter_and_mapping_reach_the_stream_of_the_graph() -> None:
    stream = parameters(read(MAPPED), {}, sim=False)['action_stream']
    assert stream['adapter'] == 'aloha_joint' and stream['mapping.joints'][6] == '-'
    assert stream['mapping.wrist_roll.sign'] == -1
    assert (stream['mapping.wrist_roll.unit'], stream['mapping.gripper.unit']) == ('degrees', '')
    assert 'adapter' not in parameters(read(SO101), {}, sim=False)['action_stream']
