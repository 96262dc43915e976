"""How the Python clients draw a result on its picture."""

import functools
from pathlib import Path

import cv2
import numpy as np

FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/Library/Fonts",
         "/System/Library/Fonts", "C:/Windows/Fonts")  # fmt: skip


PLAIN = (0, 160, 80)  # a background, RGB


def draw(picture, result, background=PLAIN):
    """uint8 RGB of the same size: the person on the background, a colour or a uint8 RGB picture of any size, classes in
    colours, boxes, or the label."""
    if "alpha" in result:
        alpha = result["alpha"][..., None] / 255
        behind = np.float64(background)
        if behind.ndim == 3:
            behind = covering(background, picture.shape[:2])
        return (alpha * picture + (1 - alpha) * behind).round().astype(np.uint8)
    if "mask" in result:
        hues = (np.arange(256) * 67 % 180).astype(np.uint8)
        colours = cv2.cvtColor(
            np.dstack([hues, np.full(256, 200), np.full(256, 230)]).astype(np.uint8), cv2.COLOR_HSV2RGB
        )[0]
        blended = (0.45 * picture + 0.55 * colours[result["mask"]]).round().astype(np.uint8)
        return np.where(result["mask"][..., None] == 0, picture, blended)  # class 0 stays clear
    drawn = np.ascontiguousarray(picture)
    size = max(12, picture.shape[1] // 50)  # of letters, as wide pictures are shown smaller
    for row in result.get("boxes", []):
        x1, y1, x2, y2 = (round(v) for v in row["box"])
        cv2.rectangle(drawn, (x1, y1), (x2, y2), (255, 255, 0), max(2, size // 7))
        _write(drawn, f"{row['label']} {row['score']:.2f}", (x1, max(size, y1 - 4)), size)
    if "top" in result:
        best = result["top"][0]
        _write(drawn, f"{best['label']} {100 * best['score']:.1f} %", (4, 3 * size // 2), size)
    return drawn


def covering(picture, size):
    """A picture, made to fill [height, width], what is too much cut off on both sides."""
    height, width = size
    if picture.shape[:2] == (height, width):
        return picture
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = max(1, round(height / scale)), max(1, round(width / scale))
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    part = picture[top : top + rows, left : left + columns]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _write(picture, text, place, size):
    """Text with its base at `place`. OpenCV's font has ASCII alone: what else there is needs Pillow, and a font
    of the system's that has the letters; without them it is written as numbers of its letters."""
    font = None if text.isascii() else _font_for(frozenset(c for c in text if not c.isascii()))
    if font is None:
        plain = text.encode("ascii", "backslashreplace").decode()
        cv2.putText(
            picture,
            plain,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            size / 24,
            (255, 255, 0),
            max(1, size // 14),
            cv2.LINE_AA,
        )
        return
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text(
        place, text, fill=(255, 255, 0), font=font.font_variant(size=size), anchor="ls"
    )
    picture[:] = np.asarray(image)


@functools.lru_cache(maxsize=256)
def _font_for(letters):
    """A font that draws each of these letters differently from a letter that no font has; or None."""
    try:
        from PIL import ImageFont
    except ImportError:
        return None
    for folder in FONTS:
        for path in sorted(Path(folder).expanduser().rglob("*.[to]t[fc]")):
            try:
                font = ImageFont.truetype(str(path), 16)
                none = bytes(font.getmask("\ufffe"))
            except OSError:
                continue
            if all(c.isspace() or bytes(font.getmask(c)) != none for c in letters):
                return font
    return None
