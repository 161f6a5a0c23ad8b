# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which nodes own the publishers of topics and the servers of services, as the graph shows it."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.node import Node

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
        for (name, namespace), services in self._served(now).items():
            for service in services:
                found.setdefault(service, []).append(_full_name(name, namespace))
        return found

    def _served(self, now: float) -> dict[tuple[str, str], frozenset[str]]:
        nodes = set(self._node.get_node_names_and_namespaces())
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
