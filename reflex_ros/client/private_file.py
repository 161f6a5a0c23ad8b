# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Small JSON files that only their owner may read, written completely or not at all.

A file that others could read or replace is refused, not repaired: its content may come from
another user, and the owner should know.
"""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import errno
import json
import os
from pathlib import Path
import stat
import tempfile

from reflex_ros.errors import ConfigurationError

MAX_SIZE = 64 * 1024
OR_KEY = 'or set REFLEX_API_KEY: then no file is needed'


def read(file: Path, what: str) -> dict[str, object] | None:
    """
    Read the JSON object in a file.

    :param what: name of the content in error texts, e.g. ``Reflex credentials``.
    :returns: the object; None if the file does not exist.
    :raises ConfigurationError: if the file is a link, belongs to another user, can be read by
        others, or is larger than 64 KiB.
    :raises BrokenFile: if the file is safe but does not contain a JSON object.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        reason = (f'it must be a regular file, not a link. Name the file itself in '
                  f'REFLEX_CONFIG_FILE ({os.path.realpath(file)})'
                  if exc.errno == errno.ELOOP else f'{exc.strerror}. Name another file in '
                  'REFLEX_CONFIG_FILE')
        raise ConfigurationError(f'Failed to read {what} at {file}: {reason}, {OR_KEY}') from exc
    try:
        _check_file(file, what, os.fstat(descriptor))
        text = os.read(descriptor, MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BrokenFile(f"Failed to read {what} at {file}: {exc}. Run 'reflex login' "
                         'again') from exc
    if not isinstance(content, dict):
        raise BrokenFile(f'{what} at {file} must be a JSON object.')
    return content


class BrokenFile(ConfigurationError):
    """A private file is safe but not a JSON object; it may be overwritten."""


def prepare(file: Path, what: str) -> None:
    """
    Check that a file can be written, before its content is requested from the service.

    Creates missing directories, with access for the owner only.

    :raises ConfigurationError: if the file is a link or unsafe, or if its directory belongs to
        another user or others can write there.
    """
    try:
        _make(file.parent)
        place = os.stat(file.parent)
        if place.st_uid != os.getuid():
            raise ConfigurationError(f'{what} cannot be saved in {file.parent}: the directory '
                                     f'belongs to user {place.st_uid}, not to you. Set '
                                     'REFLEX_CONFIG_DIR')
        if place.st_mode & 0o022:
            raise ConfigurationError(f'{what} cannot be saved in {file.parent}: others can write '
                                     f'there. Run chmod go-w {file.parent}, or set '
                                     'REFLEX_CONFIG_DIR')
        if not file.parent.is_dir():
            raise ConfigurationError(f'{what} cannot be saved in {file.parent}: it is not a '
                                     'directory. Set REFLEX_CONFIG_DIR')
        if not os.access(file.parent, os.W_OK | os.X_OK):
            raise ConfigurationError(f'{what} cannot be saved in {file.parent}: you cannot write '
                                     'there. Set REFLEX_CONFIG_DIR')
        with contextlib.suppress(FileNotFoundError):
            _check_file(file, what, os.lstat(file))
    except OSError as exc:
        raise _unwritable(file, what, exc) from exc


def write(file: Path, content: Mapping[str, object], what: str) -> None:
    """
    Write a JSON object to a file with mode 0600; on an error the old file stays.

    :raises ConfigurationError: as in :func:`prepare`, and if the file system refuses the write.
    """
    prepare(file, what)
    text = json.dumps(content, indent=2, sort_keys=True) + '\n'
    try:
        descriptor, name = tempfile.mkstemp('.tmp', f'{file.name}.', file.parent)
        try:
            with open(descriptor, 'w', encoding='utf-8') as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise
        _sync(file.parent)
    except OSError as exc:
        raise _unwritable(file, what, exc) from exc


def remove(file: Path, what: str) -> bool:
    """
    Delete a file; if it is a link, delete the link only.

    :returns: whether the file existed.
    :raises ConfigurationError: if it cannot be deleted.
    """
    try:
        os.unlink(file)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise ConfigurationError(f'Failed to delete {what} at {file}: {exc.strerror}') from exc
    return True


def _make(directory: Path) -> None:
    if not directory.exists():
        _make(directory.parent)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(0o700)


def _sync(directory: Path) -> None:
    """Write the entries of a directory to the disk, so that they survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(file: Path, what: str, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f'Failed to write {what} at {file}: {exc.strerror}')


def _check_file(file: Path, what: str, info: os.stat_result) -> None:
    if stat.S_ISLNK(info.st_mode):
        raise ConfigurationError(f'{what} at {file} are a link, but must be a regular file. '
                                 'Remove the link')
    if not stat.S_ISREG(info.st_mode):
        raise ConfigurationError(f'{what} at {file} are not a regular file. Remove it')
    if info.st_uid != os.getuid():
        raise ConfigurationError(f'{what} at {file} belong to user {info.st_uid}, not to you. '
                                 'Name another file in REFLEX_CONFIG_FILE and log in again, '
                                 f'{OR_KEY}')
    if info.st_mode & 0o077:
        raise ConfigurationError(f'{what} at {file} can be read by others. Run chmod 600 {file}')
    if info.st_size > MAX_SIZE:
        raise ConfigurationError(f'{what} at {file} are larger than 64 KiB. Remove the file '
                                 'and log in again')
