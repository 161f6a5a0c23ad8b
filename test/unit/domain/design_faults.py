# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The 63 faults of the safety design: the codes that name each, and the tests that provoke it.

``test_design_faults.py`` fails when a number is missing here, when a test is not there, and when
none of the tests of a number names its code. A row with a gap is shown as an expected failure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DesignFault:
    """
    One row.

    :param codes: names of fault codes; empty when the fault never becomes the cause of a stop.
    :param tests: ``FILE::FUNCTION`` below ``test``, or ``FILE::FUNCTION[ID]`` for the faults of
        ``reflex demo``, which are provoked in real processes.
    :param gap: what the design asks for and nothing does yet; mostly empty.
    :param no_code: why there is no code.
    """

    title: str
    codes: tuple[str, ...]
    tests: tuple[str, ...]
    gap: str = ''
    no_code: str = ''


def _demo(name: str) -> str:
    return f'ros/test_demo.py::test_arm_comes_to_rest_holds_says_why_and_runs_again[{name}]'


def _in(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f'{file}::test_{name}' for name in names)


_ACTION = 'unit/domain/test_action.py'
_ARM = 'unit/hardware/test_arm_driver.py'
_ATTACKS = 'ros/test_attacks.py'
_AUTHORITY = 'ros/test_authority.py'
_BLIND = 'ros/test_blind_motion.py'
_CAMERAS = 'ros/test_cameras.py'
_COMMAND = 'unit/runner/connect/test_subprocess_connector.py'
_DEMO = 'ros/test_demo.py'
_DRIVER = 'ros/test_driver_node.py'
_GUARD = 'unit/domain/test_motion_guard.py'
_HEALTH = 'unit/hardware/test_servo_health.py'
_OBSERVATION = 'unit/domain/test_observation.py'
_SESSION = 'unit/runner/test_policy_session.py'
_STATES = 'unit/domain/test_safe_stop.py'
_STREAM = 'unit/client/test_action_stream.py'
_SUPERVISION = 'unit/domain/test_supervision.py'
_SUPERVISOR = 'ros/test_supervisor_node.py'
_PROTOCOL = 'unit/client/test_stream_protocol.py'

DESIGN_FAULTS = {
    # The link and the service.
    1: DesignFault('the socket is closed or reset', ('NET_CLOSED',), (
        _demo('kill_service'), _demo('drop_link'),
        *_in(_SESSION, 'failure_ends_a_session_that_applies'))),
    2: DesignFault('open, and nothing arrives', ('NET_SILENT',), (
        *_in(_DEMO, 'arm_rests_at_the_end_of_its_chunk_when_the_link_goes_silent'),
        *_in(_BLIND, 'arm_rests_before_it_moves_blind_and_the_cause_names_why'),
        *_in(_SESSION, 'failure_ends_a_session_that_applies'))),
    3: DesignFault('latency above the limit of age', ('CHUNK_STALE',),
                   _in(_SESSION, 'stale_chunk_is_refused')),
    4: DesignFault('one direction of the link is dead', ('NET_SILENT',), (
        *_in(_BLIND, 'arm_rests_before_it_moves_blind_and_the_cause_names_why'),
        *_in(_SESSION, 'service_that_stops_reading_is_silence'))),
    5: DesignFault('a frame arrives byte by byte', ('NET_SILENT',), (
        *_in(_BLIND, 'arm_rests_before_it_moves_blind_and_the_cause_names_why'),
        *_in(_STREAM, 'deadline_is_of_the_message_and_not_of_its_bytes'),
        *_in(_SESSION, 'failure_ends_a_session_that_applies'))),
    6: DesignFault('the handshake is refused for a while', (),
                   _in(_STREAM, 'transient_refusal_is_tried_again', 'retry_after_is_obeyed'),
                   no_code='it is tried again before anything moves'),
    7: DesignFault('the key is revoked', ('AUTH_REVOKED',),
                   _in(_SESSION, 'failure_ends_a_session_that_applies',
                       'key_revoked_in_dry_run_is_a_fault_without_a_stop')),
    8: DesignFault('the deployment is not ready', ('NOT_READY',), (
        *_in(_SESSION, 'refused_promotion_is_no_stop_and_is_tried_again'),
        *_in('ros/test_stream_node.py',
             'deployment_that_is_not_ready_permits_a_dry_run_in_the_name_of_the_robot'))),
    9: DesignFault('the session expires', ('SESSION_EXPIRED',),
                   _in(_SESSION, 'failure_ends_a_session_that_applies')),
    10: DesignFault('the service says dry_run, and the arm is active', ('MODE_MISMATCH',),
                    _in(_SESSION, 'promotion_that_the_service_refuses_ends_the_session')),
    11: DesignFault('a bad certificate, or a redirect', (),
                    _in(_STREAM, 'untrusted_certificate_is_refused_at_once',
                        'redirect_is_refused_and_not_followed'),
                    no_code='the link is not opened, and nothing moves'),
    12: DesignFault('the service reports an error of its own', ('SERVER_ERROR',),
                    _in(_SESSION, 'failure_ends_a_session_that_applies')),
    # The content of chunks.
    13: DesignFault('a value is not a finite number', ('BAD_NUMBER',), (
        *_in(_ACTION, 'one_number_that_is_not_finite_refuses_the_chunk'),
        *_in(_SESSION, 'three_bad_chunks_in_a_row_end_a_session_that_applies'))),
    14: DesignFault('rows of another shape', ('BAD_SHAPE',), (
        *_in(_ACTION, 'form_of_a_chunk_decides'),
        *_in(_SESSION, 'three_bad_chunks_in_a_row_end_a_session_that_applies'))),
    15: DesignFault('a frame that is no message', ('BAD_FRAME',), (
        *_in(_PROTOCOL, 'frame_that_is_no_json_object_is_refused', 'binary_frame_is_refused'),
        *_in(_SESSION, 'three_bad_chunks_in_a_row_end_a_session_that_applies'))),
    16: DesignFault('a frame that is too large', ('OVERSIZE',), (
        *_in(_STREAM, 'frame_that_would_fill_the_memory_ends_the_stream'),
        *_in(_SESSION, 'failure_ends_a_session_that_applies'))),
    17: DesignFault('a sequence number that is old or unknown', ('SEQ_OLD',), (
        *_in(_BLIND, 'arm_rests_before_it_moves_blind_and_the_cause_names_why'),
        *_in(_SESSION, 'wrong_sequence_number_is_ignored_and_counted',
             'answers_with_wrong_numbers_are_called_so_and_not_silence'))),
    18: DesignFault('a chunk of an earlier promotion', ('SEQ_EPOCH',), (
        *_in(_DRIVER, 'command_of_another_epoch_is_counted_and_not_played'),
        *_in(_ACTION, 'only_the_next_chunk_of_the_present_epoch_counts'))),
    19: DesignFault('a chunk that is too old', ('CHUNK_STALE',),
                    _in(_ACTION, 'chunk_is_refused_when_its_observation_is_old_or_of_the_future',
                        'chunk_is_refused_when_all_of_it_is_past')),
    20: DesignFault('a row outside the limits', ('RANGE',), (
        *_in(_ACTION, 'row_beyond_a_limit_is_brought_to_it_or_refused'),
        *_in(_SESSION, 'three_bad_chunks_in_a_row_end_a_session_that_applies'))),
    21: DesignFault('a chunk that starts far away or is too fast', ('JUMP', 'RATE'),
                    _in(_ACTION, 'chunk_is_refused_when_it_would_start_far_from_the_reference',
                        'only_nonsense_is_too_fast')),
    22: DesignFault('rows in other units, or constant', ('UNITS',), (
        *_in('unit/domain/test_row_remarks.py',
             'mistake_in_units_is_remarked_on_after_20_chunks'),
        *_in('unit/domain/test_gate.py',
             'one_thing_that_is_wrong_makes_one_item_red_and_is_named'),
        *_in('ros/test_stream_node.py',
             'gripper_in_0_to_1_is_a_remark_in_beat_and_diagnostics'))),
    23: DesignFault('goals that swing', ('OSCILLATION',), (
        *_in(_HEALTH, 'goals_that_swing_are_an_oscillation'),
        *_in(_ARM, 'policy_that_shakes_the_arm_is_stopped'))),
    24: DesignFault('nothing is left to play', ('UNDERRUN',),
                    _in(_GUARD, 'starvation_latches_and_the_first_chunk_may_take_longer')),
    # Our processes and the host.
    25: DesignFault('the stream is killed', ('STREAM_DEAD',), (
        *_in(_DEMO, 'command_reports_a_fault_and_the_recovery'),
        *_in(_DRIVER, 'stream_that_falls_silent_stops_the_arm'))),
    26: DesignFault('the stream hangs', ('STREAM_DEAD',), (
        _demo('pause_stream'), *_in(_DRIVER, 'stream_that_beats_without_progress_stops_the_arm'))),
    27: DesignFault('the supervisor is killed', ('SUPERVISOR_DEAD',), (
        _demo('kill_supervisor'), *_in(_DRIVER, 'supervisor_that_falls_silent_stops_the_arm'))),
    28: DesignFault('the driver is killed', ('DRIVER_DEAD',), (_demo('kill_driver'),)),
    29: DesignFault('the driver is held up', ('DRV_STALL',), (
        *_in('unit/runner/test_driver_process.py',
             'driver_that_was_stopped_plays_nothing_of_its_old_ramp'),
        *_in(_GUARD, 'own_lateness_slows_and_then_latches'))),
    30: DesignFault('a busy machine', ('DRV_STALL',), (
        *_in(_GUARD, 'own_lateness_is_not_blamed_on_others',
             'own_lateness_slows_and_then_latches'),
        *_in('unit/hardware/test_silence.py',
             'busy_machine_asks_for_longer_and_says_that_it_is_busy'))),
    31: DesignFault('the wall clock jumps, or time is simulated', (), (
        *_in(_DRIVER, 'simulated_time_without_a_clock_gives_no_negative_stamp_and_a_warning'),
        *_in(_CAMERAS, 'joint_state_of_another_clock_is_taken_at_its_receipt')),
        no_code='it has no effect on the arm'),
    32: DesignFault('DDS loses messages', ('STREAM_DEAD', 'SUPERVISOR_DEAD'), _in(
        _DRIVER, 'supervisor_that_falls_silent_stops_the_arm',
        'stream_that_falls_silent_stops_the_arm')),
    33: DesignFault('memory or descriptors run out', ('MEM_FULL',), (
        *_in('ros/test_shortage.py', 'process_whose_descriptors_run_out_stops_the_arm'),
        *_in('unit/runner/test_supervisor.py', 'shortage_of_a_process_stops_the_arm'))),
    34: DesignFault('Ctrl+C, also twice, and the other signals', (), (
        *_in('ros/test_process_end.py', 'second_ctrl_c_does_not_kill_a_node_that_ends'),
        *_in('ros/test_demo.py', 'ctrl_c_ends_everything_without_a_traceback'),
        *_in(_DRIVER, 'shutdown_while_the_arm_moves_brings_it_to_rest_first')),
        no_code='it is a planned end'),
    35: DesignFault('a node ends again and again', ('CRASH_LOOP',), _in(
        'ros/test_hung_process.py', 'node_that_ends_again_and_again_is_left_alone_and_said')),
    36: DesignFault('a start after a stop', ('RESTART_LATCHED',), (
        *_in(_SUPERVISOR, 'latch_outlives_the_supervisor',
             'latch_file_that_cannot_be_read_is_a_latch'),
        *_in('unit/runner/test_latch_file.py', 'file_that_cannot_be_understood_is_a_latch'))),
    37: DesignFault('an error of this package', ('INTERNAL',), (
        *_in(_SESSION, 'mistake_of_ours_stops_like_any_failure'),
        *_in(_ARM, 'programming_mistake_makes_the_driver_passive_and_is_visible'))),
    # Sensors, bus and arm.
    38: DesignFault('a camera sends nothing', ('CAM_LOST',), (
        *_in(_OBSERVATION, 'stale_camera_is_named_and_not_sent'),
        *_in('ros/test_stream_node.py', 'missing_input_is_named_and_no_session_is_lost'))),
    39: DesignFault('a camera repeats its frame', ('CAM_FROZEN',), (
        *_in(_CAMERAS, 'frozen_camera_is_named_with_the_number'),
        *_in(_OBSERVATION, 'frozen_camera_trips_and_a_repeat_does_not'))),
    40: DesignFault('camera and joint state of different instants', ('DESYNC',), (
        *_in(_CAMERAS, 'camera_whose_stamps_are_behind_is_out_of_sync_with_the_number'),
        *_in(_OBSERVATION, 'inputs_of_different_instants_are_not_sent'))),
    41: DesignFault('the joint state is old or repeated', ('JOINTS_STALE',), (
        *_in(_OBSERVATION, 'stale_joint_state_is_not_sent'),
        *_in(_ARM, 'servo_that_repeats_itself_is_noticed'))),
    42: DesignFault('noise on the bus', ('BUS_NOISE',),
                    _in(_ARM, 'noise_on_every_fourth_answer_stops_the_arm',
                        'line_on_which_nothing_arrives_whole_is_noise_and_not_a_missing_servo')),
    43: DesignFault('a servo is silent', ('SERVO_MISSING',), (
        _demo('mute_servo'), *_in(_ARM, 'silent_servo_is_named_and_gets_no_further_goal'))),
    44: DesignFault('the cable is pulled', ('USB_GONE',), (
        _demo('unplug'), *_in(_DRIVER, 'arm_that_is_unplugged_is_lost_and_found_again'))),
    45: DesignFault('the servo supply is off', ('UNPOWERED',), _in(
        _ARM, 'power_cut_and_return_moves_nothing_and_torque_stays_off')),
    46: DesignFault('a servo restarts', ('SERVO_REBOOT',), _in(
        _ARM, 'rebooted_servo_gets_no_goal_and_stays_limp',
        'registers_of_a_servo_that_restarted_unseen_are_noticed')),
    47: DesignFault('overload or overcurrent', ('OVERLOAD', 'OVERCURRENT'), (
        *_in(_ARM, 'trouble_of_a_servo_brings_the_arm_to_rest'),
        *_in(_HEALTH, 'trouble_is_found_after_its_time'))),
    48: DesignFault('a servo is hot', ('OVERHEAT',), (
        *_in(_DEMO, 'hot_arm_is_brought_to_its_rest_pose_and_let_go'),
        *_in(_ARM, 'hot_arm_that_holds_parks_by_itself'))),
    49: DesignFault('the supply is outside its range', ('UNDERVOLT',), _in(
        _ARM, 'trouble_of_a_servo_brings_the_arm_to_rest',
        'two_strange_voltages_are_not_believed')),
    50: DesignFault('a joint does not follow', ('TRACKING',), _in(
        _ARM, 'jammed_joint_is_led_by_ten_degrees_at_the_most_and_named')),
    51: DesignFault('another program writes on the bus', ('FOREIGN_WRITE',), _in(
        _ARM, 'somebody_else_who_writes_is_named_and_the_arm_holds')),
    52: DesignFault('calibration and servo differ', ('CALIBRATION',), _in(
        _ARM, 'calibration_and_limits_are_looked_at_while_running')),
    # Command authority, operator, configuration, storage.
    53: DesignFault('two commanders', ('TWO_COMMANDERS',), (
        *_in(_ATTACKS, 'takeover_with_the_public_tag_stops_the_arm'),
        *_in(_AUTHORITY, 'a_second_commander_stops_the_moving_arm_before_it_is_heard'),
        *_in(_DRIVER,
             'other_program_that_could_command_the_arm_latches_and_bars_the_next_activation'))),
    54: DesignFault('another process has the port', (), (
        *_in('ros/test_bad_input.py', 'driver_names_the_process_that_has_the_port'),
        *_in('unit/hardware/test_port.py', 'port_in_use_names_the_process')),
        no_code='the driver is not configured'),
    55: DesignFault('the operator stops', ('OP_STOP',), (
        _demo('stop'), *_in(_STATES, 'stop_is_accepted_in_every_state_and_may_be_repeated'))),
    56: DesignFault('the stop device is silent', ('OP_LOCK_LOST',), (
        *_in('ros/test_stop_device.py', 'button_that_is_pressed_or_gone_stops_the_arm'),
        *_in('unit/runner/test_supervisor.py',
             'stop_device_that_is_pressed_or_silent_stops'))),
    57: DesignFault('a promotion that must not be', (), (
        *_in(_SUPERVISOR, 'promotion_is_refused_by_the_state_and_by_the_gate'),
        *_in(_SUPERVISION, 'promotion_is_refused_while_the_gate_is_red')),
        no_code='the request is refused with its reasons'),
    58: DesignFault('a reset that must not be', (), (
        *_in(_SUPERVISOR, 'reset_is_refused_while_the_cause_persists_and_the_latch_stays'),
        *_in(_SUPERVISION, 'reset_within_half_a_second_of_the_stop_is_refused')),
        no_code='the request is refused, and the latch stays'),
    59: DesignFault('a configuration that is wrong', (), (
        *_in('ros/test_bad_input.py', 'driver_names_a_malformed_parameter'),
        *_in('unit/config/test_robot_file.py',
             'mistake_is_refused_with_file_line_field_and_reason')),
        no_code='the node is not configured'),
    60: DesignFault('a parameter is changed while the arm moves', (), _in(
        'ros/test_bad_input.py', 'parameters_cannot_change_while_configured'),
        no_code='the change is refused'),
    61: DesignFault('the disk is full', ('DISK_FULL',), _in(
        'ros/test_recorder_node.py',
        'run_that_cannot_be_recorded_stops_the_arm_only_when_told')),
    62: DesignFault('a connector that is a command fails', ('HW_COMMAND',), _in(
        _COMMAND, 'observe_command_that_hangs_stops_the_robot_by_its_command',
        'command_that_takes_too_long_is_ended_with_its_whole_group', 'output_is_bounded')),
    63: DesignFault('two nodes of one name', ('DUP_NODE',), (
        *_in(_AUTHORITY, 'two_drivers_under_one_name_stop_the_system'),
        *_in(_SUPERVISOR, 'two_nodes_of_one_name_stop_the_arm'))),
}

BEYOND_THE_DESIGN = {
    'REFUSED', 'CAM_REFUSED', 'CAM_LATE', 'SERVO_FAULT', 'SENSOR_JUMP', 'DEACTIVATED',
    'ARM_REFUSED', 'ARM_TIMEOUT', 'PARK_TIMEOUT', 'PARK_FAILED', 'STOP_FAILED',
    'LEADER_LOST',
}
"""Codes that were added after the design; ``test_fault_code.py`` asks for their tests."""
