# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which transport the nodes use, and what a person's own choice means."""

from pathlib import Path

import pytest

from reflex_ros.bringup import dds

OWN = '<dds><profiles><participant><rtps>{}</rtps></participant></profiles></dds>'
UDP_ONLY = '<useBuiltinTransports>false</useBuiltinTransports>'
SHM = ('<dds><profiles><transport_descriptors><transport_descriptor><transport_id>a'
       '</transport_id><type>SHM</type></transport_descriptor></transport_descriptors>'
       f'<participant><rtps>{UDP_ONLY}</rtps></participant></profiles></dds>')


def profile(now):
    changes = dds.environment(now)
    paths = {changes[name] for name in dds.PROFILES if name in changes}
    assert len(paths) == 1
    return Path(paths.pop()).name, changes.get(dds.RANGE)


@pytest.mark.parametrize('now', [
    {}, {dds.RANGE: 'LOCALHOST'}, {dds.RANGE: 'localhost'},
    {'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'}])
def test_graph_stays_on_this_machine_over_udp(now):
    assert profile(now) == ('loopback.xml', 'SYSTEM_DEFAULT')
    assert dds.shared_memory(now) == ''


@pytest.mark.parametrize('now', [
    {dds.RANGE: 'SUBNET'}, {dds.RANGE: 'SYSTEM_DEFAULT'}, {dds.PEERS: '10.0.0.7'}])
def test_graph_that_a_person_opens_uses_udp_too(now):
    assert profile(now) == ('udp.xml', None)
    assert dds.shared_memory(now) == ''


def test_choice_of_the_parent_process_stays():
    parent = {dds.RANGE: 'LOCALHOST'}
    parent |= dds.environment(parent)
    assert dds.environment(parent) == {} and dds.shared_memory(parent) == ''


@pytest.mark.parametrize('wanted, name', [('LOCALHOST', 'loopback.xml'), ('SUBNET', 'udp.xml')])
def test_range_that_is_set_again_counts_also_beside_a_profile_of_ours(wanted, name):
    # The profile with the range LOCALHOST would have each address twice.
    parent = {**dds.environment({}), dds.RANGE: wanted}
    assert profile(parent)[0] == name


@pytest.mark.parametrize('version, names', [
    ('9.1.2', dds.PROFILES[:1]), ('10.0.1', dds.PROFILES[:1]), ('7.1.6', dds.PROFILES[1:]),
    ('3.3.16', dds.PROFILES[1:]), ('', dds.PROFILES)])
def test_profile_is_named_by_the_variable_that_this_fast_dds_reads(monkeypatch, version, names):
    monkeypatch.setattr(dds.metadata, 'version', lambda _: version)
    assert set(dds.environment({})) - {dds.RANGE} == set(names)


def test_variable_of_humble_does_not_bring_shared_memory_back():
    now = {'ROS_DISTRO': 'humble', **dds.local_range({'ROS_DISTRO': 'humble'})}
    assert now[dds.LOCALHOST_ONLY] == '1'
    assert dds.environment(now)[dds.LOCALHOST_ONLY] == '0'


@pytest.mark.parametrize('now, changes', [
    ({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}, {dds.RANGE: 'LOCALHOST'}),
    ({'RMW_IMPLEMENTATION': 'rmw_zenoh_cpp', dds.RANGE: 'SUBNET'}, {}),
    ({dds.RANGE: 'OFF'}, {}), ({dds.TRANSPORTS: 'UDPv4'}, {}),
    ({dds.PROFILES[0]: '/mine.xml'}, {}), ({dds.PROFILES[1]: '/mine.xml'}, {})])
def test_what_a_person_has_chosen_is_kept(now, changes):
    assert dds.environment(now) == changes


@pytest.mark.parametrize('text, is_safe', [
    (OWN.format(UDP_ONLY), True), (OWN.format(''), False), (SHM, False), ('no xml', False),
    (OWN.format('<useBuiltinTransports>true</useBuiltinTransports>'), False)])
def test_profile_of_a_person_that_allows_shared_memory_is_warned_about(tmp_path, text, is_safe):
    (tmp_path / 'mine.xml').write_text(text, encoding='utf-8')
    warning = dds.shared_memory({dds.PROFILES[0]: str(tmp_path / 'mine.xml')})
    assert (warning == '') == is_safe
    assert is_safe or 'mine.xml' in warning


@pytest.mark.parametrize('value, is_safe', [
    ('UDPv4', True), ('UDPv6', True), ('TCPv4', True), ('DEFAULT', False), ('SHM', False),
    ('LARGE_DATA', False), ('LARGE_DATA?max_msg_size=1MB', False)])
def test_transport_of_a_person_that_uses_shared_memory_is_warned_about(value, is_safe):
    assert (dds.shared_memory({dds.TRANSPORTS: value}) == '') == is_safe


def test_profiles_of_ours_have_no_shared_memory():
    for range_ in ('LOCALHOST', 'SUBNET'):
        changes = dds.environment({dds.RANGE: range_})
        path = next(changes[name] for name in dds.PROFILES if name in changes)
        text = Path(path).read_text(encoding='utf-8')
        assert 'SHM' not in text and UDP_ONLY in text
        assert ('<address>127.0.0.1</address>' in text) == (range_ == 'LOCALHOST')
