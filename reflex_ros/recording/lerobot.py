# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Recorded runs as a LeRobot data set (format v3.0): the way from a run to the next training.

Each recording is one episode. The state is what was measured, the action what was written to the
servos, in the units and names of LeRobot's SO-101: degrees, the gripper in percent of its range.
Only the time in which goals were written is exported, at a fixed rate; each frame has the newest
measurement, goal and pictures before its time.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path

import numpy as np

from reflex_ros.domain import key_values
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.heartbeats import Commander, DRIVER, DriverBeat, STREAM
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.dataset_folder import DatasetFolder, Episode
from reflex_ros.recording.reader import messages
from reflex_ros.recording.series import Curve, read_series

PICTURES = '/image_raw/compressed'


def export(paths: Sequence[Path], folder: Path, arm: ArmDescription, *, fps: int = 30,
           task: str = '') -> int:
    """
    Write recordings as a data set.

    :param folder: made; must not exist, or be empty.
    :param arm: the arm of the recordings.
    :param fps: frames per second.
    :param task: instead of the prompt of each run.
    :returns: number of frames.
    :raises ConfigurationError: when a recording holds no motion, they do not fit together, a
        library is missing, or the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f'{folder} is not empty. Choose a new folder with --out')
    dataset = DatasetFolder(folder, f'{arm.name}_follower', fps)
    first: Episode | None = None
    for path in paths:
        episode = read_episode(path, arm, fps, task)
        first = first or episode
        if (episode.joints, set(episode.pictures)) != (first.joints, set(first.pictures)):
            raise ConfigurationError(f'{path} has other joints or cameras than {paths[0]}. Export '
                                     'them to data sets of their own')
        dataset.add(episode)
    return dataset.frames


def read_episode(path: Path, arm: ArmDescription, fps: int, task: str = '') -> Episode:
    """
    Read one run.

    :raises ConfigurationError: when the arm was not moved in it.
    """
    series = read_series(path)
    written = [series.written.get(name, []) for name in series.joints]
    if not series.joints or not all(written):
        raise ConfigurationError(f'the arm was not moved in {path}, so it is no episode')
    travel, pictures, guidance = _other_contents(path)
    # Without the calibration in the recording, the range of the maker's model.
    travels = {arm.joint_names[index]: travel or own
               for index, own in zip(arm.grippers, arm.gripper_travels, strict=True)}
    begin = max([curve[0][0] for curve in written] + [
        (stamps[0] - series.start_ns) / 1e9 for stamps, _ in pictures.values()])
    end = written[0][-1][0]
    count = math.floor((end - begin) * fps) + 1
    if count < 2:
        raise ConfigurationError(f'{path} is shorter than two frames at {fps} Hz')
    times = begin + np.arange(count) / fps

    def table(curves: Sequence[Curve]) -> np.ndarray:
        return np.stack([_to_units(_newest(curve, times), travels.get(name))
                         for name, curve in zip(series.joints, curves, strict=True)], axis=1)
    frames = {name: [data[index] for index in np.searchsorted(
        (np.array(stamps) - series.start_ns) / 1e9, times, side='right') - 1]
        for name, (stamps, data) in pictures.items()}
    guided = [((stamp_ns - series.start_ns) / 1e9, led) for stamp_ns, led in guidance]
    prompt = next((event.text.partition(': ')[2] for event in series.events
                   if event.text.startswith('prompt: ')), series.prompt)
    return Episode(task or prompt or 'no task', series.joints,
                   table([series.measured[name] for name in series.joints]), table(written),
                   frames, _newest(guided, times) if guided else None)


def _other_contents(path: Path) -> tuple[
        GripperTravel | None, dict[str, tuple[list[int], list[bytes]]], list[tuple[int, float]]]:
    """Return the gripper's travel, the pictures with their stamps, and when a person led."""
    travel = None
    pictures: dict[str, tuple[list[int], list[bytes]]] = {}
    guided: list[tuple[int, float]] = []
    for message in messages(path):
        if message.topic.endswith(f'_beat/{DRIVER}'):
            beat = key_values.decode(DriverBeat, {
                pair.key: pair.value for pair in message.value.values})
            travel = beat.gripper_travel or travel
        elif message.topic.endswith(f'_beat/{STREAM}'):
            said = {pair.key: pair.value for pair in message.value.values}.get('commander')
            guided.append((message.stamp_ns, float(said == Commander.PERSON.value)))
        elif message.topic.endswith(PICTURES):
            name = message.topic.removesuffix(PICTURES).rpartition('/')[2]
            stamps, data = pictures.setdefault(name, ([], []))
            stamps.append(message.stamp_ns)
            data.append(bytes(message.value.data))
    return travel, pictures, guided


def _newest(curve: Curve, times: np.ndarray) -> np.ndarray:
    """Return the last value of a curve at or before each time."""
    points = np.array(curve)
    index = np.searchsorted(points[:, 0], times + 1e-9, side='right') - 1
    values: np.ndarray = points[np.maximum(index, 0), 1]
    return values


def _to_units(angles: np.ndarray, travel: GripperTravel | None) -> np.ndarray:
    """Convert angles [rad] to degrees, or to percent of the travel of a gripper."""
    if travel is not None:
        return np.array([travel.to_percent(float(angle)) for angle in angles])
    degrees: np.ndarray = np.rad2deg(angles)
    return degrees
