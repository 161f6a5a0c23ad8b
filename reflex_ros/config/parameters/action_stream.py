# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``action_stream``, the link to the service."""

from __future__ import annotations

from reflex_ros.config.parameters import cameras, mapping
from reflex_ros.config.parameters.spec import Spec
from reflex_ros.domain.action import MAX_AGE_S
from reflex_ros.domain.outlook import SendPrefix
from reflex_ros.hardware.arms import ARMS

TABLE = (
    Spec('arm', 'so101', 'Arm that the policy moves: its joints, limits and adapter.',
         choices=tuple(ARMS)),
    *mapping.TABLE,
    Spec('service.rpc_url', '', 'Base URL of the RPC backend. If it is empty: REFLEX_CONVEX_URL, '
         'then the credentials file, then the hosted service.'),
    Spec('service.actions_url', '', 'URL of the action stream. If it is empty: '
         'REFLEX_ACTIONS_URL, then REFLEX_API_URL, then the host of the backend.'),
    Spec('service.deployment', '', 'Id or name of the deployment to run. If it is not ready, the '
         'gate says why; the policy runs in dry_run all the same.'),
    Spec('service.robot', '', 'Id or name of this robot at the service. If it is empty: the robot '
         'that `reflex robots claim` wrote on this machine.'),
    Spec('service.allow_unchecked', False, 'Whether actions may be applied without a deployment, '
         'so that the service has checked nothing.'),
    Spec('service.model', 'pi0.5', 'Base model to request.'),
    Spec('service.open_window_s', 90.0, 'Time for which opening the stream is retried.', 's', 0.0,
         600.0),
    Spec('prompt', 'hold', 'Task text for the policy.', is_live=True),
    Spec('cameras', ['front'], 'Names of the cameras. With [] the policy gets no pictures.'),
    *cameras.TABLE,
    Spec('rate_hz', 30.0, 'Rate of the rows of a chunk.', 'Hz', 1.0, 100.0),
    Spec('chunk_size', 50, 'Number of rows to request per chunk.', 'rows', 2, 1000),
    Spec('replan_s', 0.25, 'Shortest time between two requests for a chunk.', 's', 0.05, 5.0),
    Spec('schedule', 'async', 'When to request: during the playback of a chunk (async), or when '
         'everything has been played (sync).', choices=('async', 'sync')),
    Spec('execute_horizon', 0, 'Number of rows of a chunk that are used. 0 uses all of them.',
         'rows', 0, 1000),
    Spec('send_prefix', SendPrefix.AUTO.value, 'Whether an observation carries what the arm will '
         'execute until the answer comes (action_prefix): when the service offers to continue it '
         '(auto), always, or never.', choices=tuple(kind.value for kind in SendPrefix)),
    Spec('send_arrival_state', False, 'Send the pose that the arm will have when the chunk comes, '
         'instead of the measured pose. Only for policies that were trained with it.'),
    Spec('service.parallel', 1, 'Number of observations that the service works on at the same '
         'time.', '', 1, 8),
    Spec('max_in_flight', 4, 'Largest number of observations that wait for their chunk.', '', 1,
         8),
    Spec('limits.velocity', 2.0, 'Largest speed of a joint. A faster path is played more slowly, '
         'and refused from three times this speed on. Grippers have their own limit.', 'rad/s',
         0.05, 2.0),
    Spec('limits.jump', 0.1745, 'Largest distance from the observed pose to the first row of a '
         'chunk; twice as much while the arm moves. It does not apply to the gripper, which may '
         'hold something.', 'rad', 0.01, 0.35),
    Spec('limits.chunk_age_s', MAX_AGE_S, 'Largest age of the observation that a chunk answers. '
         'A chunk whose rows are over is never used.', 's', 0.1, MAX_AGE_S),
    Spec('limits.clamp', False, 'Bring rows outside the joint limits to the limit, instead of '
         'refusing the chunk.'),
    Spec('camera_age_s', 0.3, 'Largest age of a camera frame that is sent.', 's', 0.05, 2.0),
    Spec('camera_frozen_s', 0.3, 'Longest time for which a camera may repeat the same frame. 0 '
         'switches this check off.', 's', 0.0, 5.0),
)
