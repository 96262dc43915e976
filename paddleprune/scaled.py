"""A recipe at another size of the network's input: `size: 160` in a config, or `--set size=160`."""

from typing import Any

from .errors import UserError

STRIDE = 32  # of what detectors' batches are resized to


def scaled(raw: dict[str, Any], size: Any) -> dict[str, Any]:
    """A config as YAML reads it with `size` as the shorter side of its input, and all else that is in pixels in
    proportion: every `size` of its transforms, `train.sizes`, anchors. Raises UserError for a size that is none."""
    shape = raw.get("data", {}).get("image_shape") if isinstance(raw.get("data"), dict) else None
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        raise UserError("size: needs data.image_shape: [3, H, W] of the recipe; write it")
    if type(size) is not int or not 16 <= size <= 8192:
        raise UserError(
            f"size: {str(size)[:40]} is out of range; it must be a whole number of pixels, 16 to 8192"
        )
    factor = size / min(shape[1:])
    raw = {**raw, "data": _pixels(raw["data"], factor)}
    raw["data"]["image_shape"] = [shape[0], *(round(side * factor) for side in shape[1:])]
    train, model = raw.get("train"), raw.get("model")
    if isinstance(train, dict) and _whole(train.get("sizes")):
        sides = {max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in train["sizes"]}
        raw["train"] = {**train, "sizes": sorted(sides)}
    args = model.get("args") if isinstance(model, dict) else None
    anchors = args.get("anchors") if isinstance(args, dict) else None
    if isinstance(anchors, list) and all(map(_whole, anchors)):
        found = [[round(factor * side) for side in one] for one in anchors]
        raw["model"] = {**model, "args": {**args, "anchors": found}}
    return raw


def _whole(value: Any) -> bool:
    """Is it a list of whole numbers? What is not is refused by who takes it."""
    return isinstance(value, list) and all(type(n) is int for n in value)


def _pixels(value: Any, factor: float) -> Any:
    """The same with every `size`, `sizes` and `width` above 8 in proportion, a number or a list of them."""
    if isinstance(value, list):
        return [_pixels(one, factor) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, one in value.items():
        numbers = one if isinstance(one, list) else [one]
        if key in ("size", "sizes", "width") and all(type(n) is int and n > 8 for n in numbers):
            sides = [max(1, round(n * factor)) for n in numbers]
            found[key] = sides if isinstance(one, list) else sides[0]
        else:
            found[key] = _pixels(one, factor)
    return found
