# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``action_stream``: the hosted policy as a managed node.

While active, it holds a session with the service: observations go up, action chunks come down.
Chunks are published for all nodes as ``action_chunk``, and for the connector as commands, only
under a permit to apply them. A person with a leader arm may take over (``runner.intervention``):
then the commands are theirs, and the policy goes on to be asked and shown.

**Threads.** Transitions, messages and timers run in the executor's thread. The session
(``runner.policy_session``) runs in an asyncio thread of this node, from activate to deactivate;
``_on_chunk`` and ``_on_fault`` run there. Between them go: the observer and the intervention
(locked), the permit lease and the session's status (single values that are replaced).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
import os

# Before rclpy, because its libraries bring another OpenSSL.
import ssl  # noqa: F401
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.cameras.feed import CameraFeed
from reflex_ros.cameras.settings import observation_bounds
from reflex_ros.client import access, claimed_robot, endpoints, retry
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.loop_thread import Job, LoopThread
from reflex_ros.client.resources import account
from reflex_ros.config.parameters.action_stream import TABLE
from reflex_ros.config.parameters.mapping import adapted
from reflex_ros.domain.action import ActionChunk, ChunkBounds, row_at
from reflex_ros.domain.authority import CommanderWatch
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.cdr import DamagedMessage
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.guided_motion import RATE_HZ as GUIDED_HZ
from reflex_ros.domain.heartbeats import (
    DRIVER,
    DriverBeat,
    LEADER,
    LEADER_TOPIC,
    Lifecycle,
    Link,
    Readiness,
    ServiceChange,
    SessionMode,
    STREAM,
    StreamBeat,
)
from reflex_ros.domain.joint_states import in_order, JointStateReader
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.observation import ObservationBounds, Observer
from reflex_ros.domain.outlook import SendPrefix
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.domain.timing import stamp_age, stamp_note
from reflex_ros.errors import ServiceUnavailable
from reflex_ros.hardware.arms import ARMS
from reflex_ros.nodes import camera_inputs, convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.camera_inputs import CameraInputs
from reflex_ros.nodes.owners import Owners
from reflex_ros.nodes.process import run
from reflex_ros.runner.beats import stream_beat
from reflex_ros.runner.intervention import Intervention
from reflex_ros.runner.loop_watch import LoopWatch
from reflex_ros.runner.permit_lease import PermitLease
from reflex_ros.runner.policy_session import PolicySession
from reflex_ros.runner.presence import Doing, Presence, PresenceSettings, PresenceStatus
from reflex_ros.runner.session_status import SessionSettings, SessionStatus

BEAT_HZ = 50.0
LOOK_S = 1.0
"""How often the topics of the cameras are looked for."""
WANTED_S = 0.1
SILENT_S = 5.0
"""Time without a joint state after which they are subscribed to anew."""
GUIDE_S = 2.0 / GUIDED_HZ
"""How often the arm gets new rows while a person guides it: each plan costs the driver 2 ms."""
TRAVEL_S = 1.0
"""How often the travel of the gripper is read."""
CONFIGURE_S = 8.0
LEAVE_S = 2.0


class ActionStreamNode(ReflexNode):
    """The transport: the link to the service that runs the policy."""

    def __init__(self) -> None:
        super().__init__(STREAM, TABLE, BEAT_HZ)
        self._thread: LoopThread | None = None
        self._job: Job[None] | None = None
        self._session: PolicySession | None = None
        self._presence: Presence | None = None
        self._presence_job: Job[None] | None = None
        self._observer = Observer([], ObservationBounds())
        self._arm = next(iter(ARMS.values()))
        self._status = SessionStatus()
        self._joint_states: Any = None
        self._joints_at = 0.0
        self._plans: Any = None
        self._joint_reader = JointStateReader()
        self._joint_stamp = ''
        self._feed: CameraFeed | None = None
        self._cameras: CameraInputs | None = None
        self._look_timer: Any = None
        self._travel: GripperTravel | None = None
        self._travel_due_at = 0.0
        self._lease = PermitLease()
        self._intervention = Intervention(self._arm)
        self._leader: Any = None
        self._leader_at = 0.0
        self._leader_reader = JointStateReader()
        topic = self.resolve_topic_name(LEADER_TOPIC)
        self._leaders = Owners(self, (topic,), ())
        self._leader_watch = CommanderWatch(
            {topic: f'{self.get_namespace().rstrip("/")}/{LEADER}'})
        self._guide_timer = self.every(GUIDE_S, self._guide)
        self._guide_timer.cancel()
        self._watch = LoopWatch()
        self._progress = 0
        self._chunks = self.create_publisher(JointTrajectory, 'action_chunk', qos.CHUNK)
        self._wanted = self.create_publisher(JointState, 'policy/joint_states', qos.JOINT_STATES)
        self._newest: ActionChunk | None = None
        self._wanted_timer = self.every(WANTED_S, self._publish_wanted)
        self._commands = self.create_publisher(JointTrajectory, f'{DRIVER}/command', qos.CHUNK)
        self._stop_request = self.create_publisher(String, 'safety/stop', qos.STOP)
        self.create_subscription(DiagnosticStatus, 'safety/permit', self._on_permit, qos.LEASE)
        self.create_subscription(DiagnosticStatus, f'_beat/{DRIVER}', self._on_driver, qos.LEASE,
                                 raw=True)
        self.create_subscription(String, 'prompt', self._on_prompt, qos.PROMPT)
        self.create_service(Trigger, '~/take_over', self._on_take_over)
        self.create_service(Trigger, '~/hand_back', self._on_hand_back)

    def _setup(self, settings: Mapping[str, Any]) -> None:
        found = access.resolve(os.environ, convex_url=endpoints.given(
            settings['service.rpc_url'], 'service.rpc_url'))
        rpc_url = found.rpc_url
        actions_url = endpoints.actions_url(endpoints.given(
            settings['service.actions_url'], 'service.actions_url'), os.environ, rpc_url)
        key = found.only_key(actions_url)
        assert key is not None
        cameras = camera_inputs.read_settings(settings)
        options = SessionSettings(
            rpc_url=rpc_url,
            actions_url=actions_url,
            prompt=settings['prompt'], model=settings['service.model'],
            cameras=tuple(camera.wire_key for camera in cameras), rate_hz=settings['rate_hz'],
            chunk_size=settings['chunk_size'], execute_horizon=settings['execute_horizon'],
            send_prefix=SendPrefix(settings['send_prefix']),
            send_arrival_state=settings['send_arrival_state'],
            rules=RequestRules(settings['replan_s'], settings['service.parallel'],
                               settings['max_in_flight'], settings['schedule'] == 'sync'),
            window_s=settings['service.open_window_s']
            if 'REFLEX_WS_CONNECT_RETRY_SECONDS' not in os.environ else retry.window(os.environ))
        self._watch = LoopWatch()
        self._thread = LoopThread('stream', leave_s=LEAVE_S, selector=self._watch)
        self._arm = adapted(
            ARMS[settings['arm']].with_velocity(settings['limits.velocity']), settings)
        claimed_file = claimed_robot.path(os.environ)
        self._presence = Presence(PresenceSettings(
            rpc_url, settings['service.robot'], settings['service.deployment'],
            lambda: claimed_robot.load(claimed_file, rpc_url),
            settings['service.allow_unchecked']), key, self._arm, self._doing)
        self._check_account(key, rpc_url, self._presence)
        self._presence_job = self._thread.begin(self._presence.run())
        bounds = ChunkBounds(self._arm, settings['limits.chunk_age_s'], settings['limits.jump'],
                             clamp=settings['limits.clamp'])
        self._observer = Observer([camera.name for camera in cameras], observation_bounds(
            cameras, settings['camera_age_s'], settings['camera_frozen_s']), self._arm.joint_names)
        self._feed = CameraFeed(cameras, self._observer)
        self._options = options
        self._make_session = partial(PolicySession, key=key, observer=self._observer,
                                     bounds=bounds, lease=self._lease, on_chunk=self._on_chunk,
                                     on_fault=self._on_fault, make_pictures=self._feed.pictures)
        self._listen_to_joints()
        self._intervention.set_arm(self._arm)
        self._listen_to_leader()
        self._plans = self.create_subscription(
            JointTrajectory, 'so101/_plan', self._on_plan, qos.CHUNK) \
            if options.uses_outlook else None
        self._cameras = CameraInputs(self, cameras, self._feed, self._observer)
        self._look_timer = self.every(LOOK_S, self._look)

    def _check_account(self, key: Secret, rpc_url: str, presence: Presence) -> None:
        """Check the key; find robot and deployment, and compare. Blocks for 8 s at most."""
        async def ask() -> None:
            async with AsyncReflex(key, convex_url=rpc_url, window_s=CONFIGURE_S / 2) as service:
                await account.whoami(service)
                await presence.identify(service)

        assert self._thread is not None
        try:
            self._thread.run(ask(), CONFIGURE_S)
        except TimeoutError as exc:
            raise ServiceUnavailable(
                f'Cannot reach the Reflex backend at {rpc_url}: {exc}. Check the network, '
                'or unset REFLEX_CONVEX_URL') from exc

    def _doing(self) -> Doing:
        """Return what the next heartbeat says; the stream's thread."""
        status = self._session_status()
        return Doing(status.session_id, status.mode.value or 'configured')

    def _start(self) -> None:
        assert self._thread is not None
        presence = self._presence_status()
        # The counters continue from session to session; faults do not.
        self._session = self._make_session(
            replace(self._options, deployment_id=presence.deployment_id or None,
                    robot_id=presence.robot_id or None),
            status=replace(self._status, fault=None, lost=None, gap=None))
        self._session.prompt = self.get_parameter('prompt').value
        if self._travel is not None:
            self._session.set_gripper_travel(self._travel)
        self._job = self._thread.begin(self._session.run())

    def _stop(self) -> None:
        if self._job is not None and not self._job.end():
            self.get_logger().warning(f'the session did not close within {LEAVE_S:g} s; it is '
                                      'left to end by itself')
        self._status = replace(self._session_status(), link=Link.CLOSED, mode=SessionMode.NONE,
                               in_flight=0, service_change=ServiceChange.NONE)
        self._session = self._job = None

    def _presence_status(self) -> PresenceStatus:
        if self._presence is None or self._presence_job is None:
            return PresenceStatus()
        failure = self._presence_job.failure
        if failure is not None:
            return replace(self._presence.status, readiness=Readiness.BLOCKED, unready={
                'heartbeat': f'the heartbeats ended: {failure!r}. Start the node again'})
        return self._presence.status

    def _session_status(self) -> SessionStatus:
        return self._session.status if self._session else self._status

    def _teardown(self) -> None:
        self._stop()
        if self._look_timer is not None:
            self.destroy_timer(self._look_timer)
        if self._cameras is not None:
            self._cameras.close()
        for subscription in (self._joint_states, self._leader, self._plans):
            if subscription is not None:
                self.destroy_subscription(subscription)
        if self._feed is not None:
            self._feed.close()
        self._look_timer = self._cameras = self._feed = None
        self._joint_states = self._leader = self._plans = None
        self._presence = self._presence_job = None
        if self._thread is not None:
            self._thread.close()
        self._thread = None

    def _listen_to_joints(self) -> None:
        if self._joint_states is not None:
            self.destroy_subscription(self._joint_states)
        self._joints_at = time.monotonic()
        self._joint_states = self.create_subscription(
            JointState, 'joint_states', self._on_joints, qos.JOINT_STATES_INPUT, raw=True)

    def _listen_to_leader(self) -> None:
        if self._leader is not None:
            self.destroy_subscription(self._leader)
        self._leader_at = time.monotonic()
        self._leader = self.create_subscription(
            JointState, LEADER_TOPIC, self._on_leader, qos.JOINT_STATES_INPUT, raw=True)

    def _look(self) -> None:
        """Look for cameras and strange leaders, and listen anew to joints that are not heard."""
        strange = self._strange_leaders() if self._intervention.is_guided else ''
        if strange:
            self._on_fault(Cause(FaultCode.TWO_COMMANDERS, strange))
        if self._cameras is not None:
            self._cameras.look()
        # Once in some hundred starts on a busy machine, a subscription never hears anything,
        # although the driver publishes and everything else of it is heard.
        now = time.monotonic()
        if now - self._joints_at > SILENT_S:
            self._listen_to_joints()
        if now - self._leader_at > SILENT_S and self.count_publishers(LEADER_TOPIC):
            self._listen_to_leader()

    # Messages, in the executor's thread.

    def _on_joints(self, message: bytes) -> None:
        now = self._joints_at = time.monotonic()
        try:
            stamp_ns, names, positions = self._joint_reader.read(message)
        except DamagedMessage as exc:
            self._observer.refuse_joint_state(str(exc))
            return
        ros_now_ns = self.get_clock().now().nanoseconds
        age_s = stamp_age(stamp_ns, ros_now_ns) or 0.0
        self._joint_stamp = stamp_note(stamp_ns, ros_now_ns)
        self._observer.put_joint_state(names, positions, now - age_s,
                                       time.time_ns() - round(age_s * 1e9))

    def _on_permit(self, message: DiagnosticStatus) -> None:
        permit = status_codec.decode_complete(Permit, message)
        if permit is not None:
            self._lease.renew(permit, time.monotonic())

    def _on_driver(self, message: bytes) -> None:
        now = time.monotonic()
        if now < self._travel_due_at and not self._intervention.is_guided:
            return
        beat = status_codec.decode_bytes(DriverBeat, message)
        if beat is None:
            return
        self._intervention.put_setpoint(np.array(beat.setpoint))
        travel = beat.gripper_travel
        # It changes with a calibration, and to read all fifty beats a second costs 1 % of a core.
        self._travel_due_at = now + TRAVEL_S if travel is not None else 0.0
        if travel is None or travel == self._travel or len(self._arm.grippers) != 1:
            return
        self._travel = travel
        self._intervention.set_arm(self._arm.with_gripper_travel(travel))
        if self._session is not None:
            self._session.set_gripper_travel(travel)

    def _on_plan(self, message: JointTrajectory) -> None:
        outlook = convert.from_plan(message, self._arm.joint_names, time.monotonic())
        if outlook is not None and self._session is not None:
            self._session.set_outlook(replace(
                outlook, seq=self._intervention.policy_number(outlook.seq)))

    def _on_prompt(self, message: String) -> None:
        if self._session is not None:
            self._session.prompt = message.data

    # A person takes over and hands back; in the executor's thread.

    def _on_leader(self, message: bytes) -> None:
        try:
            _, names, positions = self._leader_reader.read(message)
            pose = in_order(names, positions, self._arm.joint_names)
        except (DamagedMessage, KeyError):
            # As if nothing had come: a leader that sends nothing else is lost.
            return
        self._leader_at = time.monotonic()
        self._intervention.put_leader(pose, self._leader_at)

    def _on_take_over(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        now, session = time.monotonic(), self._session
        refusal = self._strange_leaders() or self._intervention.take_over(
            self._lease.current(now), now,
            is_applying=session is not None and session.is_applying)
        if not refusal and session is not None:
            session.is_followed = False
            self._guide_timer.reset()
        return self._answer(response, refusal, 'the leader guides the arm: it approaches the pose '
                            'of the leader slowly, then follows. Hand back: `reflex hand-back`')

    def _on_hand_back(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        refusal = self._intervention.hand_back(time.monotonic())
        return self._answer(response, refusal, 'the arm rests, and follows the policy again as '
                            'soon as that has seen where the arm is')

    def _answer(self, response: Trigger.Response, refusal: str, done: str) -> Trigger.Response:
        response.success, response.message = not refusal, refusal or done
        self.get_logger().info(response.message)
        return response

    def _strange_leaders(self) -> str:
        """Return why nobody knows whose hand guides the arm, or an empty text."""
        now = time.monotonic()
        found = self._leaders.find(now)
        intruders = self._leader_watch.intruders(found, now, unknown_s=0.0)
        count = sum(map(len, found.values()))
        return intruders or ('' if count < 2 else (
            f'{count} nodes publish {LEADER_TOPIC}, so two hands would pull the arm. End all but '
            'one; one that was killed counts for 20 s'))

    def _command(self, chunk: ActionChunk) -> None:
        """Command the rows of a guided motion, which begin now."""
        message = convert.to_trajectory(chunk, self.get_clock().now().to_msg())
        self._publish_command(chunk, message, 0.0)

    def _guide(self) -> None:
        """Lead the arm on towards the leader, while a person guides it."""
        now, session = time.monotonic(), self._session
        cause = self._intervention.turn(self._lease.current(now), now, self._command)
        if cause is not None:
            self._on_fault(cause)
        if not self._intervention.is_guided:
            self._guide_timer.cancel()
        if session is not None:
            session.is_followed = not self._intervention.is_guided

    # In the session's thread.

    def _on_chunk(self, chunk: ActionChunk) -> None:
        age_s = time.monotonic() - chunk.observed_at
        stamp = convert.to_time(self.get_clock().now().nanoseconds - int(age_s * 1e9))
        message = convert.to_trajectory(chunk, stamp)
        session, permit = self._session, self._lease.current(time.monotonic())
        if session is None:
            # Deactivated meanwhile, and the session did not end in time.
            return
        # A chunk that was requested before the promotion, or before a reset, commands nothing.
        if session.is_applying and permit.mode is Mode.APPLY_ACTIONS \
                and chunk.epoch == permit.epoch:
            # First, because the arm waits for it. Publishing copies the message.
            self._intervention.relay(chunk, lambda numbered: self._publish_command(
                numbered, message, age_s))
            message.header.frame_id = ''
        self._chunks.publish(message)
        self._newest = chunk

    def _publish_command(self, chunk: ActionChunk, message: JointTrajectory,
                         age_s: float) -> None:
        """Command a chunk; in the thread of who commands: this one, or the executor's."""
        message.header.frame_id = convert.command_tag(chunk, age_s)
        self._commands.publish(message)

    def _publish_wanted(self) -> None:
        """Publish where the policy wants the arm to be now, for a second arm in a viewer."""
        chunk = self._newest
        if chunk is None or not self._wanted.get_subscription_count():
            return
        place = (time.monotonic() - chunk.observed_at) * chunk.rate_hz
        if place <= len(chunk.rows) - 1:
            self._wanted.publish(convert.to_goals(
                row_at(chunk.rows, max(place, 0.0)), chunk.joint_names,
                self.get_clock().now().to_msg()))

    def _on_fault(self, cause: Cause) -> None:
        self._stop_request.publish(convert.to_stop(STREAM, cause))

    # What the node says of itself, in the executor's thread.

    def beat(self) -> StreamBeat:
        """Return what the session does; the executor's thread, never blocks."""
        presence = self._presence_status()
        self.session_id = self._session_status().session_id
        failure = self._job.failure if self._job else None
        has_worked = self._watch.has_worked()
        if self._job is not None and not self._job.future.done():
            self._progress += has_worked
        now = time.monotonic()
        beat = stream_beat(
            self.identity(), self._session_status(), now, progress=self._progress,
            prompt=self._session.prompt if self._session else '',
            fault=None if failure is None else Cause(
                FaultCode.INTERNAL, f'the stream thread ended: {failure!r}'),
            slow_cameras=self._observer.slow_cameras(now))
        return replace(beat, commander=self._intervention.commander,
                       robot=presence.robot_id, deployment=presence.deployment_id,
                       readiness=presence.readiness, unready=presence.unready)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report link, validation and the age of each input."""
        beat = self.beat()
        level, message = DiagnosticStatus.OK, beat.link.value
        if self.problem or beat.fault:
            level, message = DiagnosticStatus.ERROR, self.problem or str(beat.fault)
        elif beat.policy_remark and beat.link is Link.OPEN:
            level, message = DiagnosticStatus.WARN, beat.policy_remark
        elif self.lifecycle is Lifecycle.ACTIVE and beat.link is not Link.OPEN:
            level, message = DiagnosticStatus.WARN, f'{beat.link.value}: {beat.remark}'
        entries = [status_codec.encode('action_stream: stream/link', beat, level=level,
                                       message=message)]
        now = time.monotonic()
        if self._presence is not None:
            warnings = [f'{name}: {text}' for name, text in beat.unready.items()]
            entries.append(status_codec.entry(
                'action_stream: robot', {'robot': beat.robot, 'deployment': beat.deployment,
                                         'readiness': beat.readiness},
                level=DiagnosticStatus.WARN if warnings else DiagnosticStatus.OK,
                message='; '.join(warnings) or beat.readiness.value))
        if self._cameras is not None:
            age_s, gap = self._observer.joint_states(now)
            warning = gap or camera_inputs.stamp_warning(self._joint_stamp)
            entries.append(status_codec.entry(
                'action_stream: joint_states', {'age_ms': age_s * 1e3, 'stamp': self._joint_stamp},
                level=DiagnosticStatus.WARN if warning else DiagnosticStatus.OK,
                message=warning or 'ok'))
            entries += self._cameras.diagnostics(now)
        return entries


def main() -> None:
    """Run the node."""
    sys.exit(run(ActionStreamNode, has_key=True))


if __name__ == '__main__':
    main()
