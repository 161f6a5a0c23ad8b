# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated SO-101 arms: their processes, and one as a connector."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import json
import os
from pathlib import Path
import select
import subprocess
import sys
import tempfile
from typing import Any

from reflex_ros.config.parameters.so101 import TABLE
from reflex_ros.domain import secret_variables
from reflex_ros.domain.motion_guard import MotionGuard
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.so101_connector import So101Factory

MODULE = 'reflex_ros.sim.arm'
"""Started by its name: nothing imports the simulation."""
LEADER = ('--part', 'c001', '--hand')
"""Options of a simulated leader arm, which a hand moves."""
START_S = 20.0
END_S = 3.0


class SimArm:
    """
    The process of one simulated arm.

    :param options: of ``reflex sim arm``.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.port = ''
        """Port of the arm; empty before ``start``."""
        self.control = ''
        """Path of its control socket; empty before ``start``."""

    def start(self) -> None:
        """
        Start the arm, unless it runs; blocks for about a second.

        :raises ConfigurationError: when it does not start.
        """
        if self._process is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix='reflex_arm_')
        link = Path(self._folder.name) / 'arm'
        control = Path(self._folder.name) / 'control'
        # A session of its own: Ctrl-C must not end the arm before it is held.
        self._process = subprocess.Popen(
            [sys.executable, '-m', MODULE, '--link', str(link), '--control', str(control),
             '--with-parent', *self._options], stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL, text=True, start_new_session=True,
            env=secret_variables.without(os.environ))
        assert self._process.stdout is not None
        line = ''
        if select.select([self._process.stdout], (), (), START_S)[0]:
            line = self._process.stdout.readline()
        ready = {}
        with contextlib.suppress(ValueError):
            ready = json.loads(line)
        if not isinstance(ready, dict) or not ready.get('ready'):
            self.end()
            raise ConfigurationError('the simulated arm does not start. Run `reflex sim arm` to '
                                     'see why')
        self.port, self.control = str(link), str(control)

    def end(self) -> None:
        """End the arm; may be called twice. Blocks for 3 s at most."""
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


class SimArmFactory:
    """
    Opens simulated arms; a ``runner.connector.ConnectorFactory``.

    The arm lives as long as this object, from the first ``open`` to ``close``.
    """

    def __init__(self) -> None:
        self._arm = SimArm()

    @property
    def port(self) -> str:
        """Port of the arm; empty before ``open``."""
        return self._arm.port

    def open(self, settings: Mapping[str, Any], guard: MotionGuard) -> ArmDriver:
        """
        Start the simulated arm, unless it runs, and open it as an SO-101.

        Blocks for about two seconds. Reads the settings of ``So101Factory`` but those of the port.

        :raises ConfigurationError: when the simulated arm does not start.
        :raises BusError: as ``So101Factory.open``.
        """
        self._arm.start()
        defaults = {row.name: row.default for row in TABLE}
        return So101Factory().open({**defaults, **settings, 'port': self.port}, guard)

    def close(self) -> None:
        """End the simulated arm; may be called twice. Blocks for 3 s at most."""
        self._arm.end()
