"""Names in a config become modules and classes: `model.name: foo` is `models/foo.py`.

No registry and no decorator: the file system and the module are the list of what exists.
"""

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from .errors import UserError


def suggest(name: str, valid: Iterable[str]) -> str:
    """'did you mean ...?' for a misspelt name, or the list of valid names."""
    names = sorted(valid)
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(names)}"


def module_names(package: ModuleType) -> list[str]:
    """Public module names directly inside `package`, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")


def find_module(package: ModuleType, name: str, key: str, names: Iterable[str] | None = None) -> ModuleType:
    """Import `package.name`, one of `names` if they are given. `key` is the config key that named it, for the
    error."""
    names = module_names(package) if names is None else list(names)
    if name not in names:
        raise UserError(f"{key}: '{str(name)[:80]}' is not known; {suggest(str(name)[:80], names)}")
    return importlib.import_module(f"{package.__name__}.{name}")


def construct(factory: Any, arguments: dict, key: str) -> Any:
    """Call `factory(**arguments)`; a wrong or missing argument is a UserError naming `key`."""
    try:
        if not all(isinstance(name, str) for name in arguments):
            raise TypeError("names of arguments must be texts")
        inspect.signature(factory).bind(**arguments)
    except TypeError as error:
        valid = ", ".join(p for p in inspect.signature(factory).parameters)
        raise UserError(f"{key}: {error}; its arguments are: {valid or 'none'}") from error
    try:
        return factory(**arguments)
    except UserError:
        raise
    except Exception as error:  # whatever a library makes of values that do not fit
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise UserError(f"{key}: {reason[:200]}; the values {str(arguments)[:200]} do not fit") from error
