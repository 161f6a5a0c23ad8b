# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A file to upload: read in parts, hashed while it is read, refused when it changes."""

import asyncio
import hashlib
import os

from hypothesis import example, given
from hypothesis import strategies as st
import pytest

from reflex_ros.client import file_source
from reflex_ros.client.file_source import FileSource
from reflex_ros.errors import ConfigurationError


async def joined(source, start, end):
    return b''.join([part async for part in source.parts(start, end)])


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(file_source, 'PART', 7)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'data.bin'
    path.write_bytes(bytes(range(100)))
    return path


@given(st.binary(min_size=1, max_size=60), st.lists(st.tuples(st.integers(0, 60),
                                                              st.integers(0, 60)), max_size=6))
# The repeated part goes beyond the bytes that have been hashed.
@example(bytes(range(20)), [(0, 10), (5, 20)])
def test_any_reading_gives_those_bytes_and_the_checksum_of_the_whole(
        tmp_path_factory, content, spans):
    path = tmp_path_factory.mktemp('any') / 'data.bin'
    path.write_bytes(content)

    async def read():
        with FileSource(path) as source:
            for first, last in spans:
                start, end = min(first, len(content)), min(last, len(content))
                assert await joined(source, start, end) == content[start:end]
            return await source.sha256()

    part, file_source.PART = file_source.PART, 7
    try:
        assert asyncio.run(read()) == hashlib.sha256(content).hexdigest()
    finally:
        file_source.PART = part


@pytest.mark.parametrize('change', [
    lambda path: path.write_bytes(bytes(99)),
    lambda path: path.write_bytes(bytes(101)),
    lambda path: os.utime(path, ns=(1, 1)),
    lambda path: path.unlink(),
    lambda path: path.rename(path.with_suffix('.old')) and path.write_bytes(bytes(range(100))),
], ids=['shorter', 'longer', 'touched', 'gone', 'replaced'])
def test_change_is_noticed_before_the_last_byte_is_given_out(small_parts, file, change):
    async def read():
        got = b''
        with FileSource(file) as source:
            with pytest.raises(ConfigurationError, match='changed while it was read'):
                async for part in source.parts(0, source.size):
                    if not got:
                        change(file)
                    got += part
        return got

    assert 0 < len(asyncio.run(read())) < 100


def test_change_before_the_checksum_is_noticed(small_parts, file):
    with FileSource(file) as source:
        os.utime(file, ns=(1, 1))
        with pytest.raises(ConfigurationError, match='changed'):
            asyncio.run(source.sha256())


def test_directory_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match='is a directory, but one file is needed'):
        FileSource(tmp_path)


def test_what_cannot_be_sent_is_refused(tmp_path):
    (tmp_path / 'empty').touch()
    os.mkfifo(tmp_path / 'pipe')
    for name, text in (('empty', 'is empty'), ('pipe', 'not a regular file'),
                       ('none', 'No such file')):
        with pytest.raises(ConfigurationError, match=text):
            FileSource(tmp_path / name)
