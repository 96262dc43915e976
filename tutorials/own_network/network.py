"""A network of one's own: patches, attention, a convolution over the tokens. No file of paddleprune knows it."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class Attention(nn.Layer):
    """The number of heads is fixed; how wide a head is, is read from shapes, so that it can be pruned."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        n, tokens = x.shape[:2]
        q, k, v = self.qkv(x).reshape([n, tokens, 3, self.heads, -1]).transpose([2, 0, 3, 1, 4])
        weights = F.softmax(q @ k.transpose([0, 1, 3, 2]) * self.scale, -1)
        return self.proj((weights @ v).transpose([0, 2, 1, 3]).reshape([n, tokens, -1]))


class Network(nn.Layer):
    """[N, 3, 32, 32] -> logits [N, num_classes]."""

    def __init__(self, num_classes: int = 10, width: int = 48):
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2D(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2D(32, width, 3, 2, 1))
        self.place = self.create_parameter([1, 64, width])
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 3)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.tokens = nn.Conv1D(width, 64, 3, padding=1)
        self.head = nn.Linear(64, num_classes)

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        x = self.patches(image).flatten(2).transpose([0, 2, 1]) + self.place
        x = x + self.attention(self.norm1(x))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(F.relu(self.tokens(x.transpose([0, 2, 1]))).mean(2))


def build(num_classes: int = 10) -> nn.Layer:
    """What `model.name: network:build` in a config calls."""
    return Network(num_classes)
