# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Listen to cameras for a moment and print their rates, for ``reflex doctor --local``.

A process of its own, because the command itself never imports rclpy. Its argument is a JSON list
of ``{"name": ..., "topic": ...}``; it prints name -> topic, rate [1/s], and what is wrong.
"""

from __future__ import annotations

import json
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor

from reflex_ros.cameras.feed import CameraFeed
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.domain.observation import ObservationBounds, Observer
from reflex_ros.nodes import status_codec
from reflex_ros.nodes.camera_inputs import CameraInputs

LISTEN_S = 2.0
"""How long each camera is listened to, from its first frame on."""
GIVE_UP_S = 4.0
"""For a camera that nobody publishes; finding a publisher takes up to a second."""
LOOK_S = 0.3


def main() -> None:
    """Print one JSON document."""
    cameras = [CameraSettings(row['name'], topic=row.get('topic', ''))
               for row in json.loads(sys.argv[1])]
    rclpy.init()
    node = rclpy.create_node('camera_rates')
    observer = Observer([camera.name for camera in cameras], ObservationBounds(frozen_s=0.0))
    feed = CameraFeed(cameras, observer)
    inputs = CameraInputs(node, cameras, feed, observer)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    began = look_at = time.monotonic()
    seen_at: dict[str, float] = {}
    while (now := time.monotonic()) < began + GIVE_UP_S:
        if now >= look_at:
            inputs.look()
            look_at = now + LOOK_S
            for name, report in observer.camera_reports(now).items():
                if report.rate_hz > 0.0:
                    seen_at.setdefault(name, now)
        if len(seen_at) == len(cameras) and now > max(seen_at.values()) + LISTEN_S:
            break
        executor.spin_once(timeout_sec=0.05)
    found = {}
    reports = observer.camera_reports(time.monotonic())
    for camera, entry in zip(cameras, inputs.diagnostics(time.monotonic()), strict=True):
        rate_hz = reports[camera.name].rate_hz
        problem = '' if rate_hz > 0.0 else str(reports[camera.name].fault or 'no frame came')
        found[camera.name] = (status_codec.pairs(entry)['topic'], rate_hz, problem)
    print(json.dumps(found), flush=True)
    inputs.close()
    feed.close()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
