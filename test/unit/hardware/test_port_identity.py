# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The name under which an arm is found again after its cable was unplugged."""

from __future__ import annotations

from pathlib import Path

import pytest

from reflex_ros.hardware.port_identity import stable_name

BY_ID, BY_PATH = 'dev/serial/by-id', 'dev/serial/by-path'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (BY_ID, BY_PATH):
        (tmp_path / folder).mkdir(parents=True)
    for name in ('ttyACM0', 'ttyACM1'):
        (tmp_path / 'dev' / name).touch()
    return tmp_path


def link(root: Path, name: str, device: str) -> str:
    (root / name).symlink_to(root / 'dev' / device)
    return str(root / name)


def test_serial_number_comes_before_the_socket(root: Path) -> None:
    link(root, f'{BY_PATH}/pci-0000-usb-0:1', 'ttyACM1')
    link(root, f'{BY_ID}/usb-1a86_USB_Single_Serial_OTHER-if00', 'ttyACM0')
    wanted = link(root, f'{BY_ID}/usb-1a86_USB_Single_Serial_123-if00', 'ttyACM1')
    assert stable_name(str(root / 'dev/ttyACM1'), root) == wanted


def test_adapter_without_a_serial_number_is_known_by_its_socket(root: Path) -> None:
    wanted = link(root, f'{BY_PATH}/pci-0000-usb-0:1', 'ttyACM0')
    assert stable_name(str(root / 'dev/ttyACM0'), root) == wanted


def test_port_follows_its_adapter_to_another_number(root: Path) -> None:
    name = link(root, f'{BY_ID}/usb-123', 'ttyACM0')
    found = stable_name(str(root / 'dev/ttyACM0'), root)
    Path(name).unlink()
    link(root, f'{BY_ID}/usb-123', 'ttyACM1')
    assert Path(found).resolve() == root / 'dev/ttyACM1'


def test_link_of_the_user_is_kept(root: Path) -> None:
    link(root, f'{BY_ID}/usb-123', 'ttyACM0')
    own = link(root, 'dev/so101_follower', 'ttyACM0')
    assert stable_name(own, root) == own


@pytest.mark.parametrize('name', ('ttyACM0', 'ttyACM7'))
def test_port_without_a_link_keeps_its_name(root: Path, name: str) -> None:
    assert stable_name(str(root / 'dev' / name), root) == str(root / 'dev' / name)
