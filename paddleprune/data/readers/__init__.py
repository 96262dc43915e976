"""One file a layout; `data.reader: foo` in a config is `data/readers/foo.py`.

Each has a class `Reader(root, list_file, labels)` with `len()`, `labels`, `fingerprint`, `files` (the
pictures), and `read(i) -> dict` whose "image" is uint8 RGB [H, W, 3]; where images have a class, `stratum(i)`
gives it. `check(i)` finds the faults that `read(i)` would, faster, and gives the counts of each class, in
`unit`s; one more count at the end is what belongs to none. Transforms come after: `data.dataset`.
"""

import sys
from typing import Any

from ...lookup import find_module


def find_reader(name: str) -> Any:
    """The class `Reader` of `readers/<name>.py`. Raises UserError for an unknown name."""
    return find_module(sys.modules[__name__], name, "data.reader").Reader
