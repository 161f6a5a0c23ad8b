# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras of every kind through real rclpy, as the simulated service sees them."""

import base64
from pathlib import Path
import sys
import time

import numpy as np
import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import Link, StreamBeat
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')
pytestmark = pytest.mark.xdist_group('ros nodes')

from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, JointState  # noqa: E402

from reflex_ros.cameras.frame import read_compressed_image, read_image  # noqa: E402
from reflex_ros.cameras.pixels import ENCODINGS  # noqa: E402
from reflex_ros.domain.joint_states import JointStateReader  # noqa: E402
from reflex_ros.nodes import status_codec  # noqa: E402

from ..unit.conftest import no_settings, Service  # noqa: E402, F401
from .node_rig import made  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1] / 'unit' / 'cameras'))
from camera_pictures import COLOURS, decode, file, four_squares, pack  # noqa: E402

INPUT_S = 0.05
RELIABLE = QoSProfile(depth=5)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def image(picture, encoding):
    rows = pack(picture, encoding)
    message = Image(height=len(rows), width=picture.shape[1], encoding=encoding,
                    step=rows.shape[1])
    message.data.frombytes(rows.tobytes())
    return message


def compressed(data, form='jpeg'):
    message = CompressedImage(format=form)
    message.data.frombytes(data)
    return message


class Camera:
    """A camera driver; ``make`` gives its next message, None sends nothing."""

    def __init__(self, rig, topic, make, qos=RELIABLE, late_s=0.0):
        self.make = make
        self.late_s = late_s
        self._rig = rig
        self._topic = topic
        self._qos = qos
        self._publisher = None

    def publish(self, number):
        message = self.make(number)
        if message is None:
            return
        if self._publisher is None:
            self._publisher = self._rig.peer.create_publisher(
                type(message), self._topic, self._qos)
        now = self._rig.peer.get_clock().now().nanoseconds - round(self.late_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10 ** 9)
        self._publisher.publish(message)

    def stop(self):
        if self._publisher is not None:
            self._rig.peer.destroy_publisher(self._publisher)
        self._publisher = None


class World:
    """The node under test, the cameras and joint states that the test plays, the service."""

    def __init__(self, rig, service):
        self.rig = rig
        self.service = service
        self.beat = rig.beats(StreamBeat, '_beat/action_stream')
        self.diagnostics = rig.diagnostics()
        self.cameras = []
        # What the driver of an arm publishes: lists of names and positions.
        self.joints = [(JOINT_NAMES, SO101.rest_pose)]
        self.joints_late_s = 0.0
        self._states = rig.peer.create_publisher(JointState, 'joint_states', BEST_EFFORT)
        self._count = 0
        rig.peer.create_timer(INPUT_S, self._publish)

    def add(self, topic, make, **options):
        self.cameras.append(Camera(self.rig, topic, make, **options))
        return self.cameras[-1]

    def _publish(self):
        self._count += 1
        for names, positions in self.joints:
            message = JointState(name=list(names), position=list(positions))
            self._stamp(message, self.joints_late_s)
            self._states.publish(message)
        for camera in self.cameras:
            camera.publish(self._count)

    def _stamp(self, message, late_s):
        now = self.rig.peer.get_clock().now().nanoseconds - round(late_s * 1e9)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10 ** 9)

    def until(self, condition, what):
        return self.rig.until(condition, lambda: f'{what}: {self.beat()}')

    def start(self):
        assert self.rig.trigger('configure'), self.rig.node.problem
        assert self.rig.trigger('activate'), self.rig.node.problem
        self.until(lambda: self.beat().link is Link.OPEN, 'open stream')

    def gap(self, code, *words):
        """Wait for a gap whose text has some words; return the text."""
        self.until(lambda: (gap := self.beat().gap) and gap.code is code and all(
            word in gap.text for word in words), f'{code} with {words}')
        return self.beat().gap.text

    def pictures(self):
        """Wait for an observation that begins from now on; return its images."""
        def newest():
            return self.service.observations()[-1:] or [{'number': 0}]
        before = newest()[0]['number']
        # One may be on its way already.
        self.until(lambda: newest()[0]['number'] > before + 1, 'an observation')
        return newest()[0]['images']

    def entry(self, name):
        name = f'action_stream: {name}'
        self.until(lambda: name in self.diagnostics(), name)
        entry = self.diagnostics()[name]
        return status_codec.pairs(entry) | {'message': entry.message}


@pytest.fixture(scope='module')
def running_service():
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def make_world(ros, running_service, no_settings, monkeypatch):  # noqa: F811
    from reflex_ros.nodes.action_stream_node import ActionStreamNode
    service = running_service
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    entered = []

    def make(**parameters):
        arguments = [part for name, value in {
            'service.rpc_url': f'"{service.url}"',
            'service.actions_url': f'"{service.actions_url}"', 'replan_s': '0.05',
            **parameters}.items() for part in ('-p', f'{name}:={value}')]
        context = made(ros, ActionStreamNode, *arguments)
        rig = context.__enter__()
        entered.append((context, rig))
        return World(rig, service)

    yield make
    for context, rig in entered:
        rig.node.trigger_shutdown()
        context.__exit__(None, None, None)


def noisy(number, size=(64, 48)):
    """Draw the four squares, with something at the edge that changes, as noise does."""
    picture = four_squares(*size)
    picture[-1, :, :] = number * 40 % 256
    return picture


def colours(picture):
    height, width, _ = picture.shape
    return [picture[row, column].astype(int) for row in (height // 4, 3 * height // 4)
            for column in (width // 4, 3 * width // 4)]


def data_of(sent):
    return base64.b64decode(sent['data'])


def test_red_is_red_through_every_encoding_as_the_service_sees_it(make_world):
    names = [f'cam_{name}' for name in ENCODINGS]
    world = make_world(cameras=f'[{", ".join(names)}, jpeg, png]')
    # Made in advance: this thread has all cameras, the joint states and the node under test.
    for index, encoding in enumerate(ENCODINGS):
        frames = [image(noisy(number), encoding) for number in range(6)]
        world.add(f'{names[index]}/image_raw', lambda number, frames=frames: frames[number % 6],
                  qos=(RELIABLE, BEST_EFFORT)[index % 2])
    for name in ('jpeg', 'png'):
        frames = [compressed(file(noisy(number), name.upper()), name) for number in range(6)]
        world.add(f'{name}/image_raw/compressed',
                  lambda number, frames=frames: frames[number % 6], qos=BEST_EFFORT)
    world.start()
    pictures = world.pictures()
    assert set(pictures) == {*names, 'jpeg', 'png'}
    for name, sent in pictures.items():
        assert sent['encoding'] == ('png_base64' if name == 'png' else 'jpeg_base64')
        found = colours(decode(data_of(sent)))
        expected = [COLOURS[colour] for colour in ('red', 'green', 'blue', 'grey')]
        if name in ('cam_mono8', 'cam_8UC1'):
            expected = [[round(np.dot(colour, (0.299, 0.587, 0.114)))] * 3 for colour in expected]
        assert np.abs(np.array(found) - expected).max() <= 12, (name, found)


def test_jpeg_arrives_untouched(make_world):
    world = make_world()
    sent = {}

    def make(number):
        data = file(noisy(number))
        sent[data] = number
        return compressed(data)

    world.add('front/image_raw/compressed', make)
    world.start()
    assert data_of(world.pictures()['front']) in sent


def test_settings_of_a_camera_reach_the_picture(make_world):
    world = make_world(**{
        'cameras': '[front, wrist]', 'camera.front.key': 'cam_high', 'camera.front.width': '24',
        'camera.front.crop': 'square', 'camera.front.rotation': '90',
        'camera.wrist.topic': '/cell/cam7', 'camera.wrist.longest_side': '32'})
    world.add('front/image_raw', lambda number: image(noisy(number), 'bgr8'))
    world.add('/cell/cam7', lambda number: compressed(file(noisy(number))))
    world.start()
    pictures = {name: decode(data_of(sent)) for name, sent in world.pictures().items()}
    assert set(pictures) == {'cam_high', 'wrist'}
    assert pictures['cam_high'].shape == (24, 24, 3) and pictures['wrist'].shape == (24, 32, 3)
    expected = [COLOURS[name] for name in ('blue', 'red', 'grey', 'green')]
    assert np.abs(np.array(colours(pictures['cam_high'])) - expected).max() <= 12
    world.until(lambda: world.entry('cameras/wrist')['topic'] == '/cell/cam7', 'topic')
    assert world.entry('cameras/front')['key'] == 'cam_high'


@pytest.mark.parametrize('parameters, words', [
    ({'camera.front.crop': 'middle'}, ("'camera.front.crop' is 'middle'", 'square')),
    ({'camera.front.rotation': '45'}, ("'camera.front.rotation' is 45", '0, 90, 180, 270')),
    ({'camera.front.width': '5000'}, ("'camera.front.width' is 5000", '0..4096')),
    ({'camera.fornt.width': '5'}, ("for 'fornt'", "'camera.front.width'?")),
    ({'cameras': '[front, top]', 'camera.top.key': 'front'}, ("'camera.top.key'", 'same key')),
    ({'cameras': '[front, front]'}, ('names a camera twice',)),
    ({'cameras': '["front camera"]'}, ("'front camera'", 'letters'))])
def test_setting_that_cannot_be_is_refused_by_name(make_world, parameters, words):
    world = make_world(**parameters)
    assert not world.rig.trigger('configure')
    for word in words:
        assert word in world.rig.node.problem


def test_robot_without_cameras_sends_no_pictures(make_world):
    world = make_world(cameras='[]')
    world.start()
    assert world.pictures() == {}


def test_camera_is_found_whatever_it_publishes_and_whenever_it_starts(make_world):
    world = make_world()
    world.start()
    world.gap(FaultCode.CAM_LOST, 'no frame yet', 'nothing publishes /front/image_raw/compressed')
    stray = world.add('/cell/cam0', lambda number: image(noisy(number), 'rgb8'))
    world.gap(FaultCode.CAM_LOST, 'Set camera.front.topic to one of', '/cell/cam0')
    stray.make = lambda number: None
    raw = world.add('front/image_raw', lambda number: image(noisy(number), 'rgb8'))
    world.pictures()
    world.until(lambda: world.entry('cameras/front')['topic'] == '/front/image_raw', 'raw topic')
    world.add('front/image_raw/compressed', lambda number: compressed(file(noisy(number))))
    world.until(lambda: world.entry('cameras/front')['topic'] == '/front/image_raw/compressed',
                'compressed topic')
    # Both drivers end; one comes back.
    for camera in world.cameras:
        camera.make = lambda number: None
        camera.stop()
    world.gap(FaultCode.CAM_LOST, 'no frame for', 'nothing publishes')
    raw.make = lambda number: image(noisy(number), 'bgr8')
    world.pictures()


def huge(number):
    values = np.random.default_rng(number).integers(0, 256, (640, 900, 3), np.uint8)
    return compressed(file(values, quality=100))


HUGE = [huge(number) for number in range(3)]
BAD = [
    (lambda number: compressed(b'these are %d words of text' % number), 'neither JPEG nor PNG'),
    (lambda number: compressed(file(noisy(number))[:600]), 'half a JPEG'),
    (lambda number: compressed(file(noisy(number))[:200] + b'\xff\xd9'), 'cannot be decoded'),
    (lambda number: HUGE[number % 3], 'at most 1.0 MB are sent'),
    (lambda number: compressed(b'', 'jpeg'), 'no data'),
    (lambda number: compressed(file(noisy(number), 'PNG'), '16UC1; compressedDepth'),
     'depth image'),
]


def test_frames_that_cannot_be_used_are_named_in_the_state_and_good_ones_go_on(make_world):
    world = make_world()
    camera = world.add('front/image_raw/compressed', lambda number: compressed(
        file(noisy(number))))
    world.start()
    world.pictures()
    for make, words in BAD:
        camera.make = make
        text = world.gap(FaultCode.CAM_REFUSED, words)
        assert 'frames arrive but are refused' in text and '<name>' not in text
        camera.make = lambda number: compressed(file(noisy(number)))
        world.until(lambda: world.beat().gap is None, 'no gap')
        world.pictures()
    world.until(lambda: int(world.entry('cameras/front')['refused']) >= len(BAD), 'counts')


@pytest.mark.parametrize('encoding, words', [
    ('16UC1', 'depth image'), ('rgb16', 'more than 8 bits'), ('', 'encoding is empty')])
def test_picture_of_another_depth_is_refused_with_the_remedy(make_world, encoding, words):
    world = make_world()

    def make(number):
        message = image(noisy(number), 'mono8')
        message.encoding = encoding
        return message

    world.add('front/image_raw', make)
    world.start()
    world.gap(FaultCode.CAM_REFUSED, words)


def test_camera_whose_stamps_are_behind_is_out_of_sync_with_the_number(make_world):
    world = make_world(cameras='[front, wrist]')
    world.add('front/image_raw/compressed', lambda number: compressed(file(noisy(number))))
    wrist = world.add('wrist/image_raw/compressed', lambda number: compressed(
        file(noisy(number))), late_s=0.25)
    world.start()
    text = world.gap(FaultCode.DESYNC, 'camera wrist is', 'ms behind', 'allowed are 100 ms')
    assert 200 <= int(text.split(' is ')[1].split(' ms')[0]) <= 300
    world.until(lambda: float(world.entry('cameras/wrist')['behind_ms']) > 200.0, 'diagnostics')
    wrist.late_s = 0.6
    world.gap(FaultCode.CAM_LATE, 'camera wrist: frames are 0.6', 'allowed are 0.30 s')
    # A stamp that cannot be right is not used.
    wrist.late_s = 3600.0
    world.pictures()
    world.until(lambda: world.entry('cameras/wrist')['message'].startswith(
        'header.stamp is 3600'), 'a warning')


def test_frozen_camera_is_named_with_the_number(make_world):
    world = make_world()
    camera = world.add('front/image_raw', lambda number: image(noisy(number), 'rgb8'))
    world.start()
    world.pictures()
    camera.make = lambda number: image(noisy(7), 'rgb8')
    world.gap(FaultCode.CAM_FROZEN, 'the same frame for 0.')
    camera.make = lambda number: image(noisy(number), 'rgb8')
    world.until(lambda: world.beat().gap is None, 'no gap')


def test_joint_states_in_parts_and_in_any_order_are_one_pose(make_world):
    world = make_world(cameras='[]')
    pose = dict(zip(JOINT_NAMES, SO101.rest_pose, strict=True))
    arm, gripper = JOINT_NAMES[:5], JOINT_NAMES[5]
    world.joints = [(('wheel', *reversed(arm)), (9.0, *(pose[name] for name in reversed(arm)))),
                    ((gripper,), (pose[gripper],))]
    world.start()
    world.pictures()
    world.joints = world.joints[:1]
    world.gap(FaultCode.JOINTS_STALE, 'no joint state of gripper for 0.')
    world.joints = [((*JOINT_NAMES, 'gripper'), (*SO101.rest_pose, 0.0))]
    world.gap(FaultCode.JOINTS_STALE, 'gripper is named twice')


@pytest.mark.parametrize('late_s', [61.0, -20.0])
def test_joint_state_of_another_clock_is_taken_at_its_receipt(make_world, late_s):
    world = make_world()
    world.add('front/image_raw/compressed', lambda number: compressed(file(noisy(number))))
    world.joints_late_s = late_s
    world.start()
    world.pictures()
    seconds = f'{abs(late_s):.0f}.'
    world.until(lambda: seconds in world.entry('joint_states')['message'], 'a warning')
    seen = world.service.observations()[-1]
    # The service gets the wall clock, whatever the stamps say.
    assert abs(seen['capture_time_ns'] * 1e-9 - time.time()) < 10.0


def test_joint_that_never_came_is_named_with_those_that_did(make_world):
    world = make_world(cameras='[]')
    world.joints = [(JOINT_NAMES[:5], SO101.rest_pose[:5])]
    world.start()
    world.gap(FaultCode.JOINTS_STALE, 'joint states lack gripper', 'they name shoulder_pan')
    world.joints = [([f'arm_{name}' for name in JOINT_NAMES], SO101.rest_pose)]
    world.until(lambda: 'arm_gripper' in world.beat().gap.text, 'the names that came')


def test_diagnostics_have_rate_age_and_bytes_of_each_camera(make_world):
    world = make_world()
    world.add('front/image_raw', lambda number: image(noisy(number), 'rgb8'))
    world.start()
    world.until(lambda: float(world.entry('cameras/front')['sent_bytes_per_s']) > 0.0, 'bytes')
    entry = world.until(lambda: float((found := world.entry('cameras/front'))['rate_hz']) > 5.0
                        and found, 'rate')
    assert entry['message'] == 'ok' and entry['picture'] == 'rgb8 64 x 48'
    assert entry['stamp'] == 'used' and entry['refused'] == '0'
    size = 64 * 48 * 3
    assert float(entry['received_bytes_per_s']) == pytest.approx(
        float(entry['rate_hz']) * size, rel=0.01)
    assert 0.0 <= float(entry['age_ms']) < 1000.0
    assert world.entry('joint_states')['message'] == 'ok'


def test_camera_below_the_rate_that_is_asked_for_is_named_in_beat_and_diagnostics(make_world):
    world = make_world(**{'camera.front.min_rate_hz': '190.0'})
    world.add('front/image_raw', lambda number: image(noisy(number), 'rgb8'))
    world.start()
    text = world.until(lambda: 'asked for are 190 Hz' in (found := world.beat().slow_cameras)
                       and 'delivers 0.0' not in found and found, 'a rate')
    assert text.startswith('camera front delivers ')
    world.until(lambda: 'asked for are 190 Hz' in world.entry('cameras/front')['message'], 'it')
    # It bars the promotion only: pictures are sent as before.
    assert world.beat().gap is None and 'front' in world.pictures()


# The bytes of rclpy are what our readers read.


@pytest.mark.parametrize('frame_id', ['', 'c', 'cam', 'came', 'camera_link'])
def test_messages_of_rclpy_are_read_as_they_are(frame_id):
    picture = four_squares(6, 4)
    for encoding in ENCODINGS:
        message = image(picture, encoding)
        message.header.frame_id = frame_id
        message.header.stamp.sec, message.header.stamp.nanosec = 1_700_000_000, 123_456_789
        found = read_image(serialize_message(message))
        assert (found.stamp_ns, found.encoding) == (1_700_000_000_123_456_789, encoding)
        assert (found.width, found.height, found.step) == (6, 4, message.step)
        assert bytes(found.data) == message.data.tobytes()
    message = compressed(b'\xff\xd8 a picture', 'bgr8; jpeg compressed bgr8')
    message.header.frame_id = frame_id
    found = read_compressed_image(serialize_message(message))
    assert (found.encoding, bytes(found.data)) == (message.format, b'\xff\xd8 a picture')
    states = JointState(name=list(JOINT_NAMES), position=[0.1 * k for k in range(6)],
                        velocity=[1.0] * 6)
    states.header.frame_id = frame_id
    reader = JointStateReader()
    for _ in range(2):
        assert reader.read(serialize_message(states)) == (0, JOINT_NAMES, tuple(states.position))
