# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex stream`` and ``reflex infer``: see what a policy answers, without a robot."""

from __future__ import annotations

import time
from typing import Any

import click

from reflex_ros import client
from reflex_ros.cli import dotenv, observation, options, text
from reflex_ros.cli.observation import Finite, milliseconds, observed
from reflex_ros.cli.options import CommonOptions, remote
from reflex_ros.cli.remote import ask_at, note_retry

SECONDS = Finite(0.0, 3600.0)
POSITIVE = Finite(0.0, 3600.0, min_open=True)


@click.command(epilog=options.example(
    'reflex stream --robot so101 --state 0,-30,40,30,0,30 --image front=frame.jpg',
    'reflex stream --robot so101 --state pose.json --prompt "pick up the cube" --count 10 --json'))
@observed
@click.option('--robot', help='Kind of robot, e.g. so101.')
@click.option('--model', help='Base model, e.g. pi0.5.')
@click.option('--lora', help='Adapter of the model, e.g. my-adapter@v1.')
@click.option('--hz', type=POSITIVE, help='Rate of the rows that is asked for, per second.')
@click.option('--chunk-size', type=click.IntRange(1, 1000), help='Rows that are asked for.')
@click.option('--session', 'session_id', default='', help='A session that was authorized before.')
@click.option('--count', type=click.IntRange(1, 10_000), default=1, show_default=True,
              help='How often the observation is sent; each waits for the answer before it.')
@click.option('--timeout', type=POSITIVE, default=30.0, show_default=True,
              help='For opening and for each answer, in seconds.')
@click.option('--retry-seconds', type=SECONDS, help='How long opening is retried; 0 tries once.  '
              '[default: REFLEX_WS_CONNECT_RETRY_SECONDS, then 90]')
@click.option('--url', help='Address of the stream; better in REFLEX_ACTIONS_URL.')
@remote
def stream(common: CommonOptions, state: list[float], images: dict[str, dict[str, str]],
           prompt: str, adapter: str | None, count: int, retry_seconds: float | None,
           **settings: Any) -> None:
    """
    Open an action stream, send observations, show what comes.

    With --json there is one document at the end, with all chunks: ok, stream, chunks.
    """
    environment = dict(dotenv.environment())
    if common.convex_url:
        environment['REFLEX_CONVEX_URL'] = common.convex_url
    chunks = []
    with client.ActionStream(
            prompt, api_key=common.api_key, action_adapter=adapter, cameras=list(images),
            connect_retry_seconds=retry_seconds, on_retry=note_retry, environment=environment,
            **settings) as link:
        if not common.as_json:
            timing = link.open_timing
            click.echo(f'Action stream\n\nSession: {_shown(link.session_id)}\n'
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
            click.echo(f'\nChunk {frame.seq}: {len(frame.rows)} rows, inference '
                       f'{milliseconds(frame.infer_ms)}, round trip {milliseconds(rtt_ms)}')
            for line in observation.table(state, frame.rows):
                click.echo(line)
        for skipped in link.skipped:
            click.echo(f'passed over: {skipped}', err=True)
    if common.as_json:
        text.document({'ok': True, 'chunks': chunks, 'stream': {
            'sessionId': link.session_id, 'openTiming': dict(link.open_timing)}})


@click.command(epilog=options.example(
    'reflex infer --adapter aloha_joint --state state.json --image cam_high=top.jpg '
    '--image cam_left_wrist=left.jpg --image cam_right_wrist=right.jpg'))
@observed
@click.option('--request-id', help='Name of the request, for the logs of the service.')
@click.option('--timeout', type=POSITIVE, default=120.0, show_default=True,
              help='For each attempt, in seconds.')
@click.option('--infer-url', help='Address of the service; better in REFLEX_INFER_URL.')
@remote
def infer(common: CommonOptions, state: list[float], images: dict[str, dict[str, str]],
          prompt: str, adapter: str | None, request_id: str | None, timeout: float,
          infer_url: str | None) -> None:
    """
    Ask a policy for the actions that answer one observation.

    A model that is not running is asked up to three times, 8 s apart, while it starts. What looks
    wrong about the actions is told as a warning.
    """
    began = time.monotonic()
    frame = ask_at(common, lambda service: client.inference.infer(
        service, state, images, prompt=prompt, action_adapter=adapter, request_id=request_id,
        timeout_s=timeout, on_retry=note_retry), infer_url=infer_url)
    doubts = client.inference.doubts(frame)
    if common.as_json:
        answer = {name: value for name, value in frame.items() if name not in ('seq', 'type')}
        text.document({'ok': True, 'inference': answer, 'warnings': doubts})
        return
    click.echo(f'Inference\n\nModel: {_shown(frame.get("model_id"))}')
    if frame.get('adapter_path'):
        click.echo(f'Adapter: {_shown(frame["adapter_path"])}')
    click.echo(f'{len(frame.rows)} rows, inference {milliseconds(frame.infer_ms)}, round trip '
               f'{milliseconds((time.monotonic() - began) * 1e3)}')
    for line in observation.table(state, frame.rows):
        click.echo(line)
    for doubt in doubts:
        click.echo(f'Warning: {doubt}', err=True)


def _shown(value: object) -> str:
    return text.plain('', value)
