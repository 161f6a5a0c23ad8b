# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Register, validate and list datasets (protocol c.4, i.5)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Args, Function, Value
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.resources.hf_dataset_name import HubDataset, parse_dataset
from reflex_ros.sim.service.state import ServiceState


def register(state: ServiceState, args: Args) -> Value:
    """Remember a dataset on the hub; the same place again is the same dataset."""
    source = args.text('hfSourceUri')
    row = state.datasets.register(source, hub_dataset(source)).to_json()
    return row | {'dataset': row}


def validate(state: ServiceState, args: Args) -> Value:
    """Validate a dataset; one that is not valid is refused, and its row says why."""
    fails = state.faults.take('dataset_invalid') is not None
    row = state.datasets.validate(args.text('datasetId'), fails).to_json()
    return row | {'valid': True, 'dataset': row}


def list_datasets(state: ServiceState, args: Args) -> Value:
    """Return every dataset, oldest first, whichever way it came."""
    return {'datasets': [dataset.to_json() for dataset in state.datasets.table.all()]}


def hub_dataset(source: str) -> HubDataset:
    """
    Take an ``hfSourceUri`` apart.

    :raises Refusal: ``invalid_parameters``, saying what is wrong with it.
    """
    try:
        return parse_dataset(source)
    except ValueError as exc:
        raise Refusal(Reason.INVALID_PARAMETERS, f'hfSourceUri: {exc}') from exc


FUNCTIONS = (
    Function('publicApi:registerDataset', register, required={'hfSourceUri': str}),
    Function('publicApi:validateDataset', validate, required={'datasetId': str}),
    Function('publicApi:listDatasets', list_datasets),
)
