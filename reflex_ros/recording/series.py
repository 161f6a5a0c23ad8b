# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A recording as curves and events: what a plot, a table and an export are made of.

All times are seconds since the first message of the recording, by the clock of the recorder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reflex_ros.domain import key_values
from reflex_ros.domain.heartbeats import DRIVER, STREAM, StreamBeat
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.recording.reader import messages, Recorded

Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Event:
    """Something that happened at one instant, in one line."""

    at: float
    text: str


@dataclass
class Series:
    """
    What a recording holds, over time [s].

    :param joints: names of the joints.
    :param start_ns: instant of the first message [ns since the epoch].
    :param end: instant of the last message.
    :param measured: joint -> measured position [rad].
    :param written: joint -> goal that was written to the servos [rad].
    :param wanted: joint -> rows of the newest chunk at the time for which they are meant [rad].
    :param age_ms: age of the observation behind the newest chunk [ms].
    :param round_trip_ms: median time from an observation to its chunk [ms].
    :param pace: speed of the motion that the service can feed, 0..1.
    :param permit: speed that the permit allows, 0..1; 0 is hold.
    :param prompt: task text that the stream had last.
    :param events: changes of state, causes, chunks that were refused, prompts.
    """

    joints: tuple[str, ...] = ()
    start_ns: int = 0
    end: float = 0.0
    measured: dict[str, Curve] = field(default_factory=dict)
    written: dict[str, Curve] = field(default_factory=dict)
    wanted: dict[str, Curve] = field(default_factory=dict)
    age_ms: Curve = field(default_factory=list)
    round_trip_ms: Curve = field(default_factory=list)
    pace: Curve = field(default_factory=list)
    permit: Curve = field(default_factory=list)
    prompt: str = ''
    events: list[Event] = field(default_factory=list)

    def at(self, stamp_ns: int) -> float:
        """Convert an instant [ns since the epoch] to a time of this recording."""
        return (stamp_ns - self.start_ns) / 1e9


def read_series(path: Path) -> Series:
    """
    Read the curves of a recording; its pictures are not read.

    :raises ConfigurationError: when the file cannot be read, or is no recording.
    """
    collect = _Collector()
    for message in messages(path, kinds=_KINDS):
        collect.add(message)
    return collect.series


_KINDS = ('sensor_msgs/msg/JointState', 'trajectory_msgs/msg/JointTrajectory',
          'diagnostic_msgs/msg/DiagnosticStatus', 'std_msgs/msg/String')


class _Collector:
    """Sorts messages by the end of their topic, so that the namespace does not matter."""

    def __init__(self) -> None:
        self.series = Series()
        self._safety = SafetyState()
        self._refused = 0
        self._handlers = {
            'joint_states': self._on_joints, f'{DRIVER}/goals': self._on_goals,
            'action_chunk': self._on_chunk, 'safety/permit': self._on_permit,
            'safety/state': self._on_state, f'_beat/{STREAM}': self._on_stream,
            'prompt': self._on_prompt}

    def add(self, message: Recorded) -> None:
        series = self.series
        series.start_ns = series.start_ns or message.stamp_ns
        at = series.end = series.at(message.stamp_ns)
        for end, handle in self._handlers.items():
            if message.topic == end or message.topic.endswith(f'/{end}'):
                handle(at, message.value)
                return

    def _on_joints(self, at: float, value: Any) -> None:
        self.series.joints = self.series.joints or tuple(value.name)
        _extend(self.series.measured, at, value.name, value.position)

    def _on_goals(self, at: float, value: Any) -> None:
        _extend(self.series.written, at, value.name, value.position)

    def _on_chunk(self, at: float, value: Any) -> None:
        stamp = value.header.stamp
        begin = self.series.at(stamp.sec * 10 ** 9 + stamp.nanosec)
        if abs(begin - at) > 60.0:
            # Another clock than the recorder's (use_sim_time): then the rows begin now.
            begin = at
        # The newest chunk counts: what an older one wanted later is no longer wanted.
        for curve in self.series.wanted.values():
            while curve and curve[-1][0] >= at:
                curve.pop()
        for point in value.points:
            after = point.time_from_start
            due = begin + after.sec + after.nanosec / 1e9
            if due >= at:
                _extend(self.series.wanted, due, value.joint_names, point.positions)

    def _on_permit(self, at: float, value: Any) -> None:
        permit = key_values.decode_complete(Permit, _pairs(value))
        if permit is not None:
            self.series.permit.append(
                (at, 0.0 if permit.mode is Mode.HOLD else permit.speed_scale))

    def _on_state(self, at: float, value: Any) -> None:
        before = self._safety
        self._safety = safety = key_values.decode(SafetyState, _pairs(value))
        if safety.state is not before.state:
            self._say(at, f'state {safety.state.value}')
        known = {cause.code for cause in before.causes}
        for cause in safety.causes:
            if cause.code not in known:
                self._say(at, f'{cause.code.name}: {cause.text}')
        self.series.pace.append((at, safety.pace))

    def _on_stream(self, at: float, value: Any) -> None:
        beat = key_values.decode(StreamBeat, _pairs(value))
        self.series.age_ms.append((at, beat.age_ms))
        self.series.prompt = beat.prompt or self.series.prompt
        if beat.rtt_ms_p50 >= 0.0:
            self.series.round_trip_ms.append((at, beat.rtt_ms_p50))
        if self._refused and beat.refused > self._refused and beat.refusal is not None:
            self._say(at, f'chunk refused: {beat.refusal}')
        self._refused = beat.refused

    def _on_prompt(self, at: float, value: Any) -> None:
        self._say(at, f'prompt: {value.data}')

    def _say(self, at: float, text: str) -> None:
        self.series.events.append(Event(at, text))


def rows(series: Series) -> Iterator[Mapping[str, float]]:
    """Yield one row per measurement: its time, each joint measured and written, link, permit."""
    following = {name: _Follow(curve) for name, curve in (
        *((f'{joint}.written', series.written.get(joint, [])) for joint in series.joints),
        *((f'{joint}.wanted', series.wanted.get(joint, [])) for joint in series.joints),
        ('permit', series.permit), ('pace', series.pace), ('age_ms', series.age_ms),
        ('round_trip_ms', series.round_trip_ms))}
    lines = [series.measured[joint] for joint in series.joints if joint in series.measured]
    for points in zip(*lines, strict=False):
        at = points[0][0]
        row = {'seconds': round(at, 4)}
        row.update((f'{joint}.measured', point[1])
                   for joint, point in zip(series.joints, points, strict=False))
        row.update((name, found) for name, follow in following.items()
                   if (found := follow.value(at)) is not None)
        yield row


class _Follow:
    """Reads a curve forward: the last value at or before a time."""

    def __init__(self, curve: Curve) -> None:
        self._curve = sorted(curve)
        self._index = 0

    def value(self, at: float) -> float | None:
        while self._index < len(self._curve) and self._curve[self._index][0] <= at:
            self._index += 1
        return self._curve[self._index - 1][1] if self._index else None


def _extend(curves: dict[str, Curve], at: float, names: Sequence[str],
            values: Sequence[float]) -> None:
    for name, value in zip(names, values, strict=False):
        curves.setdefault(name, []).append((at, float(value)))


def _pairs(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def value_at(curve: Curve, at: float) -> float | None:
    """Return the last value of a curve at or before a time; None before its first."""
    return next((value for instant, value in reversed(curve) if instant <= at), None)
