# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets with the simulated service: from the hub, uploaded, interrupted, damaged."""

import asyncio
import hashlib
import json
import os

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.credentials import Secret
from reflex_ros.client.file_source import FileSource, PART
from reflex_ros.client.resources import datasets
from reflex_ros.client.resources.datasets import check_source
from reflex_ros.errors import (
    AuthenticationError,
    ConfigurationError,
    ReflexError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'pick.tar'
    path.write_bytes(os.urandom(PART + 4321))
    return path


@pytest.mark.parametrize('uri', [
    'me/pick', 'hf://datasets/me/pick', 'hf://datasets/me/pick@v1.0/data/a.parquet',
    'me/pick@main', 'hf://datasets/me/pick/data', 'https://huggingface.co/datasets/me/pick',
    'https://huggingface.co/datasets/me/pick/tree/main', 'https://hf.co/datasets/Me_2/p-1.5'])
def test_name_on_the_hub_is_taken(uri):
    assert check_source(f' {uri} ') == uri


@pytest.mark.parametrize('uri', [
    '', 'pick', 'datasets/me/pick', 'hf://me/pick', 'hf://models/me/pick', 'me/', '/me/pick',
    'http://huggingface.co/datasets/me/pick', 'https://example.com/datasets/me/pick',
    'https://huggingface.co/me/pick', 'https://user@huggingface.co/datasets/me/pick',
    'https://huggingface.co/datasets/me/pick?x=1', 'me/pick#x', 'me/pick@', 'me/pick@a@b',
    'me/pick/../other', 'me/pick/./x', 'me//pick', 'me/pi ck', 'me/pick\nx', 'm\x1be/pick',
    '../../etc/passwd', 'a/' + 'b' * 2000])
def test_invalid_name_is_refused_with_the_allowed_forms(uri):
    with pytest.raises(ConfigurationError, match='Write it as hf://datasets/') as refused:
        check_source(uri)
    assert str(refused.value).isprintable()


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text):
    try:
        assert check_source(text) == text.strip()
    except ConfigurationError:
        pass


def test_dataset_of_the_hub_is_registered_validated_and_listed(ask_service, service):
    registered = ask_service(datasets.register, 'hf://datasets/me/pick@v2/data')
    assert registered.dataset_id.startswith('dataset_')
    [row] = ask_service(datasets.list_all).datasets
    assert (row.dataset_id, row.status, row.source) == (
        registered.dataset_id, 'registered', 'me/pick/data@v2')
    assert ask_service(datasets.validate, row.dataset_id).dataset_id == row.dataset_id
    [row] = ask_service(datasets.list_all).datasets
    assert row.status == 'validated' and row.updated_at > 1e12
    assert ask_service(datasets.get, row.dataset_id).status == 'validated'
    assert [each.dataset_id for each in ask_service(
        datasets.list_all, 'validated').datasets] == [row.dataset_id]
    assert not ask_service(datasets.list_all, 'awaiting_upload').datasets


def test_invalid_dataset_says_what_is_wrong(ask_service, service):
    registered = ask_service(datasets.register, 'me/pick')
    service.fault('dataset_invalid')
    with pytest.raises(ServiceRefused, match='dataset_invalid. .*info.json') as refused:
        ask_service(datasets.validate, registered.dataset_id)
    assert refused.value.reason == 'dataset_invalid'
    [row] = ask_service(datasets.list_all).datasets
    assert 'info.json' in row.status


def test_upload_makes_one_dataset_with_the_checksum_of_the_file(ask_service, file):
    seen = []
    done = ask_service(datasets.upload, file, 'pick',
                       on_progress=lambda sent, size: seen.append((sent, size)))
    content = file.read_bytes()
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert done.status == 'registered'
    assert seen[-1] == (len(content), len(content))
    fields = done.as_sent()
    assert fields['size_bytes'] == len(content)
    # The upload URL gives write access.
    assert not [name for name in fields if name.startswith('upload_')]
    assert ask_service(datasets.get, done.dataset_id).sha256 == done.sha256


def test_same_file_again_is_the_same_dataset_and_is_not_sent(ask_service, service, file):
    first = ask_service(datasets.upload, file, 'pick')
    seen = []
    again = ask_service(datasets.upload, file, 'pick', on_progress=lambda *at: seen.append(at))
    assert (again.dataset_id, again.sha256, seen) == (first.dataset_id, first.sha256, [])
    other = ask_service(datasets.upload, file, 'pick', request_id='mine')
    assert other.dataset_id != first.dataset_id
    os.utime(file, ns=(1, 1))
    changed = ask_service(datasets.upload, file, 'pick')
    assert changed.dataset_id != first.dataset_id
    assert len(ask_service(datasets.list_all).datasets) == 3


@pytest.mark.parametrize('status', ['', 'registered', 'ready', 'awaiting_upload'])
def test_only_a_checksum_proves_that_the_file_was_sent(ask_at, listen, file, status):
    asked = []

    def serve(peer):
        peer.read_request()
        asked.append(peer.head.split()[1].decode())
        peer.reply(json.dumps({'dataset_id': 'd1', 'status': status, 'upload_url':
                               f'{backend.url}/put'} if peer.head[:4] == b'POST' else {}).encode())

    backend = listen(serve)
    ask_at(backend.url, lambda client: datasets.upload(client, file, 'pick'))
    assert asked == ['/v1/datasets', '/put', '/v1/datasets/d1/complete']


def test_upload_that_was_only_not_completed_is_not_sent_again(ask_at, listen, file):
    asked = []
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    def serve(peer):
        peer.read_request()
        asked.append(peer.head.split()[1].decode())
        peer.reply(json.dumps({'dataset_id': 'd1', 'status': 'awaiting_upload', 'sha256': digest,
                               'upload_url': f'{backend.url}/put'}).encode())

    backend = listen(serve)
    ask_at(backend.url, lambda client: datasets.upload(client, file, 'pick'))
    assert asked == ['/v1/datasets', '/v1/datasets/d1/complete']


def test_same_request_id_for_another_file_is_noticed(ask_service, file):
    ask_service(datasets.upload, file, 'pick', request_id='r1')
    file.write_bytes(os.urandom(file.stat().st_size))
    with pytest.raises(ServiceProtocolError, match='Upload the file again with a new --req'):
        ask_service(datasets.upload, file, 'pick', request_id='r1')


def test_interrupted_upload_goes_on_and_makes_no_second_dataset(run, ask_service, service, file):
    async def interrupted():
        async with AsyncReflex(Secret(service.key), convex_url=service.url) as client:
            half = asyncio.Event()
            job = asyncio.ensure_future(datasets.upload(
                client, file, 'pick', on_progress=lambda sent, size: sent and half.set()))
            await half.wait()
            job.cancel()
            with pytest.raises(asyncio.CancelledError):
                await job

    run(interrupted())
    [row] = ask_service(datasets.list_all).datasets
    assert row.status == 'awaiting_upload'
    done = ask_service(datasets.upload, file, 'pick')
    assert done.dataset_id == row.dataset_id
    assert len(ask_service(datasets.list_all).datasets) == 1


def test_lost_connection_is_resumed(ask_service, service, file):
    service.fault('upload_cut', 1000)
    assert ask_service(datasets.upload, file, 'pick').status == 'registered'


def test_damaged_bytes_are_noticed_and_nothing_is_completed(ask_service, service, file):
    service.fault('upload_corrupt', times=1)
    with pytest.raises(ServiceProtocolError, match='has other bytes than were sent'):
        ask_service(datasets.upload, file, 'pick')
    [row] = ask_service(datasets.list_all).datasets
    assert row.status == 'awaiting_upload'


def test_three_steps_can_be_made_by_hand(ask_at, service, file):
    async def by_hand(client):
        with FileSource(file) as source:
            ticket = await datasets.create(client, 'pick', size_bytes=source.size)
            await datasets.put(client, ticket, source)
            return await datasets.complete(client, ticket.dataset_id, source.size)

    assert ask_at(service.url, by_hand).status == 'registered'


def test_create_is_sent_again_because_it_carries_its_id(ask_service, service):
    service.fault('rest_status', '503', times=1)
    ticket = ask_service(datasets.create, 'pick', request_id='r1')
    assert ask_service(datasets.create, 'pick', request_id='r1').dataset_id == ticket.dataset_id


def test_complete_is_never_sent_again(ask_service, service, file):
    ticket = ask_service(datasets.create, 'pick')
    service.fault('rest_status', '503', times=1)
    with pytest.raises(ServiceUnavailable, match='HTTP 503'):
        ask_service(datasets.complete, ticket.dataset_id)


@pytest.mark.parametrize('question, kind, text', [
    (lambda client: datasets.get(client, 'dataset_none'), ServiceRefused, 'dataset_not_found'),
    (lambda client: datasets.complete(client, 'dataset_none'), ServiceRefused,
     'dataset_not_found'),
    (lambda client: datasets.validate(client, 'dataset_none'), ServiceRefused,
     'Unable to validate dataset: dataset_not_found.'),
    (lambda client: datasets.get(client, '../../admin'), ConfigurationError,
     'is not a valid id of a dataset'),
    (lambda client: datasets.create(client, ' '), ConfigurationError, '--name')])
def test_refusal_has_a_kind_and_a_text(ask_at, service, question, kind, text):
    with pytest.raises(kind, match=text):
        ask_at(service.url, question)


def test_wrong_key_is_told(run, service):
    async def main():
        async with AsyncReflex('rfx_wrong', convex_url=service.url) as client:
            await datasets.list_all(client, 'validated')

    with pytest.raises(AuthenticationError):
        run(main())


def test_unreachable_host_is_reported_with_its_url(ask_at, closed_port, file):
    url = f'http://127.0.0.1:{closed_port}'
    with pytest.raises(ServiceUnavailable, match=f'Failed to reach Reflex API at {url}: '):
        ask_at(url, lambda client: datasets.upload(client, file, 'pick'), window_s=0.0)


@pytest.mark.parametrize('answer, text', [
    ({}, 'did not include dataset_id'),
    ({'dataset_id': 'd'}, 'did not include upload_url'),
    ({'dataset_id': 'd', 'upload_url': 'http://example.com/x'}, 'unencrypted'),
    ({'dataset_id': 'd', 'upload_url': 'file:///etc/passwd'}, 'not a valid http or https URL'),
    ({'dataset_id': 'd', 'upload_url': 'https://h/', 'upload_method': 'DELETE'}, 'DELETE'),
    ({'dataset_id': 'd', 'upload_url': 'https://h/', 'upload_headers': {'a\n': 'b'}}, 'header'),
    ({'dataset_id': 5}, 'invalid dataset_id'),
    ({'dataset_id': 'd', 'upload_headers': 'x'}, 'invalid upload_headers')])
def test_answer_that_leads_nowhere_is_the_services_mistake(ask_at, listen, file, answer, text):
    backend = listen(lambda peer: peer.answer(json.dumps(answer).encode()))
    with pytest.raises(ServiceProtocolError, match=text):
        ask_at(backend.url, lambda client: datasets.upload(client, file, 'pick'))


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        'datasets', 'dataset', 'name', 'status', 'deleted', 'updatedAt', '_id', 'upload_url',
        'upload_headers', 'dataset_id']), inner, max_size=5)))
def test_any_answer_is_parsed_or_is_the_services_mistake(answer):
    from reflex_ros.client.messages import parse
    from reflex_ros.client.messages.datasets import Dataset, DatasetList, UploadTicket

    for model in (Dataset, DatasetList, UploadTicket):
        try:
            parsed = parse(model, answer, 'x')
        except ReflexError:
            continue
        if model is UploadTicket:
            continue
        for row in parsed.datasets if model is DatasetList else [parsed]:
            assert (row.status + row.source + row.dataset_id + row.name).isprintable()
