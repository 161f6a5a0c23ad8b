# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An arm that a step loop drives: its chunks pass the same checks and the same player."""

from arm_fixture import GOAL, TORQUE
from connect_rig import now_ns, PATIENT, settings
import pytest

from reflex_ros.client.edge import EdgeSettings
from reflex_ros.runner.connect.arm_steps import ArmSteps
from reflex_ros.runner.connect.service_place import ServicePlace
from reflex_ros.runner.connect.step_run import run_session
from reflex_ros.runner.connect.transports import EdgeTransport, InferTransport
from reflex_ros.runner.connectors import connector_factory

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def drive(arm, service):
    """Return a function that runs the arm with a policy, by default the edge server."""
    factory = connector_factory('so101')

    def go(policy=None, *, waits=False, **options):
        robot = ArmSteps(lambda guard: factory.open(settings(str(arm.link)), guard), PATIENT,
                         waits=waits)
        return run_session(connector=robot, transport=policy or EdgeTransport(
            EdgeSettings(f'{service.url}/act'), 'wave'), pipeline_inference=not waits,
            **{'mode': 'apply_actions', 'max_steps': 4} | options)

    return go


class Policy:
    """Answers with rows that depend on the observed state."""

    def __init__(self, rows):
        self.rows = rows

    def start(self):
        pass

    def infer(self, observation):
        return {'actions': self.rows(list(observation.state))}

    def stop(self):
        pass


def turn(state, by, count):
    """Return rows that turn the first joint by some degrees."""
    return [[state[0] + by * number / count, *state[1:]] for number in range(count + 1)]


def test_arm_moves_step_by_step_and_is_held_at_the_end(arm, drive):
    result = drive()
    assert (result.applied_steps, result.errors) == (4, [])
    assert arm.travel() > 0.005 and arm.torque() == [True] * 6


def test_one_shot_inference_moves_an_arm_too(arm, service, drive):
    place = ServicePlace(service.key, service.url, environment={})
    result = drive(InferTransport('wave', place, action_adapter='so101_joint'))
    assert (result.applied_steps, result.errors) == (4, []) and arm.travel() > 0.005


def test_rows_are_played_to_their_end_when_nothing_overlaps(arm, drive):
    before = arm.joint(0)['position_rad']
    result = drive(Policy(lambda state: turn(state, 3.0, 12)), waits=True, max_steps=2)
    assert result.errors == []
    # Twice 3 degrees; each step begins where the last one has ended.
    assert arm.joint(0)['position_rad'] - before == pytest.approx(0.105, abs=0.02)


def test_dry_run_of_an_arm_writes_nothing(arm, drive):
    since = now_ns(arm) + 1
    result = drive(mode='dry_run')
    assert (result.steps, result.applied_steps, result.errors) == (4, 0, [])
    assert not arm.writes(since, TORQUE) and not arm.writes(since, GOAL)


@pytest.mark.parametrize('rows, message', [
    (lambda state: [[0.0] * 14] * 20, 'rows of 14, the arm so101 needs 6'),
    (lambda state: [[state[0] + 90.0, *state[1:]]] * 30, 'the rows were refused: JUMP'),
    (lambda state: turn(state, 60.0, 4), 'the rows were refused: '),
])
def test_rows_that_the_arm_must_not_follow_are_refused(arm, drive, rows, message):
    result = drive(Policy(rows))
    assert message in result.errors[0] and result.applied_steps == 0
    assert arm.travel() < 0.02


@pytest.mark.parametrize('waits', [False, True])
def test_arm_goes_on_after_a_safe_stop(arm, drive, waits):
    calls = []

    def rows(state):
        calls.append(1)
        return [[0.0] * 3] * 9 if len(calls) == 2 else turn(state, 2.0, 12)

    # The rows last 0.4 s: an answer to an observation of before the stop would be too late.
    result = drive(Policy(rows), waits=waits, max_steps=3, stop_on_error=False)
    assert result.safe_stops == 1 and result.applied_steps == 2, result.errors
    assert arm.torque() == [True] * 6


def test_run_does_not_push_again_what_it_has_hit(arm, drive):
    steps = []

    def rows(state):
        steps.append(1)
        return turn(state, 40.0, 60)

    arm.allow_foreign_leap()
    arm.control.fault('jam', ids=[1])
    try:
        result = drive(Policy(rows), waits=True, max_steps=4, stop_on_error=False)
    finally:
        arm.control.clear()
    assert len(steps) == 1 and result.safe_stops == 1
    assert result.codes == ['TRACKING']
    assert 'TRACKING: shoulder_pan does not follow' in result.errors[0]


def test_unplugged_arm_is_an_error(arm, drive):
    def rows(state):
        arm.control.unplug()
        return turn(state, 2.0, 30)

    result = drive(Policy(rows), max_steps=3)
    assert len(result.errors) >= 1 and result.safe_stops == 1
