# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which nodes own the publishers of topics and the servers of services, as the graph shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rclpy.node import Node

from reflex_ros.domain.authority import UNKNOWN

NEW_S = 3.0
"""A node that was seen first so long ago has told all its services [s]."""
AGAIN_S = 1.0
"""How often the services of an older node are read again [s]."""


class Owners:
    """
    Reads the graph that a node knows, in the executor's thread; takes less than a millisecond.

    :param topics: full names of topics, of which the publishers are found.
    :param services: full names of services, of which the servers are found.
    """

    def __init__(self, node: Node, topics: Iterable[str], services: Iterable[str]) -> None:
        self._node = node
        self._topics = tuple(topics)
        self._services = frozenset(services)
        # For each node: when it was seen first, when its services were read, and which of ours.
        self._read: dict[tuple[str, str], tuple[float, float, frozenset[str]]] = {}

    def find(self, now: float) -> dict[str, list[str]]:
        """
        Return the full names of the owners of each topic and service.

        :param now: monotonic instant [s].
        """
        found = {topic: [_full_name(info.node_name, info.node_namespace)
                         for info in self._node.get_publishers_info_by_topic(topic)]
                 for topic in self._topics}
        nodes = Counter(self._node.get_node_names_and_namespaces())
        served, known = self._served(nodes, now), Counter[str]()
        for key, services in served.items():
            for service in services:
                found.setdefault(service, []).append(_full_name(*key))
                known[service] += nodes[key]
        # Of several nodes with one name, ROS tells the services of one: the others hide behind it.
        # The number of servers tells them.
        count: Any = getattr(self._node, 'count_services', lambda service: 0)   # before Iron
        for service in self._services:
            if count(service) > known[service]:
                twins = [_full_name(*key) for key, number in nodes.items()
                         if number > 1 and service not in served[key]]
                found.setdefault(service, []).extend(twins or [f'/{UNKNOWN}'])
        return found

    def _served(self, nodes: Iterable[tuple[str, str]],
                now: float) -> dict[tuple[str, str], frozenset[str]]:
        self._read = {key: read for key, read in self._read.items() if key in nodes}
        for key in nodes:
            first, last, _ = self._read.get(key, (now, 0.0, frozenset()))
            if now - first < NEW_S or now - last > AGAIN_S:
                self._read[key] = first, now, self._services_of(*key)
        return {key: services for key, (_, _, services) in self._read.items()}

    def _services_of(self, name: str, namespace: str) -> frozenset[str]:
        try:
            listed = self._node.get_service_names_and_types_by_node(name, namespace)
        except RuntimeError:
            # It has left the graph meanwhile (NodeNameNonExistentError before Kilted, too).
            return frozenset()
        return self._services & {service for service, _ in listed}


def _full_name(name: str, namespace: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'
