# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A USB button as a stop device: a node that publishes its state on ``safety/locks/NAME``.

    python3 stop_button.py /dev/input/by-id/usb-MY_BUTTON-event-kbd --name button

and in the parameters of the supervisor: ``stop_devices: ["button"]``. The arm stops while the
button is pressed, and when this program, the cable or the button is gone. It is a convenience, no
emergency stop: fit a switch in the servo supply as well.

Reads events of the Linux input layer, so it needs the right to read that file (group input).
"""

import argparse
import os
import select
import struct
import sys

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import Bool

# struct input_event: seconds, microseconds, type, code, value.
EVENT = struct.Struct('llHHi')
EV_KEY = 1
PERIOD_S = 0.05


def main() -> None:
    """Publish until the device is gone or the process is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('device')
    parser.add_argument('--name', default='button')
    arguments, _ = parser.parse_known_args()
    device = os.open(arguments.device, os.O_RDONLY)
    rclpy.init()
    node = Node(f'stop_button_{arguments.name}')
    publisher = node.create_publisher(Bool, f'safety/locks/{arguments.name}', 1)
    pressed = set()
    try:
        while rclpy.ok():
            while select.select([device], [], [], PERIOD_S)[0]:
                data = os.read(device, EVENT.size)
                if len(data) < EVENT.size:
                    # Silence stops the arm: say nothing more.
                    sys.exit(f'{arguments.device} is gone')
                _, _, kind, code, value = EVENT.unpack(data)
                if kind == EV_KEY:
                    (pressed.add if value else pressed.discard)(code)
                    publisher.publish(Bool(data=not pressed))
            publisher.publish(Bool(data=not pressed))
            rclpy.spin_once(node, timeout_sec=0.0)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        os.close(device)


main()
