# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex recordings`` and ``reflex stops`` share: find, list, show, plot, export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import csv
from datetime import datetime, timezone
import json
import math
import os
from pathlib import Path
from typing import Any

import click

from reflex_ros.cli import text
from reflex_ros.cli.options import CommonOptions
from reflex_ros.cli.output_file import writing
from reflex_ros.domain.counted import counted
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.places import recordings_folder, stops_folder, SUFFIX
from reflex_ros.recording.reader import info, RecordingInfo
from reflex_ros.recording.series import Event, read_series, rows, Series, value_at

LAST = '@last'
LEAST_DEG = 4.0
"""Smallest range of a joint that a plot shows [deg]."""

name_argument = click.argument('name', default=LAST)
out_option = click.option('--out', type=click.Path(dir_okay=False, path_type=Path),
                          help='File to write (default: beside the recording).')
folder_option = click.option(
    '--folder', default='', help='Folder of the recordings (default: REFLEX_RECORDINGS_DIR, then '
    '~/.reflex/recordings).')


def folder(chosen: str, *, of_stops: bool = False) -> Path:
    """Return the folder of the recordings, or of the stops in it."""
    found = recordings_folder(chosen)
    return stops_folder(found) if of_stops else found


def files(place: Path) -> list[Path]:
    """Return the recordings of a folder and of those in it, oldest first; not the stops."""
    return sorted((file for file in place.rglob(f'*{SUFFIX}')
                   if not file.name.startswith('.')
                   and (file.parent == place or file.parent.name != 'stops')),
                  key=lambda file: (file.stem, file.parent))


def find(place: Path, name: str, noun: str) -> Path:
    """
    Find a recording by its name, a part of it, its path, or ``@last``.

    :param noun: command that lists them, such as ``recordings``.
    :raises ConfigurationError: when there is none, or several.
    """
    if name != LAST and Path(name).is_file():
        return Path(name)
    found = files(place)
    if name == LAST:
        if not found:
            raise ConfigurationError(f'there are no {noun} in {place} yet. They are written '
                                     'while the arm is moved: `reflex up` or `reflex demo`')
        return found[-1]
    exact = [file for file in found if name in (file.stem, file.name)]
    matching = exact or [file for file in found if name in file.stem]
    if len(matching) != 1:
        which = f'{len(matching)} {noun} match' if matching else f'there is no {noun[:-1]} named'
        raise ConfigurationError(f'{which} {name!r} in {place}. `reflex {noun} list` shows them')
    return matching[0]


def show_list(common: CommonOptions, place: Path, noun: str, columns: Sequence[str]) -> None:
    """List what is in a folder; a file that cannot be read is listed with the reason."""
    listed = [_row(file) for file in files(place)]
    problem = _folder_problem(place)
    text.show_rows(common, noun.capitalize(), listed, columns, value={noun: listed}, field=noun,
                   folder=str(place), **({'problem': problem} if problem else {}),
                   next=[f'reflex {noun} plot {listed[-1]["name"]}'] if listed else [])


def _folder_problem(place: Path) -> str:
    """Say why no file of a folder can be listed; empty if all can."""
    try:
        os.listdir(place)
    except FileNotFoundError:
        reason = 'does not exist: nothing was recorded there yet, or it cannot be made'
    except OSError as exc:
        reason = f'cannot be read: {exc.strerror}'
    else:
        return ''
    return (f'The folder {place} {reason}. --folder or REFLEX_RECORDINGS_DIR names another one; '
            '`reflex status` says why a running recorder writes nothing')


def show_one(common: CommonOptions, path: Path, *, stop_at: float | None = None) -> None:
    """
    Show what happened, in words, and each joint.

    :param stop_at: instant of the stop, if the recording is one of a stop.
    """
    found, series = info(path), read_series(path)
    end = series.end if stop_at is None else stop_at
    joints = [dict(_joint(series, name, end)) for name in series.joints]
    if common.as_json:
        text.document({'ok': True, 'recording': describe(found), 'joints': joints,
                       'events': [{'seconds': round(event.at - end, 3), 'text': event.text}
                                  for event in series.events]})
        return
    for line in text.lines({key: value for key, value in describe(found).items()
                            if key != 'topics'}):
        click.echo(line)
    click.echo()
    text.show_grid(('seconds', 'what happened'),
                   ((f'{event.at - end:+.2f}', event.text) for event in _few(series.events)))
    if joints:
        click.echo()
        text.show_grid([key.replace('_', ' ') for key in joints[0]],
                       [tuple(joint.values()) for joint in joints])


def plot(common: CommonOptions, path: Path, out: Path | None, *,
         stop_at: float | None = None) -> None:
    """Draw a recording as a PNG: joints, goals, age, permit; the causes at their instants."""
    from reflex_ros.cli import chart

    series = read_series(path)
    zero = stop_at or 0.0
    marks = [(event.at - zero, event.text.partition(':')[0]) for event in series.events
             if ':' in event.text and not event.text.startswith('prompt')]

    def degrees(curves: Mapping[str, Sequence[tuple[float, float]]], name: str) -> list[Any]:
        return [(at - zero, math.degrees(value)) for at, value in curves.get(name, ())]

    panels = [chart.Panel(f'{name} [deg]', {
        'measured': degrees(series.measured, name), 'written': degrees(series.written, name),
        'wanted': [(at, value) for at, value in degrees(series.wanted, name)
                   if at <= series.end - zero]}, marks, LEAST_DEG) for name in series.joints]
    panels += [chart.Panel(title, {key: [(at - zero, value) for at, value in curve]}, marks)
               for title, key, curve in (
                   ('age of the observation behind the newest chunk [ms]', 'age', series.age_ms),
                   ('permit: speed that is allowed, 0 is hold', 'permit', series.permit))
               if curve]
    if not panels:
        raise ConfigurationError(f'{path} holds no joints, so there is nothing to draw')
    out = out or path.with_suffix('.png')
    with writing(out, '--out'):
        chart.draw(out, panels)
    text.report(common, {'ok': True, 'file': str(out)}, f'Written: {out}')


def export(common: CommonOptions, path: Path, form: str, out: Path | None) -> None:
    """Write the curves of a recording as a table that any program can read."""
    series = read_series(path)
    found = list(rows(series))
    out = out or path.with_suffix(f'.{form}')

    with writing(out, '--out'), out.open('w', encoding='utf-8', newline='') as file:
        if form == 'jsonl':
            file.writelines(json.dumps(row) + '\n' for row in found)
        else:
            names = dict.fromkeys(name for row in found for name in row)
            writer = csv.DictWriter(file, list(names))
            writer.writeheader()
            writer.writerows(found)
    text.report(common, {'ok': True, 'file': str(out), 'rows': len(found)},
                f'Written: {out} ({counted(len(found), "row")})')


def describe(found: RecordingInfo) -> dict[str, object]:
    """Return what a recording holds, for a person or as JSON."""
    return {**_about(found), 'file': str(found.path), 'started': _time(found.start_ns),
            'seconds': round(found.seconds, 2), 'megabytes': round(found.size / 1e6, 2),
            'messages': found.messages, 'dropped': found.dropped,
            'topics': topics(found)}


def topics(found: RecordingInfo) -> list[dict[str, object]]:
    """Return the topics of a recording as rows."""
    return [{'topic': topic.name, 'type': topic.kind, 'messages': topic.messages}
            for topic in found.topics]


def stop_instant(found: RecordingInfo) -> float | None:
    """Return when the stop was, in seconds since the first message; None for a run."""
    at = found.about.get('stopped_at_ns', '')
    return (int(at) - found.start_ns) / 1e9 if at.isdigit() else None


def _about(found: RecordingInfo) -> dict[str, object]:
    return {key: value for key, value in found.about.items()
            if value and key != 'stopped_at_ns'}


def _row(path: Path) -> dict[str, object]:
    try:
        found = info(path)
    except ConfigurationError as exc:
        return {'name': path.stem, 'problem': str(exc)}
    about = describe(found)
    # In the file, the name is that of the robot.
    about['robot'] = about.pop('name', '')
    del about['topics']
    return {'name': path.stem, **about}


def _joint(series: Series, name: str, end: float) -> Iterator[tuple[str, str]]:
    measured = series.measured.get(name, [])
    here, last = value_at(measured, end), value_at(measured, series.end)
    goal, wanted = (value_at(curves.get(name, []), end)
                    for curves in (series.written, series.wanted))
    yield 'joint', name
    yield 'measured_deg', _degrees(here)
    yield 'written_deg', _degrees(goal)
    yield 'wanted_deg', _degrees(wanted)
    yield 'moved_after_deg', _degrees(
        None if here is None or last is None else abs(last - here))


def _few(events: Sequence[Event], most: int = 60) -> Sequence[Event]:
    return events if len(events) <= most else [*events[:most // 2], *events[-most // 2:]]


def _degrees(value: float | None) -> str:
    return '-' if value is None else f'{math.degrees(value):.1f}'


def _time(stamp_ns: int) -> str:
    return datetime.fromtimestamp(stamp_ns / 1e9, timezone.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
