# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface to a camera that this process reads itself, and its life in a thread."""

from __future__ import annotations

from collections.abc import Callable
import logging
import threading
import time
from typing import Protocol

from reflex_ros.cameras.frame import Frame
from reflex_ros.errors import ReflexError

_log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""Time between two tries to open a camera that was lost [s]."""
END_S = 2.0


class CameraSource(Protocol):
    """
    A camera. One thread calls all methods.

    A source may be opened again after ``close``: the cable may have been plugged in again.
    """

    def open(self) -> None:
        """
        Open the camera. Blocks for some seconds at most.

        :raises ReflexError: when there is none, with the next step.
        """

    def read(self) -> Frame | None:
        """
        Wait for the next frame and return it; None when none came. Blocks for 1 s at most.

        :raises ReflexError: when the camera is gone.
        """

    def close(self) -> None:
        """Close the camera; may be called twice."""


class CameraThread:
    """
    Reads one camera, and opens it again when it was lost.

    :param put: called in the thread with each frame and the monotonic instant of its capture [s].
    :param on_problem: called in the thread with why there is no frame; empty: there is one again.
    """

    def __init__(self, name: str, source: CameraSource, put: Callable[[Frame, float], None],
                 on_problem: Callable[[str], None] = lambda problem: None) -> None:
        self.name = name
        self._source = source
        self._put = put
        self._on_problem = on_problem
        self._is_ending = threading.Event()
        self._is_open = False
        self._thread = threading.Thread(target=self._run, name=f'camera {name}', daemon=True)

    def start(self, *, waits: bool = False) -> None:
        """
        Open the camera and begin to read; blocks as long as ``CameraSource.open``.

        :param waits: open the camera in the thread instead, as often as it takes.
        :raises ReflexError: when the camera cannot be opened.
        """
        if not waits:
            self._source.open()
            self._is_open = True
        self._thread.start()

    def end(self) -> None:
        """End the thread and close the camera; blocks for 2 s at most."""
        self._is_ending.set()
        if self._thread.is_alive():
            self._thread.join(END_S)
        else:
            self._source.close()

    def _run(self) -> None:
        is_open = self._is_open
        while not self._is_ending.is_set():
            try:
                if not is_open:
                    self._source.open()
                    is_open = True
                    self._on_problem('')
                frame = self._source.read()
                if frame is not None:
                    self._put(frame, time.monotonic())
            except ReflexError as exc:
                self._lose(str(exc))
                is_open = False
            except Exception as exc:
                # A camera class of a user may raise anything; the others go on.
                _log.exception('camera %s', self.name)
                self._lose(f'{type(exc).__name__}: {exc}')
                is_open = False
        self._source.close()

    def _lose(self, problem: str) -> None:
        self._on_problem(problem)
        self._source.close()
        self._is_ending.wait(AGAIN_S)
