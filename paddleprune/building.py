"""A plain dict, as YAML reads it -> a frozen dataclass. What is not a field is an error that names its dotted key."""

import contextlib
import dataclasses
import math
import types
import typing
from typing import Any

from .errors import UserError
from .lookup import suggest


def build(cls: type, raw: Any, prefix: str) -> Any:
    """`prefix`: the dotted key of what is built, empty at the top. Raises UserError for an unknown, missing or wrong one."""
    if not isinstance(raw, dict):
        raise UserError(f"{prefix or 'config'}: expected a mapping of keys, got {str(raw)[:80]!r}")
    hints = typing.get_type_hints(cls)
    for key in raw:
        if key not in hints:
            raise UserError(f"{_dotted(prefix, str(key)[:80])}: unknown key; {suggest(key, hints)}")
    values = {k: _convert(hints[k], v, _dotted(prefix, k)) for k, v in raw.items()}
    for f in dataclasses.fields(cls):
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and f.name not in values:
            raise UserError(f"{_dotted(prefix, f.name)}: missing; add it to the config or use --set")
    return cls(**values)


def _convert(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, key)
    origin = typing.get_origin(hint) or hint
    if origin is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
        with contextlib.suppress(ValueError):
            value = float(value)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if origin is float and isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{key}: {value} is out of range; it must be a finite number")
    wrong = not isinstance(value, origin) or (origin is int and isinstance(value, bool))
    inner = typing.get_args(hint)
    if wrong or (inner and not all(isinstance(item, inner[0]) for item in value)):
        name = str(hint) if isinstance(hint, types.GenericAlias) else hint.__name__
        raise UserError(f"{key}: expected {name}, got {_shown(value)}")
    if inner and inner[0] is int and any(isinstance(item, bool) for item in value):
        raise UserError(f"{key}: expected {hint}, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _dotted(prefix: str, key: object) -> str:
    return f"{prefix}.{key}" if prefix else str(key)
