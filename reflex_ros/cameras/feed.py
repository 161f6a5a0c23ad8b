# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The way of the frames, from the subscription to the observation.

Cameras send far more frames than observations leave: of 90 a second, six are sent. So a frame is
only looked at when it arrives, and the newest one of each camera is kept. It is converted in a
worker thread when an observation needs it, or a moment before, when one is due that only waits for
the last camera.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
import threading
import time

from reflex_ros.cameras.convert import convert, refuse_unfit
from reflex_ros.cameras.frame import (
    Frame,
    FrameRefused,
    Picture,
    read_compressed_image,
    read_image,
)
from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.domain.cdr import DamagedMessage
from reflex_ros.domain.observation import Observer
from reflex_ros.domain.timing import stamp_age, stamp_note

WORKERS = 2
_EARLY = 0.9
"""Share of its period after which a frame counts as the next one at a limited rate."""


class CameraFeed:
    """
    The cameras of one robot.

    :param observer: gets every frame that can be used, and why the others cannot.
    """

    def __init__(self, cameras: Sequence[CameraSettings], observer: Observer) -> None:
        self._cameras = {camera.name: camera for camera in cameras}
        self._observer = observer
        self._accepted_at = dict.fromkeys(self._cameras, -1e9)
        self._notes = dict.fromkeys(self._cameras, ('', ''))
        self._sent: dict[str, deque[tuple[float, int]]] = {
            name: deque(maxlen=30) for name in self._cameras}
        self._pool = ThreadPoolExecutor(WORKERS, 'camera')
        self._lock = threading.Lock()
        self._newest: dict[str, tuple[Frame, Future[Picture]]] = {}

    def close(self) -> None:
        """End the workers; what they have begun is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def receive(self, name: str, message: bytes, *, is_compressed: bool, now: float,
                ros_now_ns: int) -> None:
        """
        Look at a frame that has arrived; takes microseconds, and decodes nothing.

        :param message: serialized, as a raw subscription delivers it.
        :param now: monotonic instant of the receipt [s].
        :param ros_now_ns: the same instant on the ROS clock, for the age of the stamp [ns].
        """
        if self._is_too_soon(name, now):
            return
        try:
            frame = (read_compressed_image if is_compressed else read_image)(message)
            refuse_unfit(frame)
        except (FrameRefused, DamagedMessage) as exc:
            self._observer.refuse_frame(name, str(exc), now)
            return
        age = stamp_age(frame.stamp_ns, ros_now_ns)
        self._accept(name, frame, now - (age or 0.0), now,
                     stamp_note(frame.stamp_ns, ros_now_ns))

    def put(self, name: str, frame: Frame, at: float, now: float) -> None:
        """
        Look at a frame of a camera of this process, as ``receive`` does.

        :param at: monotonic instant of the capture [s].
        :param now: monotonic instant of the receipt [s].
        """
        if self._is_too_soon(name, now):
            return
        try:
            refuse_unfit(frame)
        except FrameRefused as exc:
            self._observer.refuse_frame(name, str(exc), now)
            return
        self._accept(name, frame, at, now, '')

    async def pictures(self, frames: Mapping[str, object]) -> dict[str, Picture] | None:
        """
        Return the pictures of an observation, by their keys at the service.

        :param frames: the frames that ``receive`` has put into the observer, by camera.
        :return: None when one of them could not be decoded; the observer knows why then.
        """
        begun = {name: self._start(name, frame) for name, frame in frames.items()
                 if isinstance(frame, Frame)}
        results = await asyncio.gather(*map(asyncio.wrap_future, begun.values()),
                                       return_exceptions=True)
        pictures = {}
        is_whole = True
        for name, found in zip(begun, results, strict=True):
            if isinstance(found, Picture):
                pictures[self._cameras[name].wire_key] = found
            elif isinstance(found, FrameRefused):
                self._observer.refuse_frame(name, str(found), time.monotonic(), frames[name])
                is_whole = False
            else:
                raise found
        if not is_whole:
            return None
        now = time.monotonic()
        for name in begun:
            size = len(pictures[self._cameras[name].wire_key].data)
            self._sent[name].append((now, size))
        return pictures

    def notes(self, name: str) -> dict[str, object]:
        """Return what a person may want to know of a camera beside the observer's report."""
        summary, stamp = self._notes[name]
        sent = list(self._sent[name])
        span = time.monotonic() - sent[0][0] if sent else 0.0
        return {'picture': summary, 'stamp': stamp,
                'sent_bytes': sent[-1][1] if sent else 0,
                'sent_bytes_per_s': sum(size for _, size in sent) / max(span, 1.0)}

    def _is_too_soon(self, name: str, now: float) -> bool:
        rate_hz = self._cameras[name].rate_hz
        return bool(rate_hz) and now - self._accepted_at[name] < _EARLY / rate_hz

    def _accept(self, name: str, frame: Frame, at: float, now: float, stamp: str) -> None:
        self._accepted_at[name] = now
        self._notes[name] = frame.summary, stamp
        if self._observer.is_awaited:
            # Before the observer tells the session, which may ask for the picture at once.
            self._start(name, frame)
        self._observer.put_frame(name, frame, at, now, len(frame.data))

    def _start(self, name: str, frame: Frame) -> Future[Picture]:
        """Begin to convert a frame, unless that was done already."""
        with self._lock:
            known = self._newest.get(name)
            if known is not None and known[0] is frame:
                return known[1]
            future = self._pool.submit(convert, frame, self._cameras[name])
            self._newest[name] = frame, future
            return future

