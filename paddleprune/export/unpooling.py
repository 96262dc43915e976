"""Max-pooling that says where its maxima were, and unpooling, in operators that every runtime has.

Of Paddle Lite, ONNX and OpenVINO none takes Paddle's own. Of windows of 2 x 2, by far the most usual ones, the places
are four masks of the pooled size, one a corner of the window, and unpooling puts value times mask back to each corner.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
import paddle.nn.functional as F

Masks = list[paddle.Tensor]


@contextmanager
def portable_unpooling() -> Iterator[None]:
    """Inside the block `F.max_pool2d(..., return_mask=True)` of 2 x 2 gives masks for places, and
    `F.max_unpool2d` takes them."""
    pool, unpool = F.max_pool2d, F.max_unpool2d

    def pooled(
        x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, return_mask: bool = False, *rest: Any,
        **more: Any,
    ) -> Any:  # fmt: skip
        if (
            return_mask
            and _two(kernel_size)
            and _two(stride or kernel_size)
            and not (padding or rest or more)
        ):
            return _pooled(x)
        return pool(x, kernel_size, stride, padding, return_mask, *rest, **more)

    def unpooled(x: Any, indices: Any, *args: Any, output_size: Any = None, **more: Any) -> Any:
        if isinstance(indices, list):
            return _unpooled(x, indices, output_size)
        return unpool(x, indices, *args, output_size=output_size, **more)

    F.max_pool2d, F.max_unpool2d = pooled, unpooled
    try:
        yield
    finally:
        F.max_pool2d, F.max_unpool2d = pool, unpool


def _two(size: int | Sequence[int]) -> bool:
    return size == 2 or (not isinstance(size, int) and list(size) == [2, 2])


def _pooled(x: paddle.Tensor) -> tuple[paddle.Tensor, Masks]:
    """x [N, C, H, W] -> its maxima [N, C, H // 2, W // 2], and where they are: a mask a corner, of which the first
    that holds the maximum is 1."""
    height, width = (2 * (n // 2) for n in x.shape[2:])
    corners = [x[:, :, row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
    most = paddle.maximum(paddle.maximum(corners[0], corners[1]), paddle.maximum(corners[2], corners[3]))
    masks: Masks = []
    left = None  # 1 where no corner before held it
    for corner in corners[:3]:
        has = (corner == most).astype("float32")
        masks.append(has if left is None else has * left)
        left = 1 - masks[-1] if left is None else left - masks[-1]
    return most, [*masks, left]


def _unpooled(x: paddle.Tensor, masks: Masks, size: Sequence[int] | None) -> paddle.Tensor:
    """x [N, C, h, w] -> [N, C, *size], by default [N, C, 2 h, 2 w]: zeros but at the places."""
    channels, height, width = x.shape[1:]
    put = [x * mask for mask in masks]
    rows = [paddle.stack(put[i : i + 2], 4).reshape([-1, channels, height, 2 * width]) for i in (0, 2)]
    whole = paddle.stack(rows, 3).reshape([-1, channels, 2 * height, 2 * width])
    for axis, length in zip((2, 3), size or (), strict=False):  # an odd one: the last row was in no window
        if length > whole.shape[axis]:
            nothing = 0 * paddle.slice(whole, [axis], [0], [length - whole.shape[axis]])
            whole = paddle.concat([whole, nothing], axis)
    return whole
