"""What a network costs, in numbers."""

from dataclasses import asdict, dataclass

BYTES = 4  # of a number in a file, float32


@dataclass(frozen=True)
class Cost:
    """`params`: count of trainable and frozen parameters, batch-norm statistics not included.
    `macs`: multiply-accumulates of convolutions and linear layers for ONE image.
    `size_bytes`: the weights as float32, batch-norm statistics included (what a file holds)."""

    params: int
    macs: int
    size_bytes: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def is_statistic(name: str) -> bool:
    """Is `name` a running mean or variance? Paddle keeps them among the parameters."""
    return name.rsplit(".", 1)[-1] in ("_mean", "_variance")
