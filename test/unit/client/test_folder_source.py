# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder is packed while it is sent: the archive, links, resuming, and LeRobot datasets."""

import asyncio
import hashlib
import io
import json
import os
import tarfile

import pytest

from reflex_ros.client import lerobot_layout
from reflex_ros.client.folder_source import FolderSource
from reflex_ros.client.resources import datasets
from reflex_ros.errors import ConfigurationError

PARQUET, MP4 = b'PAR1' + bytes(600) + b'PAR1', bytes(4) + b'ftypisom' + bytes(900)


def packed(source, start=0, end=None):
    async def read():
        return b''.join([part async for part in source.parts(start, end or source.size)])

    return asyncio.run(read())


@pytest.fixture
def folder(tmp_path):
    """Make a folder with a name that a shell would split, files in folders, and links in it."""
    root = tmp_path / '-my data; set'
    (root / 'b' / 'deep').mkdir(parents=True)
    (root / 'a.txt').write_bytes(b'first')
    (root / 'b' / 'deep' / 'large.bin').write_bytes(os.urandom(700_001))
    (root / 'b' / ('long-' * 30)).write_bytes(b'x' * 512)
    (root / 'empty').touch()
    (root / 'link').symlink_to('a.txt')
    (root / 'also').symlink_to('b')
    return root


def test_archive_holds_every_file_and_what_links_lead_to(folder):
    with FolderSource(folder) as source:
        data = packed(source)
        assert len(data) == source.size
        assert asyncio.run(source.sha256()) == hashlib.sha256(data).hexdigest()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        content = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}
    large = (folder / 'b' / 'deep' / 'large.bin').read_bytes()
    name = folder.name
    assert content == {
        f'{name}/a.txt': b'first', f'{name}/link': b'first', f'{name}/empty': b'',
        f'{name}/b/deep/large.bin': large, f'{name}/also/deep/large.bin': large,
        f'{name}/b/{"long-" * 30}': b'x' * 512, f'{name}/also/{"long-" * 30}': b'x' * 512}


def test_any_part_can_be_read_again(folder):
    with FolderSource(folder) as source:
        whole = packed(source)
        for start, end in ((0, 1), (511, 513), (1000, 900_000), (source.size - 1, source.size)):
            assert packed(source, start, end) == whole[start:end]


def test_same_folder_has_the_same_version_and_a_changed_one_another(folder):
    version = FolderSource(folder).version
    assert FolderSource(folder).version == version
    os.utime(folder / 'a.txt', ns=(1, 1))
    assert FolderSource(folder).version != version


@pytest.mark.parametrize('change', [
    lambda root: (root / 'a.txt').write_bytes(b'other size'),
    lambda root: os.utime(root / 'empty', ns=(1, 1)), lambda root: (root / 'a.txt').unlink()])
def test_folder_that_changes_is_refused_before_its_last_byte(folder, change):
    with FolderSource(folder) as source:
        change(folder)
        with pytest.raises(ConfigurationError, match='changed while|Cannot read'):
            packed(source)


@pytest.mark.parametrize('make, text', [
    (lambda root: (root / 'out').symlink_to('/etc/hostname'), 'is a link to /etc/hostname, which '
     'is not in'),
    (lambda root: (root / 'up').symlink_to('..'), 'which is not in'),
    (lambda root: (root / 'b' / 'loop').symlink_to('..'), 'a link to a folder that it is in'),
    (lambda root: (root / 'self').symlink_to('self'), 'leads nowhere'),
    (lambda root: (root / 'gone').symlink_to('nothing'), 'leads nowhere'),
    (lambda root: os.mkfifo(root / 'pipe'), 'neither a file nor a folder')])
def test_what_nobody_named_is_not_sent(folder, make, text):
    make(folder)
    with pytest.raises(ConfigurationError, match=text):
        FolderSource(folder)


def test_folder_without_files_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match='has no files'):
        FolderSource(tmp_path)


# ---- LeRobot datasets


def write(root, name, content):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def info(version):
    return {'codebase_version': version, 'fps': 30, 'total_episodes': 2, 'total_frames': 60,
            'features': {'observation.state': {'dtype': 'float32'}, 'action': {},
                         'observation.images.front': {'dtype': 'video'}}}


@pytest.fixture
def old(tmp_path):
    """Make a dataset of version 2.1."""
    root = tmp_path / 'old'
    write(root, 'meta/info.json', info('v2.1'))
    for name in ('tasks', 'episodes', 'episodes_stats'):
        write(root, f'meta/{name}.jsonl', b'{}\n{}\n')
    for index in range(2):
        write(root, f'data/chunk-000/episode_{index:06d}.parquet', PARQUET)
        write(root, f'videos/chunk-000/observation.images.front/episode_{index:06d}.mp4', MP4)
    return root


@pytest.fixture
def new(tmp_path):
    """Make a dataset of version 3.0."""
    root = tmp_path / 'new'
    write(root, 'meta/info.json', info('v3.0'))
    write(root, 'meta/stats.json', {})
    for name in ('meta/tasks', 'meta/episodes/chunk-000/file-000', 'data/chunk-000/file-000'):
        write(root, f'{name}.parquet', PARQUET)
    write(root, 'videos/observation.images.front/chunk-000/file-000.mp4', MP4)
    return root


def test_whole_datasets_are_accepted(old, new):
    lerobot_layout.require(old)
    lerobot_layout.require(new)


@pytest.mark.parametrize('break_it, text', [
    (lambda root: (root / 'meta/info.json').write_text('{'), 'meta/info.json cannot be read'),
    (lambda root: write(root, 'meta/info.json', {**info('v1.6')}), "'v1.6', known are"),
    (lambda root: write(root, 'meta/info.json', {**info('v2.1'), 'fps': 0}), 'no fps above 0'),
    (lambda root: write(root, 'meta/info.json', {**info('v2.1'), 'total_episodes': 3}),
     r'lists 2 episodes, meta/info.json says 3; data/chunk-000/episode_000002.parquet is missing'),
    (lambda root: (root / 'meta/tasks.jsonl').unlink(), 'meta/tasks.jsonl is missing'),
    (lambda root: write(root, 'data/chunk-000/episode_000001.parquet', PARQUET[:-9]),
     'episode_000001.parquet is not a whole Parquet file: was the recording interrupted'),
    (lambda root: write(root, 'data/chunk-000/episode_000001.parquet', b''), 'parquet is empty'),
    (lambda root: (root / 'videos/chunk-000/observation.images.front/episode_000000.mp4').unlink(),
     'episode_000000.mp4 is missing')])
def test_what_is_wrong_with_an_old_dataset_is_named(old, break_it, text):
    break_it(old)
    with pytest.raises(ConfigurationError, match=text + '.*--no-check'):
        lerobot_layout.require(old)


@pytest.mark.parametrize('name, text', [
    ('meta/tasks.parquet', 'meta/tasks.parquet is missing'),
    ('meta/stats.json', 'meta/stats.json is missing'),
    ('data/chunk-000/file-000.parquet', r'data has no chunk-\*/file-\*.parquet'),
    ('videos/observation.images.front/chunk-000/file-000.mp4', 'front has no chunk')])
def test_what_is_missing_in_a_new_dataset_is_named(new, name, text):
    (new / name).unlink()
    with pytest.raises(ConfigurationError, match=text):
        lerobot_layout.require(new)


def test_folder_around_a_dataset_says_which_one_is_meant(old):
    with pytest.raises(ConfigurationError, match='it is in the folder old: upload that one'):
        lerobot_layout.require(old.parent)


# ---- the whole way


def test_folder_is_uploaded_and_resumed_after_a_cut(new, service, ask_service):
    write(new, 'data/chunk-000/file-001.parquet', b'PAR1' + os.urandom(300_000) + b'PAR1')
    service.fault('upload_cut', 65536)
    seen = []
    found = ask_service(datasets.upload, new, 'pick', on_progress=lambda *at: seen.append(at))
    data = packed(FolderSource(new))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.size_bytes == len(data) == seen[-1][1] == seen[-1][0]
    # The same folder again is the same dataset.
    again = ask_service(datasets.upload, new, 'pick')
    assert again.dataset_id == found.dataset_id


def test_broken_dataset_is_not_sent_unless_it_is_wanted(new, service, ask_service):
    (new / 'meta/stats.json').unlink()
    with pytest.raises(ConfigurationError, match=r'meta/stats\.json is missing'):
        ask_service(datasets.upload, new, 'pick')
    assert service.state()['datasets'] == [] if 'datasets' in service.state() else True
    assert ask_service(datasets.upload, new, 'pick', is_checked=False).dataset_id


def test_name_that_is_not_utf_8_asks_for_another(tmp_path, ask_service):
    file = tmp_path / os.fsdecode(b'pick\xff.tar')
    file.write_bytes(b'x')
    with pytest.raises(ConfigurationError, match=r'pick\\udcff is not UTF-8. Pass .* --name'):
        ask_service(datasets.upload, file, file.stem)


@pytest.mark.parametrize('uri', [
    'huggingface.co/datasets/me/pick', 'HuggingFace.CO/datasets/me/pick',
    'HTTPS://hf.co/datasets/me/pick', 'www.huggingface.co/datasets/me/pick'])
def test_address_of_the_hub_is_read_as_people_copy_it(uri):
    host = 'hf.co' if 'hf.co' in uri else 'huggingface.co'
    assert datasets.check_source(uri) == f'https://{host}/datasets/me/pick'


@pytest.mark.parametrize('uri', [
    'host.co/datasets/me/pick', 'hf.co/me', 'HF.co/me', 'huggingface.co/me/pick'])
def test_host_is_never_an_owner(uri):
    with pytest.raises(ConfigurationError, match='is not a dataset on the Hugging Face hub'):
        datasets.check_source(uri)
