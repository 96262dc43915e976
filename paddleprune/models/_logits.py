"""Heads of networks that give logits: one class a picture, or one a pixel."""

from collections.abc import Mapping, Sequence
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..data.transforms.paired import IGNORE
from ..errors import UserError
from ..lookup import suggest
from ._head import HELPERS, First, Head, class_count, divergence, main_and_helpers

# Without --no-deps pip lays an older OpenCV over ours, and neither works then.
INSTALL = "pip install --no-deps paddleseg==2.8.0"
CROSS_ENTROPY = {"CrossEntropyLoss": 1.0}
# PaddleSeg's losses of logits and masks that run on Paddle 3
LOSSES = (
    "CrossEntropyLoss",
    "DiceLoss",
    "LovaszSoftmaxLoss",
    "OhemCrossEntropyLoss",
    "SemanticConnectivityLoss",
)


class Pictures(Head):
    """Networks map [N, 3, H, W] to logits [N, classes], perhaps in a list with helpers; the deployed one to
    probabilities. `label_smoothing` as in Szegedy et al. 2016 (arXiv 1512.00567, section 7)."""

    options = ("label_smoothing",)

    def __init__(self, labels: list[str], label_smoothing: float = 0.0):
        super().__init__(labels)
        self.label_smoothing = label_smoothing

    def arguments(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def loss(self, network: nn.Layer, outputs: Any, batch: dict) -> dict[str, paddle.Tensor]:
        """Cross-entropy in nats, mean over the batch."""
        logits, helpers = main_and_helpers(outputs)
        labels = paddle.to_tensor(batch["label"])
        of = lambda found: F.cross_entropy(found, labels, label_smoothing=self.label_smoothing)  # noqa: E731
        return {"loss": of(logits) + HELPERS * sum(of(found) for found in helpers)}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        return divergence(said[0], wanted[0], -1)

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return First(network, nn.Softmax(axis=-1))


class Pixels(Head):
    """Networks map [N, 3, H, W] to logits [N, classes, H, W], perhaps in a list with helpers; the deployed one to
    probabilities.

    `losses`: PaddleSeg's loss classes and their weights in the sum, e.g. {"CrossEntropyLoss": 0.8,
    "LovaszSoftmaxLoss": 0.2}; cross-entropy alone if none is given. Pixels of class 255 count in none.
    """

    options = ("losses",)

    def __init__(self, labels: list[str], losses: Mapping[str, float] | None = None):
        super().__init__(labels)
        self.losses = [
            (_weight(name, weight), _loss(name)) for name, weight in (losses or CROSS_ENTROPY).items()
        ]

    def arguments(self, given: dict) -> dict:
        return class_count(given, self.labels)

    def loss(self, network: nn.Layer, outputs: Any, batch: dict) -> dict[str, paddle.Tensor]:
        logits, helpers = main_and_helpers(outputs)
        masks = paddle.to_tensor(batch["mask"].astype("int64"))

        def of(found: paddle.Tensor) -> paddle.Tensor:
            if found.shape[2:] != masks.shape[1:]:
                found = F.interpolate(found, masks.shape[1:], mode="bilinear")
            # each loss gets masks of its own: some of PaddleSeg's write into them
            return sum(weight * loss(found, masks.clone()) for weight, loss in self.losses)

        return {"loss": of(logits) + HELPERS * sum(of(found) for found in helpers)}

    def apart(
        self, said: Sequence[paddle.Tensor], wanted: Sequence[paddle.Tensor], batch: dict
    ) -> paddle.Tensor:
        return divergence(said[0], wanted[0], 1)

    def deployed(self, network: nn.Layer) -> nn.Layer:
        return First(network, nn.Softmax(axis=1))


def _weight(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight <= 0:
        raise UserError(f"train.losses: the weight of {name} is {weight!r}; it must be a number above 0")
    return float(weight)


def _loss(name: str) -> Any:
    """A function of (logits, masks) that ignores class 255. Raises UserError for an unknown name.

    PaddleSeg's own CrossEntropyLoss mixes types that Paddle 3 no longer mixes; Paddle's is the same
    mean over the pixels that count.
    """
    if name not in LOSSES:
        raise UserError(f"train.losses: '{name}' is not known; {suggest(name, LOSSES)}")
    if name in CROSS_ENTROPY:
        return lambda logits, masks: F.cross_entropy(logits, masks, axis=1, ignore_index=IGNORE)
    try:
        from paddleseg.cvlibs import manager
    except ImportError as error:
        raise UserError(
            f"train.losses: PaddleSeg cannot be imported ({error}); install it with: {INSTALL}"
        ) from error

    return manager.LOSSES[name](ignore_index=IGNORE)
