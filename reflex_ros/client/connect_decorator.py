# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A robot's control loop as a class: one method that observes, one that acts (section e.1).

::

    @connect('pick up the cube', robot='so101', cameras=['front'])
    class Robot:
        @observation
        def look(self):
            return {'state': self.arm.read(), 'images': {'front': self.camera.jpeg()}}

        @action
        def move(self, frame):
            for row in frame['actions']:
                self.arm.write(row)

    Robot().run(max_steps=100)

There is no safe stop in this loop: an exception closes the stream and propagates. What must stop a
real arm is the driver of this package, or the arm's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import inspect
from types import TracebackType
from typing import Any, Protocol, TYPE_CHECKING, TypeVar

from reflex_ros.client.stream_settings import DEFAULT_PROMPT, request, StreamSettings
from reflex_ros.client.sync_stream import ActionStream

if TYPE_CHECKING:
    from typing_extensions import Unpack

Function = TypeVar('Function', bound=Callable[..., Any])
Class = TypeVar('Class', bound=type)

_MARK = '__reflex_role__'


class Run(Protocol):
    """What :func:`connect` adds; ``run: Run`` in the class tells it to a type checker."""

    def __call__(self, max_steps: int | None = None) -> int:
        """Observe, infer, act; return the number of steps."""


def observation(method: Function) -> Function:
    """
    Mark the method that observes.

    It returns a dict with ``state``, ``images`` and whatever else the frame shall carry, or None
    to end the run.
    """
    setattr(method, _MARK, 'observation')
    return method


def action(method: Function) -> Function:
    """
    Mark the method that acts.

    It is given a :class:`.ChunkFrame`: ``frame['actions']`` are the rows, (horizon, joints), in
    the units of the adapter that was asked for.
    """
    setattr(method, _MARK, 'action')
    return method


class Connection:
    """
    What :func:`connect` returns: a decorator, and a stream that opens when it is needed.

    As a context manager it yields the open stream. Without one, whatever the stream has can be
    used at once, opens it, and leaves it open until ``close``.
    """

    def __init__(self, prompt: str, settings: StreamSettings) -> None:
        # Wrong settings are told where they stand, and not when the robot starts.
        request(prompt, settings)
        self._prompt = prompt
        self._settings = settings
        self._stream: ActionStream | None = None

    def __call__(self, controller: Class) -> Class:
        """
        Give a class its ``run(max_steps=None)``, unless it has one of its own.

        :raises TypeError: when it has not one method that observes and one that acts.
        """
        observe, act = (_marked(controller, role) for role in ('observation', 'action'))

        def run(self: object, max_steps: int | None = None) -> int:
            """Observe, infer, act, until a method ends it; return the number of steps."""
            with connection._new() as stream:
                return _loop(self, getattr(self, observe), getattr(self, act), stream, max_steps)

        connection = self
        own = getattr(controller, 'run', None)
        if own is None or getattr(own, _MARK, '') == 'run':
            setattr(run, _MARK, 'run')
            setattr(controller, 'run', run)  # noqa: B010 (no class has it before)
        return controller

    def __enter__(self) -> ActionStream:
        """Return the open stream."""
        return self._opened()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the stream."""
        self.close()

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has, whatever it is, and open it for that."""
        if name.startswith('_') or not hasattr(ActionStream, name):
            raise AttributeError(f'{type(self).__name__} has no {name}')
        return getattr(self._opened(), name)

    def close(self) -> None:
        """Close the stream, if there is one; may be called twice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _new(self) -> ActionStream:
        return ActionStream(self._prompt, **self._settings)

    def _opened(self) -> ActionStream:
        if self._stream is None:
            stream = self._new()
            stream.open()
            self._stream = stream
        return self._stream


def connect(prompt: str = DEFAULT_PROMPT, **settings: Unpack[StreamSettings]) -> Connection:
    """
    Connect a class to a policy, or open a stream: see :class:`Connection`.

    :param settings: see :class:`.StreamSettings`. Key and address are looked up when it opens.
    :raises TypeError: for a setting that does not exist.
    :raises ValueError: for a rate, a size or a time that is none.
    """
    return Connection(prompt, settings)


def _marked(controller: type, role: str) -> str:
    """Find the one method with a mark."""
    names = [name for name in dir(controller)
             if getattr(inspect.getattr_static(controller, name), _MARK, '') == role]
    if not names:
        article = 'an' if role[0] in 'aeiou' else 'a'
        raise TypeError(f'@reflex.connect classes must define {article} @reflex.{role} method.')
    if len(names) > 1:
        raise TypeError(f'{controller.__name__} marks more than one method with @{role}: '
                        f'{", ".join(names)}')
    return names[0]


def _loop(controller: object, observe: Callable[[], Mapping[str, object] | None],
          act: Callable[[Any], object], stream: ActionStream, max_steps: int | None) -> int:
    steps = 0
    while (max_steps is None or steps < max_steps) and _is_enabled(controller):
        payload = observe()
        if payload is None:
            break
        if not isinstance(payload, Mapping):
            raise TypeError('@reflex.observation must return a dict observation payload.')
        act(stream.recv_action(seq=stream.send_raw(payload)))
        steps += 1
    return steps


def _is_enabled(controller: object) -> bool:
    enabled = getattr(controller, 'enabled', True)
    return bool(enabled() if callable(enabled) else enabled)
