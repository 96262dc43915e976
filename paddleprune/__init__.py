"""Sensitivity-analysis pruning of vision networks on PaddlePaddle.

    import paddleprune as pp
    model = pp.cls.MobileNetV2(num_classes=5)            # PaddleX's way, for the models that come with it
    pruner = pp.Pruner(network, (3, 224, 224))            # for any paddle.nn.Layer

What is named here loads Paddle when it is first used.
"""

import importlib
from typing import Any

from .errors import UserError
from .processor import use_avx

__version__ = "0.1.0"
use_avx()
FACES = ["cls", "det", "seg", "matting", "load_model", "slim"]
PLACES = {
    "Pruner": "pruner",
    "Plan": "pruning.plan",
    "narrow": "pruning.narrow",
    **dict.fromkeys(FACES, "api"),
    "datasets": "data_faces",
    "transforms": "data_faces",
}
__all__ = ["UserError", *PLACES]


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'paddleprune' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{PLACES[name]}", __name__), name)
