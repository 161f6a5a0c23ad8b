# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex stream`` and ``reflex infer``: query a policy without a robot."""

from __future__ import annotations

import time
from typing import Any

import click

from reflex_ros import client
from reflex_ros.cli import dotenv, next_steps, observation, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.named import IdOf, resolved
from reflex_ros.cli.observation import milliseconds, observation_options
from reflex_ros.cli.options import CommonOptions, service_command
from reflex_ros.cli.remote import ask, ask_at, report_retry
from reflex_ros.client.endpoints import Address, given
from reflex_ros.domain.counted import counted
from reflex_ros.errors import ServiceRefused

SECONDS = FiniteRange(0.0, 3600.0)
POSITIVE = FiniteRange(0.0, 3600.0, min_open=True)
SO101_NUMBERS = 6
robot_option = click.option('--robot', help='Kind of robot, for example so101.')


@service_command(
    'reflex stream --robot so101 --state 0,-30,40,30,0,30 --image front=frame.jpg',
    'reflex stream --robot so101 --state pose.json --prompt "pick up the cube" --count 10 --json')
@observation_options
@robot_option
@click.option('--model', help='Base model, for example pi0.5.')
@click.option('--lora', help='Adapter of the model, for example my-adapter@v1.')
@click.option('--hz', type=POSITIVE, help='Requested rate in rows per second.')
@click.option('--chunk-size', type=click.IntRange(1, 1000), help='Requested rows per chunk.')
@click.option('--session', 'session_id', default='', type=IdOf('session'),
              help='Id of a session of `reflex sessions authorize`, which stays open (default: a '
              'new one).')
@click.option('--count', type=click.IntRange(1, 10_000), default=1, show_default=True,
              help='Number of times to send the observation, each after the previous answer.')
@click.option('--timeout', type=POSITIVE, default=30.0, show_default=True,
              help='Seconds to wait for the open stream and for each answer.')
@click.option('--retry-seconds', type=SECONDS,
              help='Seconds during which opening is retried; 0 tries once '
                   '(default: REFLEX_WS_CONNECT_RETRY_SECONDS, then 90).')
@click.option('--url',
              help='URL of the action stream (default: REFLEX_ACTIONS_URL, then the backend).')
def stream(common: CommonOptions, state: list[float], images: dict[str, dict[str, str]],
           prompt: str, adapter: str | None, count: int, retry_seconds: float | None,
           **settings: Any) -> None:
    """
    Open an action stream, send observations and print chunks.

    With --json, the command prints one document at the end: ok, stream and chunks.
    """
    if settings['session_id'] and not settings['url']:
        settings['session_id'] = ask(common, resolved, settings['session_id'])
    environment = dotenv.environment()
    settings['url'] = given(settings['url'], '--url')
    if common.convex_url:
        environment['REFLEX_CONVEX_URL'] = Address(common.convex_url, '--convex-url')
    chunks = []
    with client.ActionStream(
            prompt, api_key=common.api_key, action_adapter=adapter, cameras=list(images),
            connect_retry_seconds=retry_seconds, on_retry=report_retry, environment=environment,
            **settings) as link:
        if not common.as_json:
            timing = link.open_timing
            click.echo(f'Action stream\n\nSession: {text.plain("", link.session_id)}\n'
                       f'Opened in: {milliseconds(timing["open_ms"])} (connection '
                       f'{milliseconds(timing["connect_ms"])}, session '
                       f'{milliseconds(timing["session_ready_ms"])})')
        for _ in range(count):
            began = time.monotonic()
            number = link.send_observation(state, images)
            frame = link.recv_action(seq=number)
            rtt_ms = (time.monotonic() - began) * 1e3
            if common.as_json:
                chunks.append({'seq': frame.seq, 'actions': frame.rows, 'rttMs': rtt_ms,
                               'inferMs': frame.infer_ms, 'totalMs': frame.total_ms})
                continue
            click.echo(f'\nChunk {frame.seq}: {counted(len(frame.rows), "row")}, inference '
                       f'{milliseconds(frame.infer_ms)}, round trip {milliseconds(rtt_ms)}')
            for line in observation.table(state, frame.rows):
                click.echo(line)
        for skipped in link.skipped:
            click.echo(f'Skipped: {skipped}', err=True)
    if common.as_json:
        text.document({'ok': True, 'chunks': chunks, 'stream': {
            'sessionId': link.session_id, 'openTiming': dict(link.open_timing)},
            'next': [next_steps.UP]})
        return
    for line in text.next_lines([next_steps.UP]):
        click.echo(line)


@service_command(
    'reflex infer --adapter aloha_joint --state state.json --image cam_high=top.jpg '
    '--image cam_left_wrist=left.jpg --image cam_right_wrist=right.jpg',
    'reflex infer --robot so101 --state 0,-30,40,30,0,30 --image front=frame.jpg')
@observation_options
@robot_option
@click.option('--request-id', help='Name of the request in the logs of the service.')
@click.option('--timeout', type=POSITIVE, default=120.0, show_default=True,
              help='Seconds to wait for the answer to each attempt.')
@click.option('--infer-url',
              help='URL of the inference service (default: REFLEX_INFER_URL, then the backend).')
def infer(common: CommonOptions, state: list[float], images: dict[str, dict[str, str]],
          prompt: str, adapter: str | None, robot: str | None, request_id: str | None,
          timeout: float, infer_url: str | None) -> None:
    """
    Send one observation to a policy and print the actions.

    While the model is starting, the command tries up to three times, 8 s apart. It warns about
    actions that look wrong.
    """
    began = time.monotonic()
    try:
        frame = ask_at(common, lambda service: client.inference.infer(
            service, state, images, prompt=prompt, action_adapter=adapter, robot=robot,
            request_id=request_id, timeout_s=timeout, on_retry=report_retry),
            infer_url=given(infer_url, '--infer-url'))
    except ServiceRefused as exc:
        if 'HTTP 422' in exc.fact and len(state) == SO101_NUMBERS and not (robot or adapter):
            raise exc.with_next_step(f'A state of {SO101_NUMBERS} numbers is that of an SO-101: '
                                     'add `--robot so101`') from exc
        raise
    warnings = client.inference.doubts(frame)
    if common.as_json:
        answer = {name: value for name, value in frame.items() if name not in ('seq', 'type')}
        text.document({'ok': True, 'inference': answer, 'warnings': warnings,
                       'next': [next_steps.STREAM]})
        return
    click.echo(f'Inference\n\nModel: {text.plain("", frame.get("model_id"))}')
    if frame.get('adapter_path'):
        click.echo(f'Adapter: {text.plain("", frame["adapter_path"])}')
    click.echo(f'{counted(len(frame.rows), "row")}, inference '
               f'{milliseconds(frame.infer_ms)}, round trip '
               f'{milliseconds((time.monotonic() - began) * 1e3)}')
    for line in observation.table(state, frame.rows):
        click.echo(line)
    for line in text.next_lines([next_steps.STREAM]):
        click.echo(line)
    for warning in warnings:
        click.echo(f'Warning: {warning}', err=True)
