"""Pictures as people have them: turned by a tag, with 16 bits or an alpha, far too large, or none at all."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from paddleprune.data.images import (
    LIMIT,
    as_picture,
    find_images,
    read_alpha,
    read_image,
    read_values,
    size_of,
    write_image,
)
from paddleprune.errors import UserError

NOISE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg"])
def test_a_picture_is_read_as_it_is_shown(tmp_path, ending, tag):
    """Against Pillow's own turning; JPEG's rounding differs between decoders."""
    exif, path = Image.Exif(), tmp_path / f"a.{ending}"
    exif[0x0112] = tag
    Image.fromarray(NOISE).save(path, exif=exif, **({"lossless": True} if ending == "webp" else {}))
    with Image.open(path) as opened:
        expected = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    found = read_image(path, "x")
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (4 if ending == "jpg" else 0)
    assert size_of(path, "x") == expected.shape[:2]


@pytest.mark.parametrize("tag", [1, 3, 6, 8])
def test_masks_and_alphas_are_turned_alike(tmp_path, tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    grey = Image.fromarray(NOISE[..., 0])
    grey.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        expected = np.array(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(read_values(tmp_path / "a.png", "x"), expected)
    np.testing.assert_allclose(read_alpha(tmp_path / "a.png", "x"), expected / 255, atol=1e-6)


def test_bits(tmp_path):
    deep = np.arange(0, 65536, 655, dtype=np.uint16).reshape(-1, 1).repeat(4, 1)
    cv2.imwrite(str(tmp_path / "16.png"), deep)
    np.testing.assert_array_equal(read_image(tmp_path / "16.png", "x")[..., 0], deep >> 8)
    cv2.imwrite(str(tmp_path / "12.png"), deep >> 4)
    with pytest.raises(UserError, match="has 16 bits a value and uses 12 of them .*save it with 8 bits"):
        read_image(tmp_path / "12.png", "x")
    with pytest.raises(UserError, match="alpha .* has 16 bits a value, and its largest is 40"):
        read_alpha(tmp_path / "12.png", "x")


def test_alphas(tmp_path):
    grey = NOISE[..., :1].repeat(3, 2)
    cases = {
        "opaque.png": np.dstack([grey, np.full((5, 7), 255, np.uint8)]),  # the alpha is the grey
        "alpha.png": np.dstack([grey, NOISE[..., 1]]),  # ... or the fourth channel
    }
    for name, array in cases.items():
        cv2.imwrite(str(tmp_path / name), array)
    np.testing.assert_allclose(read_alpha(tmp_path / "opaque.png", "x"), NOISE[..., 0] / 255, atol=1e-6)
    np.testing.assert_allclose(read_alpha(tmp_path / "alpha.png", "x"), NOISE[..., 1] / 255, atol=1e-6)
    assert (read_alpha(tmp_path / "opaque.png", "x", of_itself=True) == 1).all()
    cv2.imwrite(str(tmp_path / "photo.png"), np.dstack([NOISE, np.full((5, 7), 255, np.uint8)]))
    with pytest.raises(UserError, match="a colour picture that is opaque everywhere"):
        read_alpha(tmp_path / "photo.png", "x")


def header_of(width, height):
    """A PNG that says it is that large, and holds nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", start)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (14_000, 14_000), (1, 65_000)])
def test_too_many_pixels_are_one_line(tmp_path, size):
    (tmp_path / "a.png").write_bytes(header_of(*size))
    for read in (read_image, read_values, read_alpha, size_of):
        with pytest.raises(UserError, match=f"^x: .*(megapixels.*{LIMIT}|not a readable image)"):
            read(tmp_path / "a.png", "x")


def test_the_limit_can_be_raised(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "0.001")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="up to 0.001 megapixels"):
        read_image(tmp_path / "a.png", "x")
    monkeypatch.setenv(LIMIT, "0.01")
    assert read_image(tmp_path / "a.png", "x").shape == (40, 40, 3)
    monkeypatch.setenv(LIMIT, "300")
    (tmp_path / "b.png").write_bytes(header_of(14_000, 14_000))
    assert size_of(tmp_path / "b.png", "x") == (14_000, 14_000)
    monkeypatch.setenv(LIMIT, "much")
    with pytest.raises(UserError, match="'much' must be a number"):
        read_image(tmp_path / "a.png", "x")


def test_what_is_no_picture(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    for name in ("folder.jpg", "loop.jpg", "pipe.jpg", "text.jpg", "none.jpg"):
        with pytest.raises(UserError, match="^x: .*no picture file|not a readable image"):
            read_image(tmp_path / name, "x")
    write_image(tmp_path / "a.tif", NOISE)
    assert {p.name for p in find_images(tmp_path)} == {"a.tif", "text.jpg"}


def test_arrays_of_a_program():
    assert as_picture(NOISE[..., 0], "image").shape == (5, 7, 3)
    assert as_picture(np.dstack([NOISE, NOISE[..., 0]]), "image").shape == (5, 7, 3)
    for wrong in (np.zeros((0, 3, 3), np.uint8), NOISE / 255, NOISE[..., :2], "x", None):
        with pytest.raises(UserError, match="^image: "):
            as_picture(wrong, "image")
