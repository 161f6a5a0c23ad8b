# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A picture of the arm: what the simulated camera sees.

Side view (left) and top view (right) of the SO-101's links, drawn from the joint positions with
the link lengths of the SO-101 reference, section 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
import io
import math

from PIL import Image, ImageDraw

BASE_HEIGHT = 0.1166
UPPER_ARM = 0.116
FOREARM = 0.135
HAND = 0.159
SIDE, TOP = (120, 190), (470, 190)
PIXELS_PER_M = 380.0


def side_points(pose: Sequence[float]) -> list[tuple[float, float]]:
    """Place base, shoulder, elbow, wrist and tip in the arm's vertical plane (x, z) [m]."""
    points = [(0.0, 0.0), (0.03, BASE_HEIGHT)]
    # At zero the upper arm points up, the forearm and the hand forward; + leans down.
    angle = math.pi / 2 - pose[1]
    for length, bend in ((UPPER_ARM, math.pi / 2 + pose[2]), (FOREARM, pose[3]), (HAND, 0.0)):
        x, z = points[-1]
        points.append((x + length * math.cos(angle), z + length * math.sin(angle)))
        angle -= bend
    return points


def draw(pose: Sequence[float], caption: str, size: tuple[int, int] = (640, 360)) -> Image.Image:
    """
    Draw a pose (joints,) [rad]; the first six joints bend the picture, missing ones are at 0.

    :param pose: finite numbers; turns beyond one do not change the picture.
    :param caption: changes from frame to frame, as sensor noise does in a real camera.
    """
    # The joint states of a stranger may hold any number, and sums of huge ones have no cosine.
    pose = [math.remainder(angle, math.tau) for angle in (*pose, *[0.0] * 6)[:6]]
    image = Image.new('RGB', size, (236, 238, 240))
    canvas = ImageDraw.Draw(image)
    canvas.rectangle((0, 300, size[0], size[1]), fill=(196, 178, 150))
    points = side_points(pose)
    pixels = [(SIDE[0] + x * PIXELS_PER_M, 300 - z * PIXELS_PER_M) for x, z in points]
    canvas.line(pixels, fill=(230, 120, 30), width=14, joint='curve')
    for x, y in pixels[1:-1]:
        canvas.ellipse((x - 9, y - 9, x + 9, y + 9), fill=(40, 44, 52))
    _draw_jaw(canvas, pixels[-2], pixels[-1], pose[5])
    reach = points[-1][0] * PIXELS_PER_M
    canvas.ellipse((TOP[0] - 14, TOP[1] - 14, TOP[0] + 14, TOP[1] + 14), fill=(40, 44, 52))
    # Positive pan turns clockwise, seen from above.
    tip = (TOP[0] + reach * math.cos(pose[0]) * 0.8, TOP[1] + reach * math.sin(pose[0]) * 0.8)
    canvas.line((*TOP, *tip), fill=(230, 120, 30), width=12)
    canvas.text((10, 8), caption, fill=(40, 44, 52))
    return image


def _draw_jaw(canvas: ImageDraw.ImageDraw, wrist: tuple[float, float], tip: tuple[float, float],
              opening: float) -> None:
    heading = math.atan2(tip[1] - wrist[1], tip[0] - wrist[0])
    for side in (0.0, -max(opening + 0.1745, 0.0) / 2):
        end = (wrist[0] + 62 * math.cos(heading + side), wrist[1] + 62 * math.sin(heading + side))
        canvas.line((*wrist, *end), fill=(90, 96, 110), width=6)


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    image.save(buffer, 'JPEG', quality=quality)
    return buffer.getvalue()
