"""What each operator does to channels: {kind: rule}."""

from ..walk import Rule
from . import layers, mixers, moves, points, products, shapes

RULES: dict[str, Rule] = {
    **points.RULES,
    **shapes.RULES,
    **moves.RULES,
    **layers.RULES,
    **mixers.RULES,
    **products.RULES,
}
