"""Read pickles of other tools without running anything from them.

`.pdparams` weights and PaddleSlim's sensitivities are pickles, and a pickle is a program. This
unpickler knows how to rebuild dicts, lists, strings, numbers and numpy arrays; a file that asks
for anything else is refused before a line of it has run.
"""

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError

MAX_BYTES = 4 * 2**30


class _Refused(Exception):
    pass


class SlimStatus:
    """Stands for PaddleSlim's `Status` object: attributes and no behaviour."""

    sensitivies: dict  # PaddleSlim's own spelling


def _reconstruct(subtype: Any, shape: tuple, typecode: Any) -> np.ndarray:
    if subtype is not np.ndarray or tuple(shape) != (0,):
        raise _Refused("a numpy array of an unusual kind")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _scalar(dtype: np.dtype, raw: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(raw, bytes):
        raise _Refused("a numpy scalar of an unusual kind")
    return np.frombuffer(raw, dtype)[0]


def _dtype(name: Any, *flags: Any) -> np.dtype:
    if not isinstance(name, str) or np.dtype(name).hasobject:
        raise _Refused("a numpy array of objects")
    return np.dtype(name)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the encoding {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("paddleslim.dygraph.prune.filter_pruner", "Status"): SlimStatus,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[(_module, "_reconstruct")] = _reconstruct
    _ALLOWED[(_module, "scalar")] = _scalar


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[(module, name)]
        except KeyError:
            raise _Refused(f"'{module}.{name}'") from None


def load(path: str | Path, what: str) -> Any:
    """The plain value in the pickle `path`. `what` names the file in errors, e.g. 'weights'.

    Raises UserError if the file is missing, no pickle, too large, or asks for any class or
    function but those that rebuild plain values and numpy arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{what} '{path}' does not exist; check the path")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{what} '{path}' is larger than {MAX_BYTES >> 30} GiB; it was not read")
    try:
        return _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except _Refused as refused:
        raise UserError(
            f"{what} '{path}' asks to load {refused}, which could run code; it was refused. "
            "Only dicts, lists, strings, numbers and numpy arrays are read"
        ) from refused
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(
            f"{what} '{path}' cannot be read ({type(error).__name__}); it is damaged or another kind of file"
        ) from error
