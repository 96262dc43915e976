"""Functions that Paddle 3.3 can no longer trace to a legacy Program, taught to do so again.

Some sixty functions (`sigmoid`, `matmul`, `multiply`, `sum`, ...) now go straight to the kernel
table `paddle._C_ops`, which knows nothing of legacy variables. Inside `legacy_kernels()` the
entries below append the operator that earlier Paddle appended; called with anything but a legacy
variable they are what they were.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paddle
from paddle import _C_ops
from paddle.base.framework import Variable
from paddle.base.layer_helper import LayerHelper

UNARY = "sigmoid tanh exp expm1 log log2 log10 log1p sqrt rsqrt abs floor ceil sign sin cos".split()
BINARY = {"multiply": "elementwise_mul", "maximum": "elementwise_max", "minimum": "elementwise_min"}


@contextmanager
def legacy_kernels() -> Iterator[None]:
    """Inside the block the functions of this file can be traced to a legacy Program."""
    held = [(owner, name, vars(owner)[name]) for owner, name in _holders()]
    try:
        for owner, name, kernel in held:
            setattr(owner, name, _either(KERNELS[name], kernel))
        yield
    finally:
        for owner, name, kernel in held:
            setattr(owner, name, kernel)


def _holders() -> list[tuple[Any, str]]:
    """Everything that has a kernel of this file: Paddle's table, the modules that imported it by value, and the class
    of legacy variables, whose methods some of them are."""
    own = {name: getattr(_C_ops, name) for name in KERNELS}
    modules = [module for key, module in list(sys.modules.items()) if key.split(".")[0] == "paddle"]
    return [
        (owner, name)
        for owner in (*modules, Variable)
        for name, kernel in own.items()
        if getattr(owner, "__dict__", {}).get(name) is kernel
    ]


def _either(build: Callable, kernel: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()))
        return (build if isinstance(first, Variable) else kernel)(*args, **kwargs)

    return call


def _append(kind: str, inputs: dict[str, Any], attrs: dict[str, Any] | None = None, dtype: Any = None) -> Any:
    helper = LayerHelper(kind)
    out = helper.create_variable_for_type_inference(dtype or next(iter(inputs.values())).dtype)
    named = {name: [value] for name, value in inputs.items()}
    helper.append_op(type=kind, inputs=named, outputs={"Out": [out]}, attrs=attrs or {})
    return out


def _logical(kind: str) -> Callable:
    return lambda x, y, name=None: _append(
        kind, {"X": x, "Y": y}, dtype=paddle.base.core.VarDesc.VarType.BOOL
    )


def _unary(kind: str) -> Callable:
    return lambda x, name=None: _append(kind, {"X": x})


def _binary(kind: str) -> Callable:
    return lambda x, y, name=None: _append(kind, {"X": x, "Y": y}, {"axis": -1})


def _matmul(x: Any, y: Any, transpose_x: bool = False, transpose_y: bool = False, name: Any = None) -> Any:
    return _append("matmul_v2", {"X": x, "Y": y}, {"trans_x": transpose_x, "trans_y": transpose_y})


def _reduce(kind: str) -> Callable:
    def build(x: Any, axis: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
        keep = next((a for a in args if isinstance(a, bool)), keepdim)
        dims = [axis] if isinstance(axis, int) else list(axis or [])
        return _append(kind, {"X": x}, {"dim": dims or [0], "keep_dim": keep, "reduce_all": not dims})

    return build


def _gelu(x: Any, approximate: bool = False, name: Any = None) -> Any:
    return _append("gelu", {"X": x}, {"approximate": approximate})


def _softplus(x: Any, beta: float = 1, threshold: float = 20, name: Any = None) -> Any:
    return _append("softplus", {"X": x}, {"beta": float(beta), "threshold": float(threshold)})


def _argmax(x: Any, axis: Any = None, keepdim: bool = False, dtype: str = "int64", name: Any = None) -> Any:
    flat = axis is None
    attrs = {"axis": 0 if flat else axis, "keepdims": keepdim, "flatten": flat, "dtype": 3}  # 3: int64
    return _append("arg_max", {"X": x}, attrs, paddle.base.core.VarDesc.VarType.INT64)


def _multiclass_nms3(
    boxes: Any, scores: Any, numbers: Any, score_threshold: float, nms_top_k: int, keep_top_k: int,
    nms_threshold: float, normalized: bool, nms_eta: float, background_label: int,
) -> tuple[Any, Any, Any]:  # fmt: skip
    helper = LayerHelper("multiclass_nms3")
    out = helper.create_variable_for_type_inference(boxes.dtype)
    index, counts = (helper.create_variable_for_type_inference("int32") for _ in range(2))
    attrs = {
        "score_threshold": score_threshold, "nms_top_k": nms_top_k, "keep_top_k": keep_top_k,
        "nms_threshold": nms_threshold, "normalized": normalized, "nms_eta": nms_eta,
        "background_label": background_label,
    }  # fmt: skip
    outputs = {"Out": [out], "Index": [index], "NmsRoisNum": [counts]}
    inputs = {"BBoxes": [boxes], "Scores": [scores]}
    helper.append_op(type="multiclass_nms3", inputs=inputs, outputs=outputs, attrs=attrs)
    return out, index, counts


KERNELS: dict[str, Callable] = {
    **{name: _unary(name) for name in UNARY},
    **{name: _binary(kind) for name, kind in BINARY.items()},
    "matmul": _matmul,
    "bmm": lambda x, y, name=None: _matmul(x, y),
    **{name: _logical(name) for name in ("logical_and", "logical_or", "logical_xor")},
    "sum": _reduce("reduce_sum"),
    "amax": _reduce("reduce_amax"),
    "amin": _reduce("reduce_amin"),
    "gelu": _gelu,
    "softplus": _softplus,
    "argmax": _argmax,
    "multiclass_nms3": _multiclass_nms3,
}
