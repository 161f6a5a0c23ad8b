# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every encoding becomes a picture with the right colours, or is refused with the reason."""

from __future__ import annotations

from io import BytesIO
import struct
import threading
import time
import zlib

from camera_pictures import COLOURS, compressed, decode, file, four_squares, frame
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
from property_examples import examples
import pytest

from reflex_ros.cameras import convert as module
from reflex_ros.cameras.convert import convert, LARGEST_INPUT, refuse_unfit
from reflex_ros.cameras.frame import Frame, FrameRefused, Picture
from reflex_ros.cameras.pixels import ENCODINGS
from reflex_ros.cameras.settings import CameraSettings

PLAIN = CameraSettings('front')
GREY_ONLY = ('mono8', '8UC1')
COLOURED = [name for name in ENCODINGS if name not in GREY_ONLY]


def camera(**changes: object) -> CameraSettings:
    return CameraSettings('front', **changes)


def corners(picture: np.ndarray) -> list[tuple[int, ...]]:
    """Return the colours in the middle of the four quarters."""
    height, width, _ = picture.shape
    return [tuple(map(int, picture[row, column])) for row in (height // 4, 3 * height // 4)
            for column in (width // 4, 3 * width // 4)]


def assert_colours(picture: np.ndarray, *names: str, tolerance: int = 4) -> None:
    for found, name in zip(corners(picture), names, strict=True):
        assert max(abs(a - b) for a, b in zip(found, COLOURS[name], strict=True)) <= tolerance, \
            f'{name} came out as {found}'


def refusal(bad: Frame, settings: CameraSettings = PLAIN) -> str:
    """Return why a frame is refused; it must be one line."""
    with pytest.raises(FrameRefused) as caught:
        convert(bad, settings)
    assert '\n' not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', COLOURED)
def test_colours_are_right_through_every_encoding(encoding: str, padding: int) -> None:
    picture = convert(frame(four_squares(), encoding, padding), PLAIN)
    assert picture.format == 'jpeg'
    decoded = decode(picture.data)
    assert decoded.shape == (48, 64, 3)
    assert_colours(decoded, 'red', 'green', 'blue', 'grey')


@pytest.mark.parametrize('encoding', GREY_ONLY)
def test_grey_picture_keeps_its_levels(encoding: str) -> None:
    levels = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 16, 0).repeat(3, 2)
    decoded = decode(convert(frame(levels, encoding), PLAIN).data)
    assert np.abs(decoded.astype(int) - levels).max() <= 3


@pytest.mark.parametrize('encoding', COLOURED)
def test_flat_picture_has_one_colour_up_to_its_edges(encoding: str) -> None:
    for name, colour in COLOURS.items():
        flat = np.full((16, 16, 3), colour, np.uint8)
        decoded = decode(convert(frame(flat, encoding), PLAIN).data).astype(int)
        assert np.abs(decoded - colour).max() <= 4, name


def test_yuv_is_read_with_limited_range_as_cv_bridge_does() -> None:
    def grey(luma: int) -> int:
        data = bytes([luma, 128]) * 64
        raw = Frame(0, 'yuyv', memoryview(data), False, 8, 8, 16)
        return int(decode(convert(raw, camera(quality=100)).data).mean())

    assert [grey(0), grey(16), grey(235), grey(255)] == [0, 0, 255, 255]
    assert abs(grey(126) - 128) <= 1


@pytest.mark.parametrize('tile', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_demosaic_is_bilinear(tile: str) -> None:
    # A plane is what bilinear interpolation restores exactly, but for the mirrored edge.
    y, x = np.mgrid[0:24, 0:32]
    plane = np.stack([2 * x + 3 * y, 100 + x + y, 200 - 2 * y - x], -1).astype(np.uint8)
    picture = module.to_picture(frame(plane, f'bayer_{tile}8'))
    assert np.abs(np.asarray(picture).astype(int) - plane)[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize(('encoding', 'words'), [
    ('16UC1', ('depth', 'camera.<name>.topic')), ('32FC1', ('depth', 'camera.<name>.topic')),
    ('mono16', ('16 bits', 'camera.<name>.topic')), ('rgb16', ('more than 8 bits', 'rgb8')),
    ('bayer_rggb16', ('more than 8 bits', 'bayer_rggb8')), ('8UC3', ('red or blue', 'rgb8')),
    ('nv12', ('nv12 is not supported', 'yuyv')), ('', ('encoding is empty', 'rgb8')),
    ('rgb8\n\x1b[31m', ('not supported',)), ('x' * 200, ('not supported',))])
def test_other_encodings_are_refused_with_the_remedy(encoding: str,
                                                     words: tuple[str, ...]) -> None:
    text = refusal(Frame(0, encoding, memoryview(bytes(64)), False, 4, 4, 16))
    for word in words:
        assert word in text
    assert '\x1b' not in text and len(text) < 400


@pytest.mark.parametrize(('encoding', 'size', 'step', 'length', 'words'), [
    ('rgb8', (640, 480), 1900, 912_000, ('1900', '640 pixels', '1920')),
    ('rgb8', (640, 480), 1920, 921_599, ('921599', '480 rows of 1920', '921600')),
    ('rgb8', (640, 480), 1920, 0, ('0 bytes',)),
    ('rgb8', (640, 240), 1920, 921_600, ('921600', '240 rows')),
    ('bgra8', (4, 4), 15, 60, ('15', '16')), ('mono8', (4, 4), 3, 12, ('3', '4')),
    ('rgb8', (0, 480), 1920, 921_600, ('0 x 480',)), ('rgb8', (640, 0), 1920, 0, ('640 x 0',)),
    ('mono8', (2 ** 31, 2 ** 31), 2 ** 31, 64, ('2147483648', 'allowed are')),
    ('mono8', (9000, 1), 9000, 9000, ('9000 x 1',)),
    ('yuyv', (5, 2), 10, 20, ('5 x 2', 'even')), ('bayer_rggb8', (4, 3), 4, 12, ('even',))])
def test_wrong_geometry_is_refused_with_its_numbers(
        encoding: str, size: tuple[int, int], step: int, length: int,
        words: tuple[str, ...]) -> None:
    text = refusal(Frame(0, encoding, memoryview(bytes(length)), False, *size, step))
    for word in words:
        assert word in text


SMALL = st.integers(0, 9)


@given(st.sampled_from([*ENCODINGS, '16UC1', 'junk']), SMALL, SMALL, st.integers(0, 40),
       st.integers(0, 400), st.integers(0, 2 ** 32))
def test_hostile_image_is_refused_or_becomes_a_picture_of_its_size(
        encoding: str, width: int, height: int, step: int, length: int, seed: int) -> None:
    if seed % 2:
        length = step * height
    data = np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()
    try:
        picture = convert(Frame(0, encoding, memoryview(data), False, width, height, step), PLAIN)
    except FrameRefused:
        return
    assert decode(picture.data).shape == (height, width, 3)


# Compressed frames.

JPEG, PNG = file(four_squares()), file(four_squares(), 'PNG')


@pytest.mark.parametrize('form', ['jpeg', 'jpg', 'rgb8; jpeg compressed bgr8', '', 'png'])
def test_jpeg_is_handed_on_untouched_whatever_its_label(form: str) -> None:
    assert convert(compressed(JPEG, form), PLAIN) == Picture('jpeg', JPEG)


@pytest.mark.parametrize('form', ['png', 'bgr8; png compressed ', 'jpeg', ''])
def test_png_is_handed_on_as_png_whatever_its_label(form: str) -> None:
    assert convert(compressed(PNG, form), PLAIN) == Picture('png', PNG)


@pytest.mark.parametrize('settings', [
    camera(width=64), camera(width=64, height=48), camera(longest_side=64),
    camera(crop='0,0,64,48'), camera(longest_side=640)])
def test_jpeg_that_fits_already_is_untouched(settings: CameraSettings) -> None:
    assert convert(compressed(JPEG), settings).data == JPEG


@pytest.mark.parametrize('data', [JPEG, PNG, file(four_squares(), mode='L')])
@pytest.mark.parametrize(('settings', 'size'), [
    (camera(width=32), (32, 24)), (camera(height=12), (16, 12)),
    (camera(width=20, height=20), (20, 20)), (camera(longest_side=32), (32, 24)),
    (camera(quality=60), (64, 48)), (camera(rotation=90), (48, 64)),
    (camera(rotation=90, width=24), (24, 32)), (camera(crop='square'), (48, 48)),
    (camera(crop='8,4,40,20'), (40, 20)), (camera(crop='8,4,40,20', rotation=270), (20, 40)),
    (camera(crop='square', width=224, height=224), (224, 224))])
def test_picture_that_must_change_has_the_size_that_is_set(
        data: bytes, settings: CameraSettings, size: tuple[int, int]) -> None:
    picture = convert(compressed(data), settings)
    assert picture.format == 'jpeg' and picture.data != data
    height, width, _ = decode(picture.data).shape
    assert (width, height) == size


@pytest.mark.parametrize(('rotation', 'names'), [
    (0, ('red', 'green', 'blue', 'grey')), (90, ('blue', 'red', 'grey', 'green')),
    (180, ('grey', 'blue', 'green', 'red')), (270, ('green', 'grey', 'red', 'blue'))])
@pytest.mark.parametrize('source', ['jpeg', 'png', 'rgb8', 'yuyv'])
def test_rotation_is_clockwise(source: str, rotation: int, names: tuple[str, ...]) -> None:
    picture = four_squares()
    given_frame = compressed(file(picture, source.upper())) if source in ('jpeg', 'png') \
        else frame(picture, source)
    for turned in (camera(rotation=rotation), camera(rotation=rotation, longest_side=32)):
        assert_colours(decode(convert(given_frame, turned).data), *names, tolerance=8)


def test_crop_is_cut_before_the_rotation() -> None:
    settings = camera(crop='32,0,32,24', rotation=90)
    assert_colours(decode(convert(frame(four_squares(), 'rgb8'), settings).data), *['green'] * 4)
    settings = camera(crop='0,24,32,24', rotation=90)
    assert_colours(decode(convert(compressed(JPEG), settings).data), *['blue'] * 4)


@pytest.mark.parametrize('source', [frame(four_squares(), 'rgb8'), compressed(JPEG),
                                    compressed(PNG)])
def test_crop_beyond_the_picture_is_refused_with_both_sizes(source: Frame) -> None:
    text = refusal(source, camera(crop='40,0,40,20'))
    assert '40,0,40,20' in text and '64 x 48' in text and 'camera.<name>.crop' in text


def test_large_jpeg_is_scaled_with_the_right_colours() -> None:
    large = file(four_squares(1280, 720), quality=90)
    for scaled in (camera(width=224, height=224), camera(longest_side=200)):
        assert_colours(decode(convert(compressed(large), scaled).data),
                       'red', 'green', 'blue', 'grey')


@pytest.mark.parametrize('mode', ['P', 'RGBA', 'LA', 'I;16', '1'])
def test_png_of_other_kinds_becomes_a_jpeg_or_is_refused(mode: str) -> None:
    if mode == 'I;16':
        # 16 bits of grey: depth. Written by hand, because no camera picture looks like it.
        def chunk(kind: bytes, body: bytes) -> bytes:
            return struct.pack('>I', len(body)) + kind + body + struct.pack(
                '>I', zlib.crc32(kind + body))
        data = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 4, 2, 16, 0, 0, 0, 0))
        data += chunk(b'IDAT', zlib.compress(bytes(9) * 2)) + chunk(b'IEND', b'')
        text = refusal(compressed(data, '16UC1; png compressed '))
        assert '16 bits' in text and 'depth' in text and 'camera.<name>.topic' in text
        return
    picture = convert(compressed(file(four_squares(), 'PNG', mode)), PLAIN)
    assert picture.format == 'jpeg'
    if mode in ('P', 'RGBA'):
        # The grey of Pillow's palette is dithered.
        assert_colours(decode(picture.data), 'red', 'green', 'blue', 'grey', tolerance=40)


def test_jpeg_with_four_colours_is_made_plain() -> None:
    picture = convert(compressed(file(four_squares(), mode='CMYK')), PLAIN)
    assert_colours(decode(picture.data), 'red', 'green', 'blue', 'grey', tolerance=8)


@pytest.mark.parametrize('data', [JPEG, PNG])
def test_zeros_behind_the_file_are_cut(data: bytes) -> None:
    assert convert(compressed(data + bytes(100_000)), PLAIN).data == data
    assert convert(compressed(data + bytes(100_000)), camera(width=32)).format == 'jpeg'
    assert 'half a' in refusal(compressed(data + bytes(9) + b'x'))


@pytest.mark.parametrize(('data', 'words'), [
    (b'', ('no data',)), (b'hello, I am a text file', ('neither JPEG nor PNG', 'hello')),
    (JPEG[:len(JPEG) // 2], ('half a JPEG', str(len(JPEG) // 2))),
    (JPEG[:3], ('half a JPEG',)), (b'\xff\xd8\xff\xd9', ('does not say its size',)),
    (PNG[:-20], ('half a PNG',)), (PNG[:20], ('half a PNG',)),
    (JPEG + bytes(LARGEST_INPUT), ('8.4 MB', 'smaller picture')),
    (b'RIFF1234WEBPVP8 ', ('neither', 'RIFF')),
    (JPEG[:200] + JPEG[-2:], ('decoded',)), (PNG[:60] + PNG[-30:], ('decoded',))])
def test_what_is_labelled_jpeg_and_is_none_is_refused(data: bytes, words: tuple[str, ...]) -> None:
    text = refusal(compressed(data))
    for word in words:
        assert word in text


def test_compressed_depth_is_refused_by_its_format() -> None:
    text = refusal(compressed(b'\0' * 12 + PNG, '16UC1; compressedDepth'))
    assert 'compressedDepth' in text and 'camera.<name>.topic' in text


def noise(width: int, height: int, kind: str) -> bytes:
    values = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return file(values, kind, **({'quality': 100} if kind == 'JPEG' else {}))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_picture_that_is_too_large_to_send_is_refused_or_scaled(kind: str) -> None:
    large = noise(1300, 1000, kind)
    assert 2e6 < len(large) < LARGEST_INPUT
    text = refusal(compressed(large))
    assert f'{len(large) / 1e6:.1f} MB' in text and 'camera.<name>.width' in text
    assert len(convert(compressed(large), camera(width=640)).data) < 2 ** 20


def claims(data: bytes, width: int, height: int) -> bytes:
    """Let a JPEG or a PNG claim a size that it does not have."""
    if data.startswith(b'\x89PNG'):
        header = b'IHDR' + struct.pack('>II', width, height) + data[24:29]
        return data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]
    at = data.index(b'\xff\xc0')
    return data[:at + 5] + struct.pack('>HH', height, width) + data[at + 9:]


@pytest.mark.parametrize('data', [claims(JPEG, 60_000, 60_000), claims(PNG, 60_000, 60_000),
                                  claims(PNG, 2 ** 31 - 1, 1), claims(PNG, 0, 10)])
def test_claim_of_a_huge_size_is_refused_before_anything_is_decoded(data: bytes) -> None:
    began = time.process_time()
    assert 'allowed are 1 to' in refusal(compressed(data), camera(width=64))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize('width, height', [(1, 1), (7, 60), (60, 7), (8, 8)])
def test_jpeg_that_is_smaller_than_an_eighth_can_be_decoded(width: int, height: int) -> None:
    data = BytesIO()
    Image.new('RGB', (width, height), (200, 10, 10)).save(data, 'JPEG')
    assert convert(compressed(data.getvalue()), PLAIN).data == data.getvalue()


@examples(200)
@given(st.sampled_from([JPEG, PNG]), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)),
                                              max_size=8), st.integers(0, 5000), st.booleans())
def test_damaged_file_is_refused_or_handed_on(data: bytes, changes: list[tuple[int, int]],
                                              cut: int, scale: bool) -> None:
    hurt = bytearray(data)
    for at, value in changes:
        hurt[at % len(hurt)] = value
    if cut < len(hurt):
        del hurt[cut:]
    try:
        picture = convert(compressed(bytes(hurt)), camera(width=32) if scale else PLAIN)
    except FrameRefused:
        return
    assert picture.format in ('jpeg', 'png') and picture.data


@given(st.binary(max_size=300), st.sampled_from([b'', b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n']),
       st.sampled_from([b'', b'\xff\xd9', b'IEND\xaeB`\x82']))
def test_random_bytes_are_refused(middle: bytes, begin: bytes, end: bytes) -> None:
    with pytest.raises(FrameRefused):
        convert(compressed(begin + middle + end), PLAIN)


def test_cheap_check_refuses_without_decoding() -> None:
    refuse_unfit(compressed(JPEG))
    refuse_unfit(frame(four_squares(), 'yuyv'))
    for bad in (compressed(JPEG[:100]), Frame(0, '16UC1', memoryview(b''), False, 4, 4, 8)):
        with pytest.raises(FrameRefused):
            refuse_unfit(bad)
    # Broken in the middle: only decoding can tell.
    refuse_unfit(compressed(JPEG[:200] + JPEG[-2:]))


def test_encoding_lets_other_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long to encode, and few bytes: Pillow comes back to Python after 64 kB at the latest.
    large = Image.fromarray(np.full((4096, 4096), 128, np.uint8))
    ended, ticks = threading.Event(), []

    def tick() -> None:
        while not ended.is_set():
            ticks.append(None)
            ended.wait(0.0002)

    def ticks_per_encoding() -> int:
        before = len(ticks)
        module._encode(large, 85)
        return len(ticks) - before

    watcher = threading.Thread(target=tick)
    watcher.start()
    try:
        released, held = [], []
        for _ in range(7):
            released.append(ticks_per_encoding())
            with monkeypatch.context() as patch:
                patch.delattr(module.os, 'memfd_create')
                held.append(ticks_per_encoding())
    finally:
        ended.set()
        watcher.join()
    # Both were measured in turns, so that a busy machine slows both down.
    assert np.median(released) > 1.5 * np.median(held), (released, held)


def test_encoding_works_without_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with_file = convert(frame(four_squares(), 'rgb8'), PLAIN)
    monkeypatch.delattr(module.os, 'memfd_create')
    assert convert(frame(four_squares(), 'rgb8'), PLAIN) == with_file
