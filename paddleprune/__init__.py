"""Sensitivity-analysis pruning of vision networks on PaddlePaddle.

    import paddleprune as pp
    model = pp.cls.MobileNetV2(num_classes=5)

The faces of api.py are here; they load Paddle when they are first used.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["UserError", "cls", "det", "seg", "matting", "datasets", "load_model", "slim", "transforms"]

from .errors import UserError


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'paddleprune' has no attribute '{name}'")
    from . import api

    return getattr(api, name)
