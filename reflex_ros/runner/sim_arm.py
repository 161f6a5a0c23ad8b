# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated SO-101 as a connector: a process with an arm behind a port, and its driver."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import json
from pathlib import Path
import select
import subprocess
import sys
import tempfile
from typing import Any

from reflex_ros.config.parameters.so101 import TABLE
from reflex_ros.domain.motion_guard import MotionGuard
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.so101_connector import So101Factory

MODULE = 'reflex_ros.sim.arm'
"""Started by its name: nothing imports the simulation."""
START_S = 20.0
END_S = 3.0


class SimArmFactory:
    """
    Opens simulated arms; a ``runner.connector.ConnectorFactory``.

    The arm lives as long as this object, from the first ``open`` to ``close``.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.port = ''
        """Port of the arm; empty before ``open``."""

    def open(self, settings: Mapping[str, Any], guard: MotionGuard) -> ArmDriver:
        """
        Start the simulated arm, unless it runs, and open it as an SO-101.

        Blocks for about two seconds. Reads the settings of ``So101Factory`` but those of the port.

        :raises ConfigurationError: when the simulated arm does not start.
        :raises BusError: as ``So101Factory.open``.
        """
        if self._process is None:
            self._start()
        defaults = {row.name: row.default for row in TABLE}
        return So101Factory().open({**defaults, **settings, 'port': self.port}, guard)

    def close(self) -> None:
        """End the simulated arm; may be called twice. Blocks for 3 s at most."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix='reflex_arm_')
        link = Path(self._folder.name) / 'arm'
        # A session of its own: Ctrl-C must not end the arm before it is held.
        self._process = subprocess.Popen(
            [sys.executable, '-m', MODULE, '--link', str(link)], stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, start_new_session=True)
        assert self._process.stdout is not None
        line = ''
        if select.select([self._process.stdout], (), (), START_S)[0]:
            line = self._process.stdout.readline()
        ready = {}
        with contextlib.suppress(ValueError):
            ready = json.loads(line)
        if not isinstance(ready, dict) or not ready.get('ready'):
            self.close()
            raise ConfigurationError('the simulated arm does not start. Run `reflex sim arm` to '
                                     'see why')
        self.port = str(link)
