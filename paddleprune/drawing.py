"""Text on pictures, in whatever script the class names are written."""

import functools
import importlib.util
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

log = logging.getLogger(__name__)
# Fonts that packages bring along: (package, file inside it).
BUNDLED = (("mplfonts", "fonts/NotoSansCJKsc-Regular.otf"), ("matplotlib_fontja", "fonts/ipaexg.ttf"))
WIDE = ("noto sans cjk", "source han sans", "wenquanyi", "wqy", "pingfang", "microsoft yahei", "simhei", "msyh",
        "droid sans fallback", "arial unicode", "noto sans", "nanum", "malgun", "hiragino")  # fmt: skip
INSTALL = "pip install mplfonts"


def letter_size(width: int) -> int:
    """Pixels of letters that can be read on a picture so wide, also when it is shown smaller."""
    return max(12, round(width / 50))


def put_text(
    picture: np.ndarray, text: str, left: float, baseline: float, size: int, colour: tuple[int, int, int]
) -> None:
    """Write `text` into uint8 RGB [H, W, 3], in place; letters `size` pixels high, what lies outside is cut."""
    font = _font(text, size)
    box = font.getbbox(text, anchor="ls")
    x1, y1 = max(0, int(left + box[0]) - 1), max(0, int(baseline + box[1]) - 1)
    x2, y2 = int(left + box[2]) + 2, int(baseline + box[3]) + 2
    part = np.ascontiguousarray(picture[y1:y2, x1:x2])
    if part.size:
        image = Image.fromarray(part)
        ImageDraw.Draw(image).text((left - x1, baseline - y1), text, fill=colour, font=font, anchor="ls")
        picture[y1:y2, x1:x2] = np.asarray(image)


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height above the baseline, in pixels, of `text` as `put_text` writes it."""
    box = _font(text, size).getbbox(text, anchor="ls")
    return int(box[2]), int(-box[1])


@functools.lru_cache(maxsize=512)
def _font(text: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_file_for(frozenset(c for c in text if not c.isascii()))), size)


@functools.lru_cache(maxsize=512)
def _file_for(letters: frozenset[str]) -> Path:
    """The first font that has all letters; if none has, the usual one, and that is said."""
    best, missing = None, len(letters) + 1
    for path in _candidates():
        lacking = len([c for c in letters if ord(c) not in _covered(path) and not c.isspace()])
        if lacking < missing:
            best, missing = path, lacking
        if not lacking:
            break
    assert best is not None, "matplotlib brings a font"
    if missing:
        _say_once()
    return best


@functools.lru_cache(maxsize=1)
def _say_once() -> None:
    log.warning("no font on this machine has all letters of the class names; %s brings one", INSTALL)


def _candidates() -> Iterator[Path]:
    """Fonts, the likeliest first; the list of the system's is only made where it is needed."""
    from matplotlib import font_manager, get_data_path

    yield Path(get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    for package, name in BUNDLED:
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None and (Path(found.origin).parent / name).is_file():
            yield Path(found.origin).parent / name
    known = [entry for entry in font_manager.fontManager.ttflist if Path(entry.fname).is_file()]
    for words in (WIDE, ("",)):
        yield from (Path(e.fname) for e in known if any(word in e.name.lower() for word in words))


@functools.cache
def _covered(path: Path) -> frozenset[int]:
    """The letters, as numbers, that a font has."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(str(path), fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or {})
    except Exception:  # a damaged font file of the system's
        return frozenset()
