"""Picture files: find, read, write."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import atomic_file

ORIENTATION = 0x0112  # Exif tag; from 5 on the sides are swapped
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def find_images(path: str | Path, where: str = "--image") -> list[Path]:
    """A picture, or the pictures directly inside a folder, by name. Raises UserError if none; `where` begins
    it."""
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(p for p in path.glob("*") if p.suffix.lower() in ENDINGS) if path.is_dir() else []
    if not found:
        raise UserError(
            f"{where}: '{path}' is no picture and no folder with any ({', '.join(ENDINGS)}); check the path"
        )
    return found


def read_image(path: Path, where: str) -> np.ndarray:
    """An image file -> uint8 RGB [H, W, 3]. `where` begins the error if it cannot be decoded."""
    encoded = np.fromfile(path, np.uint8)
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if image is None:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def size_of(path: Path, where: str) -> tuple[int, int]:
    """Height and width, from the header, of the picture as it is shown: cameras turn it by a tag."""
    try:
        with Image.open(path) as opened:
            turned = opened.getexif().get(ORIENTATION, 1) >= 5
            return opened.size if turned else opened.size[::-1]
    except OSError as error:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it") from error


def write_image(path: Path, image: np.ndarray) -> None:
    """uint8 RGB [H, W, 3] or grey [H, W] -> a file of the kind that its ending names, whole or not at all."""
    encoded = cv2.imencode(
        path.suffix, np.ascontiguousarray(image[:, :, ::-1] if image.ndim == 3 else image)
    )[1]
    with atomic_file(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
