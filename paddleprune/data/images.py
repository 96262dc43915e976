"""Picture files: find, read, write. The one place that opens them.

Pictures, masks and alphas are read the same way: a regular file, its size looked at before it is decoded,
turned as its Exif tag says. What is wrong with a file is one line that begins with where it was named.
"""

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import UserError
from ..files import atomic_file, exists

ORIENTATION = 0x0112  # Exif tag; from 5 on the sides are swapped
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
SIDE = 30_000  # longest side of a picture, and of what a transform makes of it, pixels
LIMIT = "PADDLEPRUNE_MAX_MEGAPIXELS"  # environment variable
Image.MAX_IMAGE_PIXELS = (
    None  # Pillow's own limit cannot be raised by a user; `check_pixels` is before any decoding
)
GREY = ("L", "P", "I", "I;16", "I;16B", "1")  # Pillow's modes with a value a pixel


def find_images(path: str | Path, where: str = "--image") -> list[Path]:
    """A picture, or the pictures directly inside a folder, by name. Raises UserError if none; `where` begins
    it."""
    path = Path(path)
    if exists(path):
        return [path]
    found = sorted(p for p in path.glob("*") if p.suffix.lower() in ENDINGS) if exists(path, "folder") else []
    found = [p for p in found if exists(p)]
    if not found:
        raise UserError(
            f"{where}: '{str(path)[:300]}' is no picture and no folder with any ({', '.join(ENDINGS)}); check the path"
        )
    return found


def check_pixels(width: float, height: float, what: str) -> None:
    """Raises UserError for more pixels than are read. The limit is 100 megapixels; a variable of the
    environment raises it."""
    most = _most()
    if width * height > most or max(width, height) > SIDE:
        raise UserError(
            f"{what} would have {width:.0f}x{height:.0f} pixels; up to {most / 1e6:g} megapixels and {SIDE} a side "
            f"are taken: make it smaller, or set {LIMIT}"
        )


def _most() -> float:
    text = os.environ.get(LIMIT, "100")
    try:
        return float(text) * 1e6
    except ValueError as error:
        raise UserError(f"{LIMIT}: '{text}' must be a number of megapixels, e.g. 200") from error


def read_image(path: Path, where: str) -> np.ndarray:
    """An image file -> uint8 RGB [H, W, 3], as it is shown. `where` begins the error if it cannot be decoded.

    Of 16 bits the upper 8 are taken. A picture that uses no more than 12 of them is refused: what it shows
    would be a few grey levels.
    """
    encoded, header = _opened(path, where)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    image = _decoded(encoded, flags, path, where)
    if image.dtype == np.uint16:
        if image.max() < 1 << 12:
            raise UserError(
                f"{where}: '{path}' has 16 bits a value and uses {max(1, int(image.max()).bit_length())} of them (the "
                f"largest value is {image.max()}); save it with 8 bits, its values scaled to 0 to 255"
            )
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(f"{where}: '{path}' holds {image.dtype} values; save it with 8 bits")
    return _turned(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), header)


def read_values(path: Path, where: str) -> np.ndarray:
    """A picture with one value a pixel, a palette's number or a grey level -> [H, W] as it is shown.
    Raises UserError for a colour picture."""
    header = _opened(path, where)[1]
    if header.mode not in GREY:
        raise UserError(
            f"{where}: mask '{path}' is a colour picture ({header.mode}); save class indices as a grey or palette PNG"
        )
    try:
        return _turned(np.array(header), header)
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise UserError(f"{where}: mask '{path}' is damaged ({error}); replace or remove it") from error


def read_colours(path: Path, where: str) -> np.ndarray:
    """A picture whose colours stand for something -> int32 [H, W], 0xRRGGBB, as it is shown. Raises UserError for
    16 bits."""
    header = _opened(path, where)[1]
    if header.mode.startswith(("I", "F")):
        raise UserError(f"{where}: mask '{path}' has no colours ({header.mode}); save it as an RGB PNG")
    try:
        rgb = np.array(header.convert("RGB"), np.int32)
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise UserError(f"{where}: mask '{path}' is damaged ({error}); replace or remove it") from error
    return _turned(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], header)


def is_coloured(path: Path, where: str) -> bool:
    """Has a picture more than one value a pixel?"""
    with path.open("rb") as file:
        return _parsed(file, path, where).mode not in GREY


def read_alpha(path: Path, where: str, of_itself: bool = False) -> np.ndarray:
    """The fourth channel of a picture that has one, or a grey picture, 8 or 16 bits -> float32 [H, W] in
    [0, 1], as it is shown. `of_itself`: the same file is the picture."""
    encoded, header = _opened(path, where)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    raw = _decoded(encoded, flags, path, where)
    if raw.dtype.kind != "u":
        raise UserError(f"{where}: alpha '{path}' holds {raw.dtype}; save it with 8 or 16 bits")
    if raw.ndim == 3:
        raw = _one_channel(raw, path, where, of_itself)
    most = np.iinfo(raw.dtype).max
    if raw.dtype == np.uint16 and 1 < raw.max() < 1 << 12:
        raise UserError(
            f"{where}: alpha '{path}' has 16 bits a value, and its largest is {raw.max()}: less than 1/16; save it so "
            f"that {most} stands for 1"
        )
    return _turned(raw.astype(np.float32) / most, header)


def _one_channel(raw: np.ndarray, path: Path, where: str, of_itself: bool) -> np.ndarray:
    grey = not (raw[..., :3] != raw[..., :1]).any()
    opaque = raw.shape[2] == 4 and bool((raw[..., 3] == np.iinfo(raw.dtype).max).all())
    if raw.shape[2] == 4 and not (opaque and grey and not of_itself):
        if opaque and not of_itself:
            raise UserError(
                f"{where}: alpha '{path}' is a colour picture that is opaque everywhere; save the alpha grey"
            )
        return raw[..., 3]
    if not grey:
        raise UserError(f"{where}: alpha '{path}' is a colour picture; save it grey, or as RGBA")
    return raw[..., 0]


def read_encoded(encoded: bytes, most: tuple[int, int], where: str) -> np.ndarray:
    """Where a picture that another file holds is not empty, bool [H, W]: its last channel, an alpha, or its one value a
    pixel. Raises UserError if it is higher or wider than `most`."""
    header = _parsed(io.BytesIO(encoded), Path("the picture in it"), where)
    width, height = header.size
    if height > most[0] or width > most[1]:
        raise UserError(
            f"{where}: the picture in it is {width}x{height}, larger than the {most[1]}x{most[0]} that it lies on; export it again"
        )
    try:
        values = np.array(header)
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        raise UserError(f"{where}: the picture in it is damaged ({error}); export it again") from error
    return (values if values.ndim == 2 else values.max(2) if values.shape[2] == 3 else values[..., -1]) > 0


def size_of(path: Path, where: str) -> tuple[int, int]:
    """Height and width, from the header, of the picture as it is shown: cameras turn it by a tag."""
    if not exists(path):
        raise UserError(f"{where}: '{path}' is no picture file; mend the path, or remove it")
    with path.open("rb") as file:
        header = _parsed(file, path, where)
        width, height = header.size
        return (width, height) if _orientation(header) >= 5 else (height, width)


def is_turned(path: Path, where: str) -> bool:
    """Does a tag swap the sides of the picture when it is shown?"""
    with path.open("rb") as file:
        return _orientation(_parsed(file, path, where)) >= 5


def write_image(path: Path, image: np.ndarray) -> None:
    """uint8 RGB [H, W, 3] or grey [H, W] -> a file of the kind that its ending names, whole or not at all."""
    encoded = cv2.imencode(
        path.suffix, np.ascontiguousarray(image[:, :, ::-1] if image.ndim == 3 else image)
    )[1]
    with atomic_file(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def as_picture(array: Any, what: str) -> np.ndarray:
    """A picture that a program gives -> uint8 RGB [H, W, 3]: grey ones get three channels, alphas go. Raises
    UserError for anything else."""
    picture = np.asarray(array)
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or not picture.size:
        raise UserError(
            f"{what}: an array of {picture.dtype} {list(picture.shape)}; give a path, or a picture as uint8 RGB [H, W, 3]"
        )
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    if picture.shape[2] not in (3, 4):
        raise UserError(f"{what}: a picture with {picture.shape[2]} channels; give uint8 RGB [H, W, 3]")
    return picture[..., :3]


def _opened(path: Path, where: str) -> tuple[np.ndarray, Image.Image]:
    """The bytes of a picture and its header."""
    if not exists(path):
        raise UserError(f"{where}: '{path}' is no picture file; mend the path, or remove it")
    try:
        encoded = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"{where}: '{path}' cannot be read ({error.strerror}); check it") from error
    return encoded, _parsed(io.BytesIO(encoded), path, where)


def _parsed(file: Any, path: Path, where: str) -> Image.Image:
    try:
        header = Image.open(file)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it") from error
    check_pixels(*header.size, f"{where}: '{path}'")
    return header


def _decoded(encoded: np.ndarray, flags: int, path: Path, where: str) -> np.ndarray:
    try:
        image = cv2.imdecode(encoded, flags)
    except (cv2.error, MemoryError):
        image = None
    if image is None:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it")
    return image


def _orientation(header: Image.Image) -> int:
    """The Exif tag; 1, nothing to do, for TIFF files, which the decoders turn themselves."""
    if header.format == "TIFF":
        return 1
    try:
        exif = Image.Exif()
        if header.format == "PNG":  # Pillow would decode the picture to look behind it, too
            exif.load(header.info.get("exif", b""))
        else:
            exif = header.getexif()
        found = exif.get(ORIENTATION, 1)
    except Exception:  # Exif data are whatever a camera or editor wrote
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turned(image: np.ndarray, header: Image.Image) -> np.ndarray:
    """[H, W, ...] as it is stored -> as it is shown."""
    tag = _orientation(header)
    if tag >= 5:
        image = np.swapaxes(image, 0, 1)
    if tag in (2, 3, 7, 8) if tag < 5 else tag in (6, 7):
        image = image[:, ::-1]
    if tag in (3, 4) if tag < 5 else tag in (7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
