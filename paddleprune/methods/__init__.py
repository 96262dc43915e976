"""What differs by the way of training: a method changes the loss, or what happens around a step (_base.py)."""

from ._base import Method
from .distill import Distill
from .features import Features
from .keep_zeros import KeepZeros
from .sparsity import Sparsity

__all__ = ["Distill", "Features", "KeepZeros", "Method", "Sparsity"]
