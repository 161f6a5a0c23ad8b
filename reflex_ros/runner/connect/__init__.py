# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``reflex connect``: one robot and one policy in one process, without ROS.

Two loops do it. An arm behind a ``runner.connector.Connector`` is driven as in the ROS graph
(``arm_run``): its session, checks, player and supervision are those of the nodes. A robot behind
the five methods of ``steps.StepConnector`` gets one chunk after the other (``step_run``).
"""
