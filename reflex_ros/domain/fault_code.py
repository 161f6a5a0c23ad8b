# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every fault code, one row each: the reaction, whether it latches, and what a person does next.

This is the only place where a code is defined. The tables of ``doc/safety.md`` are generated from
it, and ``test/unit/domain/test_fault_code.py`` fails when a code has no test that provokes it.
Source: safety design, sections 3 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique


class Reaction(Enum):
    """What the arm does (safety design, section 3), from the mildest to the strongest."""

    NONE = 'nothing: the arm did not move, or goes on'
    IGNORE = 'the item is refused and counted'
    SLOW = 'slows down along its path, to rest if need be'
    HOLD = 'ramp to rest along the path, then hold with torque on'
    PASSIVE = 'nothing more is written; the servos hold their last goals'
    REST = 'hold, then slowly to the rest pose, then torque off'


class Recovery(Enum):
    """How the system gets out of a fault."""

    AUTO = 'goes on by itself'
    RESET = 'repair, then `reflex reset` and `reflex promote`'
    NEW_SESSION = 'reset opens a new session; then promote'
    RECONFIGURE = 'the driver is configured again; then reset and promote'
    FIX = 'change the named setting and try again'


@dataclass(frozen=True, slots=True)
class FaultRow:
    """
    One row of the table.

    :param meaning: what happened, in one line for a person.
    :param next_step: what the person does, as an imperative sentence.
    :param latches: True: at once. False: never. A text says after what.
    :param is_late: the item says nothing against the policy; it only came too late.
    """

    meaning: str
    reaction: Reaction
    recovery: Recovery
    next_step: str
    latches: bool | str = True
    is_late: bool = False


_NETWORK = 'Check the network between this machine and the service.'
_POLICY = 'Check the deployment: its policy must fit this arm and its units.'
_IN_A_ROW = 'after three in a row'
_INPUTS = 'after 2 s while actions are applied'


@unique
class FaultCode(Enum):
    """A fault of the safety design; the name is the code that people and topics see."""

    def __init__(self, row: FaultRow) -> None:
        self.row = row

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f'FaultCode.{self.name}'

    @property
    def is_outside_the_arm(self) -> bool:
        """
        Whether it is of the service, the network or an input.

        Only then a run may go on without a person (safety design, section 4 e).
        """
        return (self.row.recovery in (Recovery.AUTO, Recovery.NEW_SESSION)
                or self.name == 'UNDERRUN')

    # The link and the service.
    NET_CLOSED = FaultRow(
        'the connection to the service was closed or reset', Reaction.HOLD,
        Recovery.NEW_SESSION, _NETWORK)
    NET_SILENT = FaultRow(
        'the connection is open and nothing arrives', Reaction.HOLD, Recovery.NEW_SESSION,
        _NETWORK, 'after 2 s longer than answers usually take')
    AUTH_REVOKED = FaultRow(
        'the service no longer accepts the API key', Reaction.HOLD, Recovery.NEW_SESSION,
        'Log in again with `reflex login`.')
    NOT_READY = FaultRow(
        'the deployment is not ready', Reaction.HOLD, Recovery.NEW_SESSION,
        'Ask `reflex doctor DEPLOYMENT` which check fails.')
    REFUSED = FaultRow(
        'the service refused a request', Reaction.HOLD, Recovery.NEW_SESSION,
        'Read the reason that the service gives.')
    SESSION_EXPIRED = FaultRow(
        'the session with the service has ended', Reaction.HOLD, Recovery.NEW_SESSION,
        'Reset, wait for READY, promote again.')
    MODE_MISMATCH = FaultRow(
        'the service keeps the session in dry_run, although the arm was promoted', Reaction.HOLD,
        Recovery.NEW_SESSION, 'Ask `reflex doctor DEPLOYMENT` what bars the promotion.')
    SERVER_ERROR = FaultRow(
        'the service reported an error of its own', Reaction.HOLD, Recovery.NEW_SESSION,
        'Try again; if it repeats, report the session id to the service.')
    OVERSIZE = FaultRow(
        'a frame larger than 1 MiB arrived', Reaction.HOLD, Recovery.NEW_SESSION,
        'Ask for fewer rows per chunk.')

    # The content of chunks.
    BAD_FRAME = FaultRow(
        'a frame is not a valid message of the protocol', Reaction.IGNORE, Recovery.NEW_SESSION,
        'Check that the address is the action stream of a Reflex service.', _IN_A_ROW)
    BAD_NUMBER = FaultRow(
        'a value is not a finite number', Reaction.IGNORE, Recovery.AUTO, _POLICY, _IN_A_ROW)
    BAD_SHAPE = FaultRow(
        'the rows have the wrong number of joints or rows', Reaction.IGNORE, Recovery.AUTO,
        _POLICY, _IN_A_ROW)
    RANGE = FaultRow(
        'a row lies outside the joint limits', Reaction.IGNORE, Recovery.AUTO,
        f'{_POLICY} `limits.clamp: true` brings such rows to the limit.', _IN_A_ROW)
    JUMP = FaultRow(
        'the chunk starts more than 10 degrees from a resting arm, or 20 from a moving one',
        Reaction.IGNORE, Recovery.AUTO, _POLICY, _IN_A_ROW)
    RATE = FaultRow(
        'a joint would move at more than 3 times its largest speed', Reaction.IGNORE,
        Recovery.AUTO, _POLICY, _IN_A_ROW)
    SEQ_OLD = FaultRow(
        'the chunk answers an observation that a newer chunk has answered, or none',
        Reaction.IGNORE, Recovery.AUTO, 'Nothing: late answers are normal on a slow link.',
        'after 2 s without a right answer', is_late=True)
    SEQ_EPOCH = FaultRow(
        'the command belongs to an earlier promotion', Reaction.IGNORE, Recovery.AUTO,
        'Nothing, unless it repeats: then a second `reflex up` runs, or another program publishes '
        'on so101/command.', False,
        is_late=True)
    CHUNK_STALE = FaultRow(
        'the rows of the chunk are over, or its observation is older than 2.5 s',
        Reaction.IGNORE, Recovery.AUTO, _NETWORK, False, is_late=True)
    OSCILLATION = FaultRow(
        'the goals of a joint turn by 3 degrees or more over 6 times in a second', Reaction.HOLD,
        Recovery.RESET, _POLICY)
    UNDERRUN = FaultRow(
        'nothing was left to play, or only what is too old', Reaction.SLOW, Recovery.RESET,
        'Check the latency of the service; larger chunks bridge more of it.', 'after 2 s')

    # Our processes and the host.
    STREAM_DEAD = FaultRow(
        'action_stream shows no sign of work: killed, stopped or wedged', Reaction.HOLD,
        Recovery.RESET,
        'Look at the log of action_stream; it is started again by itself.')
    SUPERVISOR_DEAD = FaultRow(
        'the supervisor sends no permit: killed or stopped', Reaction.HOLD, Recovery.RESET,
        'Look at the log of the supervisor; it is started again by itself.')
    DRIVER_DEAD = FaultRow(
        'the driver shows no sign of life; the servos hold by themselves', Reaction.PASSIVE,
        Recovery.RECONFIGURE,
        'Look at the log of so101; it is started again by itself.')
    DRV_STALL = FaultRow(
        'the driver itself was held up, or the machine was suspended', Reaction.HOLD,
        Recovery.RESET, 'Take load off this machine, and do not let it sleep.',
        'after 0.2 s; 0.06 s slows down')
    CRASH_LOOP = FaultRow(
        'a node ended more than three times in a minute', Reaction.HOLD, Recovery.RESET,
        'Look at the log of the node, then start the system again.',
        'at once; it is not started again')
    RESTART_LATCHED = FaultRow(
        'the latch file of the last run cannot be read', Reaction.NONE, Recovery.RESET,
        'Look at the arm, then reset.')
    DUP_NODE = FaultRow(
        'two running nodes have the same name', Reaction.HOLD, Recovery.RESET,
        'End one of them, or give each robot a namespace.')
    INTERNAL = FaultRow(
        'an error in this package', Reaction.HOLD, Recovery.RESET,
        'Report it with the log of the node.')

    # Sensors, bus and arm.
    CAM_LOST = FaultRow(
        'a camera sends no frames', Reaction.SLOW, Recovery.AUTO,
        'Check the camera, its driver and the name of its topic.', _INPUTS)
    CAM_REFUSED = FaultRow(
        'the frames of a camera arrive and cannot be used', Reaction.SLOW, Recovery.AUTO,
        'Change the camera driver or the parameter that the text names.', _INPUTS)
    CAM_LATE = FaultRow(
        'the frames of a camera are too old when they arrive', Reaction.SLOW, Recovery.AUTO,
        'Lower the size or rate of the camera, set the clock of its machine, or allow more with '
        '`camera.<name>.age_s`.', _INPUTS)
    CAM_FROZEN = FaultRow(
        'a camera repeats the same frame', Reaction.SLOW, Recovery.AUTO,
        'Restart the camera driver.', _INPUTS)
    DESYNC = FaultRow(
        'cameras and joint state are too far apart in time', Reaction.SLOW, Recovery.AUTO,
        'Check the rates of the cameras and the load of this machine.', _INPUTS)
    JOINTS_STALE = FaultRow(
        'the joint state is missing, or a servo repeats its values while it is told to move',
        Reaction.SLOW, Recovery.AUTO,
        'Check the driver and the servo that is named.', _INPUTS)
    LEADER_LOST = FaultRow(
        'the leader arm has said nothing for 1 s while a person guides the arm with it',
        Reaction.HOLD, Recovery.RESET,
        'Check the cable and the supply of the leader arm, and the log of its node.')
    BUS_NOISE = FaultRow(
        'too many damaged answers on the servo bus; three missed cycles in a row slow down',
        Reaction.HOLD, Recovery.RESET,
        'Check cables and supply, and that no other program uses the port.',
        'over 10 of the last 100 cycles')
    SERVO_MISSING = FaultRow(
        'a servo has not answered for 60 ms', Reaction.PASSIVE, Recovery.RECONFIGURE,
        'Check the cable before the named servo.')
    USB_GONE = FaultRow(
        'the serial port is gone', Reaction.PASSIVE, Recovery.RECONFIGURE,
        'Plug the cable in again; the arm is found by itself.')
    UNPOWERED = FaultRow(
        'no servo has answered for 60 ms, and the adapter is there', Reaction.PASSIVE,
        Recovery.RECONFIGURE,
        'Switch the servo supply on.')
    SERVO_REBOOT = FaultRow(
        'torque, acceleration or speed cap of a servo are not as written', Reaction.PASSIVE,
        Recovery.RECONFIGURE,
        'Check the servo supply: it may have failed for a moment.')
    SERVO_FAULT = FaultRow(
        'a servo reports a fault', Reaction.HOLD, Recovery.RESET,
        'Take the load off the named servo and let it cool.')
    OVERLOAD = FaultRow(
        'a servo reports overload, or pushes with 75 % load at rest for 1 s', Reaction.HOLD,
        Recovery.RESET, 'Take the load off the named joint.')
    OVERCURRENT = FaultRow(
        'a servo reports overcurrent, or draws 2 A for 1 s', Reaction.HOLD, Recovery.RESET,
        'Take the load off the named joint.')
    OVERHEAT = FaultRow(
        'a servo has 62 degC: at 70 it lets go (from 68 degC, or with another cause: hold)',
        Reaction.REST, Recovery.RESET,
        'Let the arm cool below 50 degC.')
    UNDERVOLT = FaultRow(
        'the servo supply is outside its range in 3 samples', Reaction.HOLD, Recovery.RESET,
        'Check the servo supply and its plug.')
    TRACKING = FaultRow(
        'a joint is 9 degrees behind its goal and has not moved for 0.3 s', Reaction.HOLD,
        Recovery.RESET,
        'Find out what blocks the named joint.')
    SENSOR_JUMP = FaultRow(
        'a joint was read 4 times in a row where it cannot have moved to; goals stay',
        Reaction.HOLD, Recovery.RESET,
        'Check the cable of the named servo; calibrate again if it stays.')
    FOREIGN_WRITE = FaultRow(
        'goal or torque limit of a servo are not as written: another program writes them',
        Reaction.HOLD, Recovery.RESET,
        'End the other program that uses this port.')
    CALIBRATION = FaultRow(
        'offset, limits or protection in the memory of a servo changed', Reaction.HOLD,
        Recovery.RECONFIGURE,
        'Calibrate again with `reflex so101 calibrate`.')

    # The operator and the states.
    OP_STOP = FaultRow(
        'a person or a program asked to stop', Reaction.HOLD, Recovery.RESET,
        'Look at the arm, then reset.')
    DEACTIVATED = FaultRow(
        'the driver or the stream was deactivated or shut down by hand', Reaction.HOLD,
        Recovery.RESET, 'Reset, then promote.')
    ARM_REFUSED = FaultRow(
        'the driver refuses to put the arm under torque', Reaction.NONE, Recovery.RESET,
        'Repair what the driver names.', 'after two refusals')
    ARM_TIMEOUT = FaultRow(
        'no valid chunk came after the promotion', Reaction.HOLD, Recovery.RESET,
        'Ask `reflex gate` what is missing.', 'after 10 s')
    PARK_TIMEOUT = FaultRow(
        'the rest pose was not reached', Reaction.HOLD, Recovery.RESET,
        'Find out what blocks the arm, then park again.', 'after 15 s')
    PARK_FAILED = FaultRow(
        'the arm cannot reach its rest pose, so its torque stays on: it would fall',
        Reaction.HOLD, Recovery.RESET,
        'Support the arm; calibrate it again if the text names the calibrated range.')
    STOP_FAILED = FaultRow(
        'no standstill was seen after a stop', Reaction.HOLD, Recovery.RESET,
        'Switch the servo supply off if the arm moves.')

    # Authority, the host and its storage.
    UNITS = FaultRow(
        'the rows of the dry run look like other units, or are constant: the gate is red',
        Reaction.NONE, Recovery.FIX, _POLICY, False)
    TWO_COMMANDERS = FaultRow(
        'another program could command the arm: it publishes commands, permits or states, or '
        'owns a lifecycle service', Reaction.HOLD, Recovery.RESET,
        'End the program that is named.', 'at once; not active: refused')
    OP_LOCK_LOST = FaultRow(
        'a configured stop device has been silent for 0.2 s', Reaction.HOLD, Recovery.RESET,
        'Check the stop device, its cable and its program.')
    MEM_FULL = FaultRow(
        'a process holds over 1000 MB of memory, or 80 % of its descriptors', Reaction.HOLD,
        Recovery.RESET, 'Restart the named process; report it if it grows again.')
    DISK_FULL = FaultRow(
        'a run cannot be recorded, and the recorder is told that it must be', Reaction.HOLD,
        Recovery.RESET, 'Make room on the disk, or set `required` of the recorder to false.',
        'only with the parameter `required` of the recorder')
    HW_COMMAND = FaultRow(
        'a connector that runs as a command failed; its safe-stop command runs', Reaction.HOLD,
        Recovery.RESET, 'Look at the output of the command.')
