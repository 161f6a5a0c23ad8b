# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``supervisor``, the promotion gate and the latch."""

from __future__ import annotations

from reflex_ros.config.parameters.spec import Spec

TABLE = (
    Spec('gate.dry_run_s', 10.0, 'Time for which the policy must have run in dry_run.', 's', 1.0,
         3600.0),
    Spec('gate.chunk_age_s', 2.0, 'Largest age of the observation that a chunk answers. The gate '
         'is red from 70 % of it on.', 's', 0.1, 2.5),
    Spec('gate.min_expiry_s', 300.0, 'Time that must be left until the session ends.', 's', 0.0,
         3600.0),
    Spec('gate.allow_remarks', False, 'Promote although the rows of the dry run look like a '
         'mistake in units. Only for a policy that is known to be right.'),
    Spec('stop_devices', [], 'Names of stop devices. Each must publish true (std_msgs/Bool) on '
         'safety/locks/NAME at least 10 times a second; false, or silence for 0.2 s, stops the '
         'arm.'),
    Spec('auto_dry_run', True, 'Open a session in dry_run as soon as all nodes are configured.'),
    Spec('allow_remote_promotion', False, 'Promote when somebody promotes the session at the '
         'service (dashboard, `reflex sessions promote`) and the gate is green. Otherwise the arm '
         'waits for `reflex promote`.'),
    Spec('state_dir', '', 'Folder of the latch file. If it is empty: reflex_ros in '
         'XDG_STATE_HOME, or in ~/.local/state.'),
)
