"""What differs by the way of training: a method changes the loss, or what happens around a step (_base.py)."""

from ._base import Method
from .distill import Distill
from .keep_zeros import KeepZeros

__all__ = ["Distill", "KeepZeros", "Method"]
