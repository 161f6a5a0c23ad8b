# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Create, read and complete datasets that are uploaded (protocol c.5, i.5)."""

from __future__ import annotations

from reflex_ros.sim.service.http.functions.base import Value
from reflex_ros.sim.service.http.rest.base import Request, Route
from reflex_ros.sim.service.refusals import Reason, Refusal
from reflex_ros.sim.service.state import ServiceState


def create(state: ServiceState, request: Request) -> Value:
    """Make room for a dataset, and say where its bytes go."""
    name = request.body.text('name')
    if not name.strip():
        raise Refusal(Reason.INVALID_PARAMETERS, 'name must not be empty')
    size = request.body.integer('size_bytes') if request.body.has('size_bytes') else None
    dataset = state.datasets.create(name, request.body.text('request_id'), size)
    upload = state.datasets.upload_of(dataset)
    assert upload is not None
    return dataset.to_rest() | {
        'upload_url': state.upload_url(upload), 'upload_method': 'PUT',
        'upload_headers': {'Content-Type': 'application/octet-stream'},
        # Ours: see upload_target. A client that knows nothing of it sends one whole PUT.
        'upload_resumable': True,
    }


def list_datasets(state: ServiceState, request: Request) -> Value:
    """Return every dataset, or those with a status; nobody has an unknown status."""
    wanted = request.query.get('status')
    rows = [dataset.to_rest() for dataset in state.datasets.table.all()]
    return {'datasets': [row for row in rows if wanted in (None, '', row['status'])]}


def get(state: ServiceState, request: Request) -> Value:
    """Return one dataset; while its upload is not complete, also how far that got."""
    dataset = state.datasets.table.get(request.params['id'])
    upload = state.datasets.upload_of(dataset)
    if upload is None or dataset.is_complete:
        return dataset.to_rest()
    return dataset.to_rest() | {'received_bytes': state.uploads.received_bytes(upload)}


def complete(state: ServiceState, request: Request) -> Value:
    """Close the upload."""
    size = request.body.integer('size_bytes') if request.body.has('size_bytes') else None
    return state.datasets.complete(request.params['id'], size).to_rest()


ROUTES = (
    Route('POST', '/v1/datasets', create, required={'name': str},
          optional={'request_id': str, 'size_bytes': int}),
    Route('GET', '/v1/datasets', list_datasets),
    Route('GET', '/v1/datasets/{id}', get),
    Route('POST', '/v1/datasets/{id}/complete', complete, optional={'size_bytes': int}),
)
