# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex record``: show a task again and again, and keep it as a data set for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, ExitStack, suppress
import math
from pathlib import Path
import shlex
import sys
import time
from typing import TYPE_CHECKING

import click

from reflex_ros.cli import keys, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.init import camera_of
from reflex_ros.cli.interrupt import interruptible, shielded
from reflex_ros.cli.options import CommonOptions, local_command
from reflex_ros.cli.so101_move import drive_arm, HOLDS
from reflex_ros.cli.so101_port import confirm, open_bus
from reflex_ros.cli.so101_ranges import ACCEPT_RANGE
from reflex_ros.cli.so101_teleop import led_arm, require_two
from reflex_ros.domain.counted import counted
from reflex_ros.errors import ConfigurationError, ReflexError

if TYPE_CHECKING:
    from reflex_ros.config.robot.cameras import Camera
    from reflex_ros.recording.dataset_folder import DatasetFolder
    from reflex_ros.recording.sampler import Figures
    from reflex_ros.recording.takes import Takes
    from reflex_ros.runner.demonstration import Demonstrator
    from reflex_ros.runner.keyboard_guide import KeyboardGuide
    from reflex_ros.runner.sim_arm import SimArm
    from reflex_ros.runner.sitting import Progress, Sitting

SHOW_S = 0.2
SIM_CAMERA = 'front'


@local_command('reflex record --task "put the cube in the box" --leader /dev/so101_leader '
               '--port /dev/so101_follower --camera front=/dev/video0',
               'reflex record --task "press the button" --keyboard --camera front=/dev/video0',
               'reflex record --sim --task wave --episodes 3 --episode-s 5 --pause-s 1')
@click.option('--task', required=True, metavar='TEXT', help='What is shown, in words: the prompt '
              'that the policy will get.')
@click.option('--episodes', type=click.IntRange(1), default=20, show_default=True,
              help='Episodes to keep in this sitting.')
@click.option('--out', metavar='DIR', type=click.Path(file_okay=False, path_type=Path),
              help='Folder of the data set; one that exists is continued (default: a folder '
              'named after the task).')
@click.option('--fps', type=click.IntRange(1, 100), default=30, show_default=True,
              help='Frames per second of the data set.')
@click.option('--camera', 'cameras', metavar='NAME=DEVICE', multiple=True,
              help='A camera, for example front=/dev/video0; repeat it for each.')
@click.option('--port', metavar='PATH', help='Serial port of the arm that shows the task '
              '(default: REFLEX_SO101_PORT, then a search).')
@click.option('--leader', metavar='PATH', help='Serial port of a leader arm, which you move by '
              'hand. Without it, you guide the arm itself, with its torque off.')
@click.option('--keyboard', 'has_keyboard', is_flag=True, help='Move the arm by keys, joint by '
              'joint.')
@click.option('--speed', type=FiniteRange(0.05, 2.0), default=1.0, show_default=True,
              help='Largest joint speed of an arm that follows a leader or keys, in rad/s.')
@click.option('--episode-s', type=FiniteRange(0.5), metavar='SECONDS',
              help='End each episode by itself after so long.')
@click.option('--pause-s', type=FiniteRange(0.0), metavar='SECONDS',
              help='Begin each episode by itself, so long after the one before.')
@click.option('--sim', 'is_simulated', is_flag=True, help='Use two simulated arms, of which a '
              'scripted hand moves the leader, and a rendered camera.')
@click.option('--yes', is_flag=True, help='Skip the confirmation prompt.')
@ACCEPT_RANGE
def record(common: CommonOptions, task: str, episodes: int, out: Path | None, fps: int,
           cameras: tuple[str, ...], port: str | None, leader: str | None, has_keyboard: bool,
           speed: float, episode_s: float | None, pause_s: float | None, is_simulated: bool,
           yes: bool, accept_range: bool) -> None:
    """
    Record demonstrations as a LeRobot data set.

    Space starts and ends an episode, r repeats it, x discards it, q quits. Each episode is saved
    as soon as it ends; an episode that is not ended is dropped, whatever ends the command. Run it
    again with the same --out to add episodes.

    Angles are stored in degrees and the gripper in percent, as LeRobot's SO-101 has them. With a
    leader or keys, the action of a frame is what the arm was told to do. When you guide the arm
    itself, it is the pose of the next frame.
    """
    from reflex_ros.recording.dataset_folder import claimed, DatasetFolder
    from reflex_ros.recording.takes import Takes

    _check_usage(port, leader, pause_s, episode_s, has_keyboard=has_keyboard,
                 is_simulated=is_simulated)
    folder = out or Path(_slug(task))
    names = dict(map(camera_of, cameras))
    click.get_current_context().with_resource(claimed(folder))
    dataset = DatasetFolder(folder, 'so101_follower', fps)
    before = dataset.episodes
    if is_simulated and not names:
        names = {SIM_CAMERA: 'sim'}
    # Before the arm moves: it is permitted to by the thread that would import.
    found = _cameras(names, fps)
    takes = Takes(episodes, episode_s or math.inf, math.inf if pause_s is None else pause_s)
    moved = _arm(port, leader, speed, is_simulated=is_simulated, has_keyboard=has_keyboard,
                 accepts_range=accept_range, yes=yes)
    figures, was_interrupted = _sit(found, moved, dataset, takes, task,
                                    _Line(is_quiet=common.as_json))
    if (leader or has_keyboard) and not is_simulated and not common.as_json:
        click.echo(HOLDS, err=True)
    if was_interrupted and dataset.episodes == before:
        # Ctrl-C after the first episode ends a sitting; before, it is the end of the command.
        click.echo(f'No episode was kept in {folder}', err=True)
        raise KeyboardInterrupt
    _report(common, folder, dataset.episodes, dataset.episodes - before, dataset.frames,
            figures)


def _check_usage(port: str | None, leader: str | None, pause_s: float | None,
                 episode_s: float | None, *, has_keyboard: bool, is_simulated: bool) -> None:
    """Refuse options that do not go together, and keys without a terminal."""
    has_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if pause_s is None and not sys.stdin.isatty():
        raise ConfigurationError('there is no terminal whose keys start an episode: pass '
                                 '--pause-s and --episode-s')
    if has_keyboard and leader:
        raise click.UsageError('--keyboard and --leader: choose what moves the arm')
    if has_keyboard and not has_terminal:
        raise ConfigurationError('--keyboard needs a terminal')
    if pause_s is not None and episode_s is None:
        raise click.UsageError('--pause-s needs --episode-s: otherwise nothing ends an episode')
    if leader and not is_simulated:
        if port is None:
            raise click.UsageError('--leader needs --port: with two arms, name both')
        require_two(leader, port)


def _sit(found: Mapping[str, Camera],
         moved: AbstractContextManager[tuple[Demonstrator, KeyboardGuide | None]],
         dataset: DatasetFolder, takes: Takes, task: str,
         show: Callable[[Progress], None]) -> tuple[Figures, bool]:
    """
    Record until all takes are done or a person quits.

    :returns: how well it was sampled, and whether it was interrupted.
    """
    from reflex_ros.recording.dataset_folder import UNFINISHED
    from reflex_ros.recording.sampler import Sampler
    from reflex_ros.recording.takes import HELP
    from reflex_ros.runner.sitting import Sitting
    from reflex_ros.runner.sitting_cameras import SittingCameras

    before, names = dataset.episodes, list(found)
    cameras = SittingCameras(found)
    sitting: Sitting | None = None
    was_interrupted = True
    try:
        with ExitStack() as stack:
            stack.enter_context(interruptible())
            # Before the arm loses or gets torque: a camera that is missing must not let it fall.
            stack.callback(cameras.close)
            cameras.open()
            arm, guide = stack.enter_context(moved)
            sampler = Sampler(arm.pose, arm.description.joint_names, names, dataset.fps,
                              dataset.folder / UNFINISHED)
            sitting = Sitting(arm, sampler, takes, dataset, task, names,
                              lambda line: click.echo(f'\n{line}', err=True))
            cameras.serve(arm.measure, sitting.put)
            has_keys = stack.enter_context(keys.pressed(_obeying(sitting, guide)))
            if has_keys:
                click.echo(HELP, err=True)
            if guide:
                click.echo(guide.help, err=True)
            with suppress(KeyboardInterrupt):
                # Ctrl-C is a way to quit: what was kept is saved below.
                sitting.run(show)
                was_interrupted = False
    except KeyboardInterrupt:
        # It is repeated until the arm is at rest.
        if sitting is None:
            raise
    finally:
        if sitting is not None:
            with shielded():
                sitting.finish()
            if sys.exc_info()[0] is not None:
                click.echo(f'{counted(dataset.episodes - before, "episode")} of this sitting, in '
                           f'{dataset.folder}', err=True)
    return sampler.figures, was_interrupted


@contextmanager
def _arm(port: str | None, leader: str | None, speed: float, *, is_simulated: bool,
         has_keyboard: bool, accepts_range: bool,
         yes: bool) -> Iterator[tuple[Demonstrator, KeyboardGuide | None]]:
    """Ask, then open the arm that shows the task, and what moves it."""
    from reflex_ros.hardware.arm import So101Arm
    from reflex_ros.runner.demonstration import GuidedArm, LedArm
    from reflex_ros.runner.keyboard_guide import KeyboardGuide
    from reflex_ros.runner.sim_arm import LEADER, SimArm
    from reflex_ros.runner.teleop import Teleop

    if not is_simulated:
        confirm('The arm will move to the pose of the leader and follow it.' if leader else
                'The arm will be put under torque, and move with your keys.' if has_keyboard else
                'Torque will be switched off: the arm FALLS unless it rests or you hold it.',
                yes=yes)
    with ExitStack() as stack:
        if is_simulated:
            port = _started(stack, SimArm()).port
        if is_simulated and not has_keyboard:
            leader = _started(stack, SimArm(*LEADER)).port
        if leader:
            assert port is not None, 'a leader needs both ports'
            teleop, drive = stack.enter_context(
                led_arm(leader, port, speed, accepts_range=accepts_range,
                        is_simulated=is_simulated))
            yield LedArm(teleop, drive), None
            return
        if has_keyboard:
            drive = stack.enter_context(
                drive_arm(port, velocity=speed, accepts_range=accepts_range,
                          is_simulated=is_simulated))
            limits = drive.bounds.arm
            guide = KeyboardGuide(limits.joint_names, lambda: drive.setpoint,
                                  (limits.lower, limits.upper))
            yield LedArm(Teleop(guide, drive, speed), drive), guide
            return
        bus = stack.enter_context(open_bus(port))
        own = So101Arm(bus, accepts_range=accepts_range)
        own.bring_up()
        own.torque_off()
        yield GuidedArm(own), None


def _obeying(sitting: Sitting, guide: KeyboardGuide | None) -> Callable[[str], None]:
    """Return what takes each key: those that move a joint are the guide's."""
    def press(key: str) -> None:
        if guide is None or not guide.press(key):
            sitting.press(key)
    return press


def _started(stack: ExitStack, arm: SimArm) -> SimArm:
    stack.callback(arm.end)
    arm.start()
    return arm


def _cameras(names: Mapping[str, str], fps: int) -> dict[str, Camera]:
    """Return the cameras; imports what reads them, which takes up to a second."""
    from reflex_ros.config.robot.cameras import SimCamera, V4l2Camera
    from reflex_ros.runner.connect.cameras import check_packages

    found: dict[str, Camera] = {
        name: SimCamera(kind='sim', fps=min(fps, 60)) if device == 'sim' else
        V4l2Camera(kind='v4l2', device=device) for name, device in names.items()}
    check_packages(found)
    return found


class _Line:
    """Shows the progress in one line of a terminal; elsewhere, a line for each change."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._is_live = sys.stderr.isatty()
        self._shown_at = 0.0
        self._state: tuple[int, bool, str] | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        state = progress.number, progress.is_recording, progress.problem
        is_due = now - self._shown_at > SHOW_S if self._is_live else state != self._state
        if self._is_quiet or not is_due:
            return
        self._shown_at, self._state = now, state
        doing = 'recording' if progress.is_recording else progress.problem or 'waiting'
        parts = [f'episode {progress.number} of {progress.wanted}: {doing} '
                 f'{progress.seconds:.1f} s', counted(progress.frames, 'frame'),
                 f'{progress.late} late', *(f'{name} {hz:.0f} Hz' for name, hz
                                            in progress.rates_hz.items())]
        if progress.saving:
            parts.append(f'saving {progress.saving}')
        line = ', '.join(parts)
        click.echo(f'\r\x1b[K{line}' if self._is_live else line, err=True, nl=not self._is_live)


def _report(common: CommonOptions, folder: Path, episodes: int, added: int, frames: int,
            figures: Figures) -> None:
    """Say what was kept, and how well it was sampled."""
    if not added:
        raise ReflexError(f'no episode was kept; {folder} has {episodes}')
    repeated = {name: round(count / max(figures.frames, 1), 3)
                for name, count in figures.repeated.items()}
    numbers = {
        'frames_sampled': figures.frames, 'late_frames': figures.late,
        'repeated_pictures': repeated, 'joint_offset_ms_p99': _p99_ms(figures.joint_offset_s),
        'camera_offset_ms_p99': _p99_ms(figures.camera_offset_s)}
    quoted = shlex.quote(str(folder))
    following = [f'reflex datasets check {quoted}', f'reflex datasets upload {quoted}']
    text.report(
        common, {'ok': True, 'dataset': str(folder), 'episodes': episodes, 'added': added,
                 'frames': frames, **numbers, 'next': following},
        f'{folder}: {counted(added, "episode")} added, {episodes} in all, '
        f'{counted(frames, "frame")}',
        f'{figures.late} of {counted(figures.frames, "frame")} came late. In 99 % of the frames, '
        f'the pose was measured within {numbers["joint_offset_ms_p99"]} ms of the frame, and the '
        f'pictures came within {numbers["camera_offset_ms_p99"]} ms', *text.next_lines(following))


def _p99_ms(values: list[float]) -> float:
    ordered = sorted(values)
    return round(ordered[int(0.99 * (len(ordered) - 1))] * 1e3, 1) if ordered else 0.0


def _slug(task: str) -> str:
    """Return the name of a folder for a task."""
    words = ''.join(char if char.isalnum() else ' ' for char in task.lower()).split()
    return '-'.join(words)[:60] or 'dataset'
