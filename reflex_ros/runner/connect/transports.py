# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The policies of a step loop: the action stream, one-shot inference, a server of one's own.

Each is a ``steps.StepTransport``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import logging
from typing import Any

from reflex_ros.cameras.settings import CameraSettings
from reflex_ros.client import edge
from reflex_ros.client.edge import EdgeSettings
from reflex_ros.client.loop_thread import LoopThread
from reflex_ros.client.resources import inference, sessions
from reflex_ros.client.stream_settings import DEFAULT_PROMPT
from reflex_ros.client.sync_stream import ActionStream
from reflex_ros.client.transport import Transport
from reflex_ros.errors import ReflexError, ServiceError, ServiceRefused, StreamClosed
from reflex_ros.runner.connect.service_place import ServiceHome, ServicePlace
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation
from reflex_ros.runner.presence import Doing
from reflex_ros.runner.session_errors import IN_PROCESS

_log = logging.getLogger(__name__)

_ROWS = ('actions', 'actions_so101', 'actions_aloha', 'actions_pi')


class _Pictures:
    """What is done to the pictures of cameras; those of others are sent as they are."""

    def __init__(self, cameras: Mapping[str, CameraSettings]) -> None:
        self._cameras = cameras

    def convert(self, pictures: Mapping[str, Any], form: str) -> dict[str, Any]:
        """
        Return pictures in another form.

        :param form: ``wire`` (as the service takes it), ``base64`` or ``array``.
        :raises FrameRefused: for a picture that cannot be sent.
        """
        if not pictures:
            return {}
        # Not at the top: it needs Pillow, and many robots have no camera.
        from reflex_ros.cameras import still

        function = {'wire': still.to_wire, 'base64': still.to_base64,
                    'array': still.to_array}[form]
        return {name: function(picture, self._cameras.get(name) or CameraSettings(name))
                for name, picture in pictures.items()}


class StreamTransport:
    """
    The action stream of the service, with a session of its own.

    Before actions are applied, the deployment must pass its checks and the session be promoted.

    :param prompt: task text, unless the observation has one.
    :param place: service and key; None: as for every command.
    :param cameras: what is done to the pictures of a camera.
    :param settings: model, lora, robot, action_adapter, hz, chunk_size, timeout and
        connect_retry_seconds, as :class:`.StreamSettings` has them; values that are None are left
        out.
    """

    def __init__(self, prompt: str = DEFAULT_PROMPT, place: ServicePlace | None = None, *,
                 cameras: Mapping[str, CameraSettings] | None = None, **settings: Any) -> None:
        self._place = place or ServicePlace()
        self._prompt = prompt
        self._applies = False
        self._pictures = _Pictures(cameras or {})
        self._names = list(cameras or {})
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._home: ServiceHome | None = None
        self._stream: ActionStream | None = None
        self.session_id = ''
        """Id of the session at the service; empty before ``start``."""

    def set_mode(self, mode: str) -> None:
        """Set the mode that the session is brought to; before ``start``."""
        self._applies = mode == 'apply_actions'

    def start(self) -> None:
        """
        Check the deployment, get a session, open the stream, promote the session.

        :raises ServiceError: naming what is missing, with the next step.
        """
        place = self._place
        if self._home is None:
            self._home = place.open(lambda: Doing(
                self.session_id, 'apply_actions' if self._applies else 'dry_run'))
        home = self._home
        if self._applies:
            home.wait_until_ready()
        grant = home.reflex.call(
            sessions.authorize, deployment_id=home.deployment_id, robot_id=home.robot_id,
            base_model=self._settings.get('model', 'pi0.5'))
        self.session_id = grant.session_id
        environment = dict(place.environment)
        if place.convex_url:
            environment['REFLEX_CONVEX_URL'] = place.convex_url
        stream = ActionStream(
            self._prompt, url=place.actions_url, api_key=place.api_key, environment=environment,
            session_id=grant.session_id, cameras=self._names, **self._settings)
        stream.open()
        self._stream = stream
        if self._applies:
            with _next_steps():
                home.reflex.call(sessions.promote, grant.session_id)

    def infer(self, observation: RobotObservation) -> RobotAction:
        """
        Send an observation and return its chunk; after a failure, on a new stream.

        :raises ServiceError: when the stream fails, or no chunk comes in time.
        :raises FrameRefused: for a picture that cannot be sent.
        """
        if self._stream is None:
            if self._home is None:
                raise StreamClosed('StreamTransport.start() must be called before infer()')
            self.start()
        stream = self._stream
        assert stream is not None
        images = self._pictures.convert(observation.cameras, 'wire')
        try:
            number = stream.send_observation(
                observation.state, images, prompt=observation.task or self._prompt,
                extra=observation.extra)
            with _next_steps():
                frame = stream.recv_action(seq=number)
        except ReflexError:
            # A stream is never used again after a failure.
            self._leave()
            raise
        return RobotAction(frame.rows, {name: value for name, value in frame.items()
                                        if name not in ('type', *_ROWS)})

    def stop(self) -> None:
        """Close stream and session; blocks for some seconds at most."""
        self._leave()
        if self._home is not None:
            self._home.close()
            self._home = None

    def _leave(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        if self._home is not None and self.session_id:
            try:
                self._home.reflex.call(sessions.close, self.session_id)
            except ServiceError as exc:
                _log.debug('closing the session: %s', exc)
        self.session_id = ''


@contextmanager
def _next_steps() -> Iterator[None]:
    """Replace the next step for a shell in what the service refuses: here, nothing is resumed."""
    try:
        yield
    except ServiceRefused as exc:
        step = IN_PROCESS.refusals.get(exc.reason)
        raise exc.with_next_step(step) if step else exc from exc.__cause__


class InferTransport:
    """
    One HTTP request per step, ``/v1/infer``.

    :param prompt: task text, unless the observation has one.
    :param place: service and key; None: as for every command.
    :param action_adapter: adapter whose rows are used; None: the first.
    :param robot: kind of robot; None: that of the adapter, if it has one.
    :param timeout_s: longest time for one attempt [s].
    """

    def __init__(self, prompt: str = DEFAULT_PROMPT, place: ServicePlace | None = None, *,
                 action_adapter: str | None = None, robot: str | None = None,
                 timeout_s: float = inference.TIMEOUT_S,
                 cameras: Mapping[str, CameraSettings] | None = None,
                 extra: Mapping[str, Any] | None = None) -> None:
        self._place = place or ServicePlace()
        self._prompt = prompt
        self._applies = False
        self._adapter = action_adapter
        self._robot = robot
        self._timeout_s = timeout_s
        self._pictures = _Pictures(cameras or {})
        self._extra = dict(extra or {})
        self._home: ServiceHome | None = None

    def set_mode(self, mode: str) -> None:
        """Set the mode, which decides what is checked; before ``start``."""
        self._applies = mode == 'apply_actions'

    def start(self) -> None:
        """
        Check the deployment, if actions are applied.

        :raises ServiceError: naming what is missing, with the next step.
        """
        self._home = self._place.open(
            lambda: Doing('', 'apply_actions' if self._applies else 'dry_run'))
        if self._applies:
            self._home.wait_until_ready()

    def infer(self, observation: RobotObservation) -> RobotAction:
        """
        Send an observation and return the answer.

        :raises ServiceError: when the service does not answer, or refuses.
        :raises FrameRefused: for a picture that cannot be sent.
        """
        if self._home is None:
            raise StreamClosed('InferTransport.start() must be called before infer()')
        images = self._pictures.convert(observation.cameras, 'wire')
        frame = self._home.reflex.call(
            inference.infer, observation.state, images, prompt=observation.task or self._prompt,
            action_adapter=self._adapter, robot=self._robot,
            extra={**self._extra, **observation.extra}, timeout_s=self._timeout_s)
        return RobotAction(frame.rows, {name: value for name, value in frame.items()
                                        if name not in ('type', 'seq', *_ROWS)})

    def stop(self) -> None:
        """Close the connections."""
        if self._home is not None:
            self._home.close()
            self._home = None


class EdgeTransport:
    """
    A server of one's own; no key is sent.

    :param prompt: task text, unless the observation has one.
    """

    def __init__(self, settings: EdgeSettings, prompt: str = '', *,
                 cameras: Mapping[str, CameraSettings] | None = None) -> None:
        self._settings = settings
        self._prompt = prompt
        self._pictures = _Pictures(cameras or {})
        self._loop: LoopThread | None = None
        self._http: Transport | None = None

    def start(self) -> None:
        """Prepare; nothing is sent."""
        self._loop = LoopThread('EdgeTransport')
        self._http = Transport(window_s=0.0)

    def infer(self, observation: RobotObservation) -> RobotAction:
        """
        Send an observation and return the answer.

        :raises ServiceError: when the server does not answer, or with something else.
        :raises FrameRefused: for a picture that cannot be sent.
        """
        if self._loop is None or self._http is None:
            raise StreamClosed('EdgeTransport.start() must be called before infer()')
        cameras = self._pictures.convert(
            {name: picture for name, picture in observation.cameras.items()
             if name in self._settings.camera_field_map},
            'array' if self._settings.encoding == 'json_numpy' else 'base64')
        rows, answer = self._loop.run(edge.infer(
            self._http, self._settings, observation.state, observation.task or self._prompt,
            cameras))
        return RobotAction(rows, {'raw': answer})

    def stop(self) -> None:
        """Close the connections."""
        loop, self._loop = self._loop, None
        if loop is not None and self._http is not None:
            loop.run(self._http.close())
            loop.close()
