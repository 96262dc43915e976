"""The only training loop. What else happens (evaluation, files, bars) are hooks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import paddle
from paddle import nn

from ..config import TrainConfig
from ..data.dataset import Batches
from ..errors import UserError
from ..processor import kept_memory
from ..tasks._base import Task
from . import ranks
from .checkpoint import State
from .depthwise import fast_depthwise


@dataclass
class Run:
    """One training run: what `fit` and the hooks share."""

    network: nn.Layer
    task: Task
    batches: Batches
    train: TrainConfig
    optimizer: Any
    schedule: Any
    state: State = field(default_factory=State)
    loss: Any = None  # (network, batch) -> losses; the task's, if none is given
    helpers: nn.LayerList = field(default_factory=nn.LayerList)  # what methods train along
    stop: str = ""  # a hook that writes a reason here ends the run after this epoch

    def __post_init__(self) -> None:
        self.loss = self.loss or self.task.loss

    def parameters(self) -> list[paddle.Tensor]:
        return [*self.network.parameters(), *self.helpers.parameters()]

    @property
    def total_steps(self) -> int:
        return self.train.epochs * len(self.batches)


class Hook:
    """Called by `fit` in the order of the list. Does nothing by default."""

    def before(self, run: Run) -> None: ...

    def after_backward(self, run: Run) -> None: ...

    def after_step(self, run: Run, losses: dict[str, float]) -> None: ...

    def after_epoch(self, run: Run) -> None: ...

    def after(self, run: Run) -> None: ...


def fit(run: Run, hooks: list[Hook]) -> None:
    """Train from `run.state` to the last epoch.

    The randomness of a step is a function of (seed, step), so a resumed run repeats exactly what
    an unbroken one does. Raises UserError when the loss or the gradient is no longer finite,
    before the weights are touched.
    """
    with kept_memory():
        _fit(run, hooks)


def _fit(run: Run, hooks: list[Hook]) -> None:
    for hook in hooks:
        hook.before(run)
    try:
        if run.train.epochs == 0:  # nothing to train: judge and save the network as it is
            for hook in hooks:
                hook.after_epoch(run)
        for epoch in range(run.state.epoch, run.train.epochs):
            if run.stop:
                break
            with fast_depthwise(run.network):
                for batch in run.batches.epoch(epoch, start=run.state.batch):
                    losses = step(run, batch, hooks)
                    for hook in hooks:
                        hook.after_step(run, losses)
            run.state.epoch, run.state.batch = epoch + 1, 0
            for hook in hooks:
                hook.after_epoch(run)
    finally:
        for hook in hooks:
            hook.after(run)


def step(run: Run, batch: dict, hooks: Sequence[Hook] = ()) -> dict[str, float]:
    """Forward, backward, update; the losses as numbers."""
    paddle.seed(run.train.seed * 1_000_003 + run.state.step)
    run.network.train()
    run.helpers.train()
    losses = run.loss(run.network, batch)
    losses["loss"].backward()
    ranks.average([*losses.values(), *(p.grad for p in run.parameters())])
    for hook in hooks:
        hook.after_backward(run)
    values = {name: float(value) for name, value in losses.items()}
    _refuse_not_finite(run, values["loss"])
    ranks.average_statistics(run.network)
    run.optimizer.step()
    run.optimizer.clear_grad()
    run.schedule.step()
    run.state.batch += 1
    run.state.step += 1
    return values


def make_optimizer(
    network: nn.Layer, train: TrainConfig, steps_per_epoch: int, helpers: Sequence[nn.Layer] = ()
) -> tuple[Any, Any]:
    """(optimizer, schedule), also of what `helpers` have. Weight decay as the optimizer of that name defines it."""
    schedule = make_schedule(train, steps_per_epoch)
    clip = nn.ClipGradByGlobalNorm(train.clip_norm) if train.clip_norm else None
    every = [p for layer in (network, *helpers) for p in layer.parameters()]
    parameters = [p for p in every if not p.stop_gradient]
    common = {"learning_rate": schedule, "parameters": parameters, "grad_clip": clip}
    if train.optimizer == "momentum":
        return paddle.optimizer.Momentum(
            momentum=train.momentum, weight_decay=train.weight_decay, **common
        ), schedule
    kind = paddle.optimizer.Adam if train.optimizer == "adam" else paddle.optimizer.AdamW
    return kind(weight_decay=train.weight_decay, **common), schedule


def make_schedule(train: TrainConfig, steps_per_epoch: int) -> Any:
    """A scheduler whose rate is a pure function of the step, so that resuming is exact."""
    return paddle.optimizer.lr.LambdaDecay(
        train.learning_rate, lambda step: rate_at(step, train, steps_per_epoch)
    )


def rate_at(step: int, train: TrainConfig, steps_per_epoch: int) -> float:
    """The factor on the learning rate at `step`: a rise from 0 in the warm-up, then the schedule.

    With 100 steps, 10 of them warm-up: step 0 -> 0.1, step 9 -> 1.0; cosine at step 55, half way
    through the remaining 90: (1 + cos(pi / 2)) / 2 = 0.5.
    """
    warmup = round(train.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, train.epochs * steps_per_epoch - warmup)
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * min(1.0, done))) / 2
    if train.schedule == "linear":
        return max(0.0, 1 - done)
    if train.schedule == "step":
        return 0.1 ** sum(step >= epoch * steps_per_epoch for epoch in train.step_epochs)
    return 1.0


def _refuse_not_finite(run: Run, loss: float) -> None:
    squares = [p.grad.square().sum() for p in run.parameters() if p.grad is not None]
    norm = float(paddle.add_n(squares).sqrt()) if squares else 0.0
    if _finite(loss) and _finite(norm):
        return
    what = f"loss is {loss}" if not _finite(loss) else f"gradient's norm is {norm}"
    raise UserError(
        f"training stopped: the {what} in epoch {run.state.epoch + 1}, step {run.state.step + 1}, "
        f"at learning rate {run.optimizer.get_lr():.3g}; the last good checkpoint is kept. "
        "Lower train.learning_rate or set train.clip_norm=5"
    )


def _finite(value: float) -> bool:
    return abs(value) < float("inf")
