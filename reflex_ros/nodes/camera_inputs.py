# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Subscriptions to the cameras: found by their names, read as raw bytes, changed when the graph does.

All methods run in the thread of the executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
import re
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from reflex_ros.cameras.feed import CameraFeed
from reflex_ros.cameras.settings import CameraSettings, check_keys
from reflex_ros.cameras.topics import candidates, choose, Published, Source
from reflex_ros.domain.observation import Observer
from reflex_ros.errors import ConfigurationError
from reflex_ros.nodes import qos, status_codec

_NAME = re.compile(r'[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


def read_settings(settings: Mapping[str, Any]) -> tuple[CameraSettings, ...]:
    """
    Read the settings of all cameras from the values of a node's parameters.

    :raises ConfigurationError: naming the parameter that is wrong.
    """
    names = settings['cameras']
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong:
        raise ConfigurationError(f"parameter 'cameras' names {wrong[0]!r}: a camera needs a name "
                                 'of letters, digits and underscores, such as front')
    if len(set(names)) != len(names):
        raise ConfigurationError("parameter 'cameras' names a camera twice")
    cameras = tuple(CameraSettings(name, **{
        field.name: settings[f'camera.{name}.{field.name}']
        for field in fields(CameraSettings) if field.name != 'name'}) for name in names)
    check_keys(cameras)
    return cameras


def stamp_warning(note: str) -> str:
    """Return a warning about a stamp that is not used; empty if it is used or not set."""
    return f'header.stamp is {note}' if note and not note.startswith(('used', 'not set')) else ''


@dataclass(slots=True)
class _Input:
    camera: CameraSettings
    names: tuple[str, ...]
    source: Source | None = None
    subscription: Any = None


def published(node: Node, names: Sequence[str]) -> dict[str, Published]:
    """Return the first of some topics that has publishers."""
    for name in names:
        publishers = node.get_publishers_info_by_topic(name)
        if publishers:
            return {name: Published(publishers[0].topic_type, all(
                each.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                for each in publishers))}
    return {}


def image_profile(is_reliable: bool) -> QoSProfile:
    """Return the profile to receive pictures with, from what their publishers offer."""
    return qos.CAMERA_INPUT if is_reliable else qos.CAMERA_INPUT_BEST_EFFORT


class CameraInputs:
    """
    The subscriptions of one node to its cameras.

    :param feed: gets the messages.
    :param observer: is told why a camera has no topic.
    """

    def __init__(self, node: Node, cameras: Sequence[CameraSettings], feed: CameraFeed,
                 observer: Observer) -> None:
        self._node = node
        self._feed = feed
        self._observer = observer
        self._inputs = [
            _Input(camera, tuple(map(node.resolve_topic_name, candidates(camera))))
            for camera in cameras]
        self.look()

    def close(self) -> None:
        """Drop every subscription."""
        for each in self._inputs:
            self._unsubscribe(each)
        self._inputs = []

    def look(self) -> None:
        """Look what the graph publishes now, and subscribe anew where that has changed."""
        others: dict[str, Published] | None = None
        for each in self._inputs:
            source, problem = choose(each.camera, each.names, published(self._node, each.names))
            if problem:
                # What else there is helps to find the camera.
                others = self._all_images() if others is None else others
                source, problem = choose(each.camera, each.names, others)
            self._observer.set_source_problem(each.camera.name, problem)
            # A driver that was started anew publishes the same topic again.
            if source is not None and source != each.source and not (problem and each.source):
                self._subscribe(each, source)

    def diagnostics(self, now: float) -> list[DiagnosticStatus]:
        """
        Report each camera.

        :param now: monotonic instant [s].
        """
        reports = self._observer.camera_reports(now)
        entries = []
        for each in self._inputs:
            name, report = each.camera.name, reports[each.camera.name]
            values = {
                'topic': each.source.topic if each.source else '', 'key': each.camera.wire_key,
                **self._feed.notes(name), 'rate_hz': report.rate_hz,
                'age_ms': report.age_s * 1e3, 'behind_ms': report.behind_s * 1e3,
                'received_bytes_per_s': report.bytes_per_s, 'refused': report.refused}
            warning = str(report.fault or report.slowness or stamp_warning(str(values['stamp'])))
            entries.append(status_codec.entry(
                f'action_stream: cameras/{name}', values,
                level=DiagnosticStatus.WARN if warning else DiagnosticStatus.OK,
                message=warning or 'ok'))
        return entries

    def _all_images(self) -> dict[str, Published]:
        found: dict[str, Published] = {}
        for name, types in self._node.get_topic_names_and_types():
            if any(kind.startswith('sensor_msgs/msg/') for kind in types) or any(
                    name in each.names for each in self._inputs):
                found |= published(self._node, [name])
        return found

    def _subscribe(self, each: _Input, source: Source) -> None:
        self._unsubscribe(each)
        each.source = source
        # Raw: of many frames only one is needed, and unpacking all of them costs more.
        each.subscription = self._node.create_subscription(
            CompressedImage if source.is_compressed else Image, source.topic,
            partial(self._on_message, each.camera.name, source.is_compressed),
            image_profile(source.is_reliable), raw=True)

    def _unsubscribe(self, each: _Input) -> None:
        if each.subscription is not None:
            self._node.destroy_subscription(each.subscription)
        each.subscription = None

    def _on_message(self, name: str, is_compressed: bool, message: bytes) -> None:
        self._feed.receive(name, message, is_compressed=is_compressed, now=time.monotonic(),
                           ros_now_ns=self._node.get_clock().now().nanoseconds)
