"""Read pickles of other tools without running anything from them.

`.pdparams` weights and PaddleSlim's sensitivities are pickles, and a pickle is a program. This
unpickler knows how to rebuild dicts, lists, strings, numbers and numpy arrays; a file that asks
for anything else is refused before a line of it has run.
"""

import functools
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from .errors import UserError
from .texts import read_bytes

MAX_BYTES = 4 * 2**30
MAX_PARTS = 1_000_000


class _Refused(Exception):
    pass


class SlimStatus:
    """Stands for PaddleSlim's `Status` object: attributes and no behaviour."""

    sensitivies: dict  # PaddleSlim's own spelling


class _DType:
    """Stands for a numpy dtype of numbers."""

    def __init__(self, name: Any, *flags: Any):
        if not isinstance(name, str) or np.dtype(name).kind not in "biuf":
            raise _Refused("a numpy array of something else than numbers")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        if any(part is not None for part in state[2:5]):
            raise _Refused("a numpy array of records")
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """Stands for a numpy array until the file is read; then `plain` takes its array."""

    array: np.ndarray

    def __init__(self, subtype: Any, shape: Any, typecode: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, columns_first, raw = state
        if not isinstance(dtype, _DType):
            raise _Refused("a numpy array of something else than numbers")
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        flat = np.frombuffer(raw, dtype.dtype)
        array = flat.reshape(shape, order="F" if columns_first else "C")
        self.array = array.astype(dtype.dtype.newbyteorder("="))


def _scalar(dtype: Any, raw: Any) -> Any:
    if not isinstance(dtype, _DType):
        raise _Refused("a numpy scalar of something else than numbers")
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.frombuffer(raw, dtype.dtype)[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the encoding {encoding!r}")
    return text.encode("latin1")


def _allowed(module: str, name: str) -> Any:
    """A stand-in for a class or function. A new one each time: a pickle can write attributes of
    whatever it has been given."""
    if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        if name == "_reconstruct":
            return type("_Array", (_Array,), {})
        if name == "scalar":
            return functools.partial(_scalar)
    if (module, name) == ("numpy", "ndarray"):
        return object()  # only ever an argument of _reconstruct
    if (module, name) == ("numpy", "dtype"):
        return type("_DType", (_DType,), {})
    if (module, name) == ("_codecs", "encode"):
        return functools.partial(_encode)
    if (module, name) == ("collections", "OrderedDict"):
        return type("_Dict", (dict,), {})
    if module in ("builtins", "__builtin__") and name == "tuple":
        return tuple
    if (module, name) == ("paddleslim.dygraph.prune.filter_pruner", "Status"):
        return type("SlimStatus", (SlimStatus,), {})
    raise _Refused(f"'{module}.{name}'")


def _plain(value: Any, parts: list[int] | None = None) -> Any:
    """The value with arrays in the place of their stand-ins. A list may hold another one many times, so a few
    bytes can unfold to any size: `parts` counts what is left of `MAX_PARTS`."""
    parts = [MAX_PARTS] if parts is None else parts
    parts[0] -= 1
    if parts[0] < 0:
        raise _Refused(f"more than {MAX_PARTS} values")
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {_plain(k, parts): _plain(v, parts) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v, parts) for v in value)
    if isinstance(value, SlimStatus):
        value.__dict__.update({k: _plain(v, parts) for k, v in vars(value).items()})
        return value
    if isinstance(value, (str, bytes, int, float, type(None))):
        return value
    raise _Refused(f"a bare {type(value).__name__}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _allowed(module, name)


def load(path: str | Path, what: str) -> Any:
    """The plain value in the pickle `path`. `what` names the file in errors, e.g. 'weights'.

    Raises UserError if the file is missing, no pickle, too large, or asks for any class or
    function but those that rebuild plain values and numpy arrays.
    """
    path = Path(path)
    raw = read_bytes(path, what, MAX_BYTES)
    try:
        return _plain(_Unpickler(io.BytesIO(raw), encoding="latin1").load())
    except _Refused as refused:
        raise UserError(
            f"{what} '{path}' asks to load {refused}, which could run code; it was refused. "
            "Only dicts, lists, strings, numbers and numpy arrays are read"
        ) from refused
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise UserError(
            f"{what} '{path}' cannot be read ({type(error).__name__}); it is damaged or another kind of file"
        ) from error
