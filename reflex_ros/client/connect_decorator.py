# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A control loop as a class with two methods: one observes, one acts (section e.1).

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

This loop has no safe stop: an exception closes the stream and is raised. To stop a real arm, use
the driver of this package, or the stop of the arm itself.
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
    """Type of the method that :func:`connect` adds; write ``run: Run`` for a type checker."""

    def __call__(self, max_steps: int | None = None) -> int:
        """Observe, infer, act; return the number of steps."""


def observation(method: Function) -> Function:
    """
    Mark the method that observes.

    It returns a dict with ``state``, ``images`` and other fields of the frame, or None to end the
    run.
    """
    setattr(method, _MARK, 'observation')
    return method


def action(method: Function) -> Function:
    """
    Mark the method that acts.

    Its argument is a :class:`.ChunkFrame`: ``frame['actions']`` holds the rows, (horizon, joints),
    in the units of the requested action adapter.
    """
    setattr(method, _MARK, 'action')
    return method


class Connection:
    """
    Result of :func:`connect`: a decorator for a class, or a stream.

    In a ``with`` statement it yields the open stream. Without one, the first use of a method or
    property of :class:`.ActionStream` opens the stream, which stays open until ``close``.
    """

    def __init__(self, prompt: str, settings: StreamSettings) -> None:
        # Checked here, so that the traceback of a wrong setting shows the line that has it.
        request(prompt, settings)
        self._prompt = prompt
        self._settings = settings
        self._stream: ActionStream | None = None

    def __call__(self, controller: Class) -> Class:
        """
        Add ``run(max_steps=None)`` to a class that has no ``run``.

        :raises TypeError: unless exactly one method observes and exactly one acts.
        """
        observe, act = (_marked(controller, role) for role in ('observation', 'action'))

        def run(self: object, max_steps: int | None = None) -> int:
            """Observe, infer, act, until the observing method returns None; return the steps."""
            with connection._new() as stream:
                return _loop(self, getattr(self, observe), getattr(self, act), stream, max_steps)

        connection = self
        own = getattr(controller, 'run', None)
        if own is None or getattr(own, _MARK, '') == 'run':
            setattr(run, _MARK, 'run')
            setattr(controller, 'run', run)  # noqa: B010 (no class has it before)
        return controller

    def __enter__(self) -> ActionStream:
        return self._opened()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        """Open the stream if it is closed, and return one of its attributes."""
        if name.startswith('_') or not hasattr(ActionStream, name):
            raise AttributeError(f'{type(self).__name__} has no {name}')
        return getattr(self._opened(), name)

    def close(self) -> None:
        """Close the stream if it is open; may be called twice."""
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

    :param settings: see :class:`.StreamSettings`; API key and URL are resolved when the stream
        opens.
    :raises TypeError: for an unknown setting.
    :raises ValueError: if a rate, a size or a time is not a positive number.
    """
    return Connection(prompt, settings)


def _marked(controller: type, role: str) -> str:
    """Return the name of the one method with a mark."""
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
