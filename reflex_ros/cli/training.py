# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex training``: start, watch and stop training runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
import shlex
import sys
import time
from typing import Any

import click

from reflex_ros import small_file
from reflex_ros.cli import next_steps, progress, text
from reflex_ros.cli.finite import FiniteRange
from reflex_ros.cli.loss_curve import check_plot, LossCurve
from reflex_ros.cli.named import id_argument, IdOf, real
from reflex_ros.cli.options import CommonOptions, Function, service_command
from reflex_ros.cli.remote import ask, ask_next
from reflex_ros.client import training_parameters
from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.messages import Row
from reflex_ros.client.messages.training import ACTIVE, TERMINAL, TrainingRun, TrainingRunAnswer
from reflex_ros.client.resources import training as calls
from reflex_ros.client.texts import printable
from reflex_ros.client.training_parameters import PARAMETERS
from reflex_ros.errors import ConfigurationError

WATCH = next_steps.WATCH
NOTE = ('Only active runs and runs that failed in the last 15 minutes; --all shows every run, and '
        '--json always shows every run.')
STATUSES = sorted(ACTIVE | TERMINAL)
PURPOSES = {
    'maxSteps': 'Number of training steps', 'batchSize': 'Samples per training step',
    'learningRate': 'Learning rate', 'warmupSteps': 'Steps in which the learning rate rises',
    'saveFreq': 'Steps between checkpoints', 'maxMinutes': 'Time limit in minutes',
    'gradient_checkpointing': 'Save memory by computing activations twice',
    'freeze_vision_encoder': 'Keep the weights of the vision encoder',
    'dtype': 'Number format', 'lora.rank': 'Rank of the LoRA adapter',
    'lora.alpha': 'Scale of the LoRA adapter', 'lora.dropout': 'Dropout of the LoRA adapter',
    'lora.target_modules': 'Layers that the LoRA adapter changes'}


@click.group()
def training() -> None:
    """Start, watch and stop training runs."""


def _parameters(command: Function) -> Function:
    """Declare one option for each training parameter."""
    for key, row in reversed(PARAMETERS.items()):
        name = key.replace('.', '_')
        text = f'{PURPOSES[key]}: {row.allowed}.'
        if row.kind is bool:
            declared = click.option(f'{row.flag}/--no-{row.flag[2:]}', name, default=None,
                                    help=f'{PURPOSES[key]} (default: as the service decides).')
        elif row.kind is list:
            declared = click.option(row.flag, name, metavar='NAME,...', help=text)
        else:
            declared = click.option(row.flag, name, type=row.kind, help=text)
        command = declared(command)
    return command


@service_command(
    'reflex training start --dataset ds_01 --epochs 2 --rank 16 --max-steps 200',
    'reflex training start --hf hf://datasets/me/pick-2 --parameters-json @run.json',
    group=training)
@click.option('--dataset', 'dataset_id', type=IdOf('dataset'),
              help='Id or name of a validated dataset; @last is the newest one.')
@click.option('--hf', 'hf_source_uri',
              help='Dataset of the Hugging Face Hub, instead of --dataset.')
@click.option('--base-model', default=calls.BASE_MODEL, show_default=True,
              help='Base model to fine-tune.')
@click.option('--base-model-id', type=IdOf('model'),
              help='Id or name of one of your own models, to continue from it.')
@click.option('--trainable', default='lora', show_default=True,
              help='Kind of fine-tuning: lora or full.')
@click.option('--epochs', type=int, default=3, show_default=True,
              help='Number of passes over the dataset.')
@click.option('--model-name', help='Name of the resulting model (default: generated from the '
                                   'current time).')
@click.option('--model-version', help='Version of the resulting model (default: generated).')
@click.option('--request-id', help='Idempotency key: repeating it returns the existing run.')
@click.option('--parameters-json', help='Training parameters as JSON or @FILE; the options below '
                                        'add to them.')
@_parameters
def start(common: CommonOptions, dataset_id: str | None, hf_source_uri: str | None,
          base_model: str, base_model_id: str | None, trainable: str, epochs: int,
          model_name: str | None, model_version: str | None, request_id: str | None,
          parameters_json: str | None, **flags: Any) -> None:
    """
    Start a training run on a dataset.

    The service chooses every training parameter that is not set.
    """
    if (dataset_id is None) == (hf_source_uri is None):
        raise ConfigurationError('Pass exactly one of --dataset and --hf.')
    parameters = _merge(flags, parameters_json)
    # Before a name is looked up: a mistake must cost no request.
    calls.check(base_model=base_model, fine_tuning=trainable, epochs=epochs,
                parameters=parameters)
    found = ask(common, calls.start, dataset_id=dataset_id, hf_source_uri=hf_source_uri,
                base_model=base_model, fine_tuning=trainable, epochs=epochs,
                model_name=model_name, model_version=model_version, base_model_id=base_model_id,
                parameters=parameters, request_id=request_id)
    if not found.is_earlier:
        text.show_record(common, 'Training run started', found, 'trainingRun',
                         next=[WATCH.format(found.run_id)])
        return
    status = found.run.status if found.run else 'unknown'
    note = (f'No new run was started: {found.run_id} ({status}) was started before with '
            f'--request-id {shlex.quote(printable(request_id or ""))}. For a new run, pass a new '
            '--request-id')
    text.show_record(common, 'Training run of an earlier request', found, 'trainingRun',
                     note=note, next=[WATCH.format(found.run_id)])


@service_command('reflex training status run_01 --watch',
                 'reflex training status @last --watch --plot loss.png', group=training)
@id_argument('run_id', 'run', 'TRAINING_RUN_ID')
@click.option('--watch', is_flag=True, help='Poll until the run is finished; exit with 1 if it '
                                            'failed.')
@click.option('--poll-interval', type=FiniteRange(1.0), default=10.0, show_default=True,
              help='Seconds between polls.')
@click.option('--plot', type=click.Path(dir_okay=False, path_type=Path),
              help='Draw the loss over the steps as a PNG file.')
def status(common: CommonOptions, run_id: str, watch: bool, poll_interval: float,
           plot: Path | None) -> None:
    """
    Show one training run.

    With --json and --watch, the command prints one document per poll. The service sends only the
    first and the newest loss: watch a run from its start to see the whole curve.
    """
    check_plot(plot)
    curve = LossCurve()
    if not watch:
        found, following = ask_next(common, calls.get, _following, run_id)
        if found.run is not None:
            curve.add(found.run)
        _report(common, found, following)
        _draw(common, curve, plot)
        if found.run is not None and not common.as_json:
            _warn(found.run)
        return
    last, following = _watch(common, run_id, poll_interval, curve, plot)
    if last is not None and not common.as_json:
        _report(common, last, following)
    _draw(common, curve, plot)
    if last is not None and last.run is not None and last.run.status == 'failed':
        if common.as_json:
            sys.exit(1)
        raise click.ClickException(_failure(last.run))


def _watch(common: CommonOptions, run_id: str, poll_s: float, curve: LossCurve,
           plot: Path | None) -> tuple[TrainingRunAnswer | None, list[str]]:
    """
    Poll a run until it has finished; return the last answer, and the commands that follow.

    :param plot: drawn also when a person ends the watching.
    """
    with progress.training_view(run_id, curve, quiet=common.as_json) as view:
        async def follow(service: AsyncReflex, run_id: str) -> TrainingRunAnswer | None:
            last, is_warned = None, common.as_json
            async for last in calls.watch(service, run_id, poll_s=poll_s):
                if common.as_json:
                    if last.run is not None:
                        curve.add(last.run)
                    _report(common, last, await _following(service, last), is_watched=True)
                elif last.run is not None:
                    view(last.run)
                    is_warned = is_warned or _warn(last.run)
            return last

        try:
            return ask_next(common, follow, _following, run_id)
        except KeyboardInterrupt:
            if plot is not None and curve.points:
                curve.draw(plot)
            click.echo(f'The run continues. Watch it with `{WATCH.format(real(run_id))}`',
                       err=True)
            raise


def _draw(common: CommonOptions, curve: LossCurve, plot: Path | None) -> None:
    """Print the loss as a line, and draw the plot that was asked for."""
    points = curve.points
    if not common.as_json and curve.blocks:
        click.echo(f'\nLoss: {points[0][1]:.4g} -> {points[-1][1]:.4g}  {curve.blocks}')
    if plot is not None:
        curve.draw(plot)
        # With --json, stdout has the documents of the run.
        click.echo(f'Loss curve: {plot}', err=common.as_json)


training.add_command(status, 'get')


@service_command('reflex training list --all', group=training)
@click.option('--all', 'is_all', is_flag=True, help='Include finished runs.')
@click.option('--status', 'wanted', type=click.Choice(STATUSES),
              help='Only runs with this status.')
def list_(common: CommonOptions, is_all: bool, wanted: str | None) -> None:
    """
    List active and recently failed training runs.

    Without --all and --status, a finished run is only listed for 15 minutes after a failure. With
    --json, every run is listed.
    """
    found = ask(common, calls.list_all, wanted)
    is_brief = not is_all and wanted is None
    runs = calls.recent(found.runs) if is_brief else found.runs
    blocks = (_block(number, run) for number, run in enumerate(runs, start=1))
    following = [WATCH.format(runs[-1].run_id)] if runs else [next_steps.TRAIN.format('@last')]
    text.report(common, {'ok': True, **found.as_sent(), 'note': NOTE, 'next': following},
                'Training runs\n', *([f'Note: {NOTE}'] if is_brief else []),
                *(chain(*blocks) if runs else ['No training runs found.']),
                *text.next_lines(following))


@service_command('reflex training stop run_01', group=training)
@id_argument('run_id', 'run', 'TRAINING_RUN_ID')
def stop(common: CommonOptions, run_id: str) -> None:
    """Stop one training run."""
    found = ask(common, calls.stop, run_id)
    text.show_record(common, 'Training run stop requested', found, 'trainingRun',
                     next=[f'reflex training status {real(run_id)}'])


training.add_command(stop, 'cancel')


def _merge(flags: Mapping[str, Any], parameters_json: str | None) -> dict[str, object]:
    """
    Merge the parameters of ``--parameters-json`` and of the options.

    :raises ConfigurationError: if the JSON is not valid or a parameter is set in both.
    """
    merged: dict[str, object] = {}
    if parameters_json is not None:
        merged |= training_parameters.from_json(_read(parameters_json))
    for key, row in PARAMETERS.items():
        value = flags[key.replace('.', '_')]
        if value is None:
            continue
        if key in merged:
            raise ConfigurationError(f'{row.flag} is also in --parameters-json ({key}): '
                                     'set it in one place')
        merged[key] = value.split(',') if row.kind is list else value
    return merged


def _read(parameters_json: str) -> str:
    if not parameters_json.startswith('@'):
        return parameters_json
    try:
        return small_file.read(parameters_json[1:], takes_pipes=True).decode('utf-8')
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f'Failed to read parameters-json: {exc}') from exc


async def _following(service: AsyncReflex, found: TrainingRunAnswer | None) -> list[str]:
    """Return what to do about a run: watch it, use its model, or start it again."""
    run = found.run if found is not None else None
    if found is None or run is None:
        return []
    dataset = run.first_text('datasetId') or (run.dataset or Row()).first_text('_id', 'id')
    again = f'{next_steps.TRAIN.format(dataset or "<dataset-id>")} --request-id <a new one>'
    if run.status == 'succeeded':
        return await next_steps.to_deployment(service, model_id=run.first_text('modelId'))
    if run.is_over:
        return [again]
    if calls.is_stuck(run):
        return ['reflex training list --all', f'reflex training stop {found.run_id}', again]
    return [WATCH.format(found.run_id)]


def _report(common: CommonOptions, found: TrainingRunAnswer, following: list[str], *,
            is_watched: bool = False) -> None:
    hints: dict[str, Any] = {'next': following}
    if is_watched and common.as_json and found.run is not None and found.run.status == 'failed':
        hints |= {'ok': False, 'error': _failure(found.run)}
    if not common.as_json and found.run is not None and (place := _queue_text(found.run)):
        hints = {'queue': place, **hints}
    text.show_record(common, 'Training run status', found, 'trainingRun', **hints)


def _failure(run: TrainingRun) -> str:
    reason = run.first_text('errorMessage') or 'the service names no reason'
    return (f'Training run {run.run_id} failed: {reason}. Start it again with a new --request-id, '
            'or with other parameters')


def _queue_text(run: TrainingRun) -> str:
    """Say where a queued run sits; empty for any other run."""
    parts = [] if run.queue_place is None else [f'position {run.queue_place}']
    waited_s = run.waited_s(time.time() * 1e3)
    if waited_s is not None:
        parts.append(f'waiting for {waited_s / 60:.0f} min' if waited_s >= 60
                     else f'waiting for {waited_s:.0f} s')
    return ', '.join(parts)


def _warn(run: TrainingRun) -> bool:
    """Warn about a run that is stuck in the queue (error reference, 11); return True if it is."""
    if not calls.is_stuck(run):
        return False
    click.echo('The run has been queued for more than 10 minutes: the queue is backed up. List '
               'the queue with `reflex training list --all`, or stop the run and start it again '
               'with a new --request-id', err=True)
    return True


def _block(number: int, run: TrainingRun) -> Iterator[str]:
    def number_of(*names: str) -> str:
        value = run.first_number(*names)
        return '?' if value is None else f'{value:g}'

    dataset = run.dataset or Row()
    name = dataset.first_text('name', 'hfRepo') or run.first_text('hfSourceUri')
    done = '' if run.fraction is None else f' ({run.fraction:.0%})'
    yield f'{number}. {run.first_text("modelName") or text.MISSING}'
    yield f'   ID: {run.run_id or text.MISSING}'
    yield f'   Status: {run.status}{done}'
    if place := _queue_text(run):
        yield f'   Queue: {place}'
    yield f'   Created: {text.plain("createdAt", run.first_number("createdAt"))}'
    identity = run.first_text('datasetId') or dataset.first_text('_id')
    yield f'   Dataset: {name or text.MISSING}{f" ({identity})" if identity else ""}'
    yield f'   Base model: {run.first_text("baseModel") or text.MISSING}'
    yield f'   Fine tuning: {run.first_text("fineTuningType") or text.MISSING}'
    yield f'   Epochs: {number_of("currentEpoch")}/{number_of("totalEpochs", "epochs")}'
    if run.first_number('stepsCompleted') is not None:
        yield f'   Steps: {number_of("stepsCompleted")}/{number_of("estimatedTotalSteps")}'
    if run.loss is not None:
        yield f'   Loss: {run.loss:.4g}'
    if run.first_text('errorMessage'):
        yield f'   Error: {run.first_text("errorMessage")}'
