"""Picture files: find, read, write."""

from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from ..files import atomic_file

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def find_images(path: str | Path) -> list[Path]:
    """A picture, or the pictures directly inside a folder, by name. Raises UserError if none."""
    path = Path(path)
    if path.is_file():
        return [path]
    found = sorted(p for p in path.glob("*") if p.suffix.lower() in ENDINGS) if path.is_dir() else []
    if not found:
        raise UserError(
            f"--image: '{path}' is no picture and no folder with any ({', '.join(ENDINGS)}); check the path"
        )
    return found


def read_image(path: Path, where: str) -> np.ndarray:
    """An image file -> uint8 RGB [H, W, 3]. `where` begins the error if it cannot be decoded."""
    encoded = np.fromfile(path, np.uint8)
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if image is None:
        raise UserError(f"{where}: '{path}' is not a readable image; replace or remove it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_image(path: Path, image: np.ndarray) -> None:
    """uint8 RGB [H, W, 3] or grey [H, W] -> a file of the kind that its ending names, whole or not at all."""
    encoded = cv2.imencode(
        path.suffix, np.ascontiguousarray(image[:, :, ::-1] if image.ndim == 3 else image)
    )[1]
    with atomic_file(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
