"""One training in several processes ("ranks"), each with a part of every batch.

    python -m paddle.distributed.launch --nproc_per_node 2 tools/train.py --config ...

Gradients, losses and batch-norm statistics are averaged after each step, so all ranks stay equal;
evaluation shares out the images and joins the meters; rank 0 alone writes. Batch norms normalise
with the statistics of their rank's part of the batch. nccl on GPUs, gloo on CPUs. In a single
process every function here does nothing.
"""

import os
from collections.abc import Iterable

import numpy as np
import paddle
from paddle import nn

from ..channels.cost import is_statistic
from ..errors import UserError
from ..metrics._base import Metric


def rank() -> int:
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def size() -> int:
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def join(batch_size: int, images: int) -> None:
    """Meet the other ranks. Raises UserError if a batch of so many images cannot be shared equally."""
    if size() == 1:
        return
    if batch_size % size() or images < batch_size:
        raise UserError(
            f"data.batch_size: {batch_size} images cannot be shared equally by {size()} processes, or there "
            f"are fewer images ({images}); set it to a multiple of {size()} that the data can fill"
        )
    if not paddle.distributed.is_initialized():
        paddle.distributed.init_parallel_env()


def average(tensors: Iterable[paddle.Tensor]) -> None:
    """Replace each tensor by its mean over the ranks, in one message."""
    group = [tensor for tensor in tensors if tensor is not None]
    if size() == 1 or not group:
        return
    flat = paddle.concat([tensor.detach().astype("float32").reshape([-1]) for tensor in group])
    paddle.distributed.all_reduce(flat)
    parts = paddle.split(flat / size(), [int(np.prod(tensor.shape)) for tensor in group])
    for tensor, part in zip(group, parts, strict=True):
        tensor.set_value(part.reshape(tensor.shape).astype(tensor.dtype))


def average_statistics(network: nn.Layer) -> None:
    """Replace the running statistics of normalisations by their means over the ranks."""
    average(tensor for name, tensor in network.state_dict().items() if is_statistic(name))


def joined(meter: Metric) -> Metric:
    """The meter with the images of all ranks, in the order of the ranks."""
    if size() == 1:
        return meter
    meters: list[Metric] = []
    paddle.distributed.all_gather_object(meters, meter)
    whole = meters[0]
    for other in meters[1:]:
        whole.merge(other)
    return whole
