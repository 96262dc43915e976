"""What the rounding of a convolution's weights adds to its outputs on average, taken out of its biases (Nagel et al. 2019,
'Data-Free Quantization Through Weight Equalization and Bias Correction', arXiv 1906.04721; here by pictures, where they
take batch norms'). A depthwise kernel has nine weights, so their errors do not cancel out: in a MobileNetV2 this is most
of what integers cost."""

from typing import Any

import numpy as np

LARGEST = 64  # of a weight of 7 bits
SMALLEST = 1e-9  # scale of a filter of zeros


def rounded(weight: np.ndarray) -> np.ndarray:
    """[filters, ...] as integers hold it, a scale for each filter, in floats again."""
    filters = weight.reshape(len(weight), -1)
    scale = np.maximum(np.abs(filters).max(axis=1, keepdims=True), SMALLEST) / LARGEST
    return (np.round(filters / scale) * scale).astype(weight.dtype).reshape(weight.shape)


def corrected(model: Any, images: np.ndarray) -> Any:
    """An ONNX model whose convolutions have biases for rounded weights: what is given to them are `images` [n, C, H, W]."""
    import onnx
    from onnx import numpy_helper

    found = onnx.ModelProto.FromString(model.SerializeToString())
    graph = found.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    layers = [node for node in graph.node if node.op_type == "Conv" and node.input[1] in weights]
    if not layers:
        return found
    replaced: set[str] = set()
    means = _means(found, [(node, numpy_helper.to_array(weights[node.input[1]])) for node in layers], images)
    for number, (node, mean) in enumerate(zip(layers, means, strict=True)):
        given = node.input[2] if len(node.input) > 2 else ""
        if given and given not in weights:
            continue  # a computed one
        if given:
            mean = mean + numpy_helper.to_array(weights[given])
        name = f"bias_{number}_of_rounded_weights"
        del node.input[2:]
        node.input.append(name)
        graph.initializer.append(numpy_helper.from_array(mean.astype(np.float32), name))
        replaced.add(given)
    for name in replaced.difference(*(node.input for node in graph.node), {""}):
        graph.initializer.remove(weights[name])
    return found


def _means(model: Any, layers: list, images: np.ndarray) -> list[np.ndarray]:
    """Of each layer [filters]: what rounding takes from its outputs, the mean over pictures and places."""
    import onnx
    from onnx import helper, numpy_helper

    from .onnx import session  # which imports this room

    watched = onnx.ModelProto.FromString(model.SerializeToString())
    names = []
    for number, (node, weight) in enumerate(layers):
        gone, out, mean = (f"{word}_{number}_of_rounding" for word in ("weight", "map", "mean"))
        twin = onnx.NodeProto()
        twin.CopyFrom(node)
        del twin.input[1:], twin.output[:]
        twin.input.append(gone)
        twin.output.append(out)
        twin.name = out
        watched.graph.node.extend([twin, helper.make_node("GlobalAveragePool", [out], [mean], mean)])
        watched.graph.initializer.append(numpy_helper.from_array(weight - rounded(weight), gone))
        watched.graph.output.append(helper.make_tensor_value_info(mean, onnx.TensorProto.FLOAT, None))
        names.append(mean)
    opened = session(watched.SerializeToString())
    given = opened.get_inputs()[0].name
    sums = [np.zeros(len(weight)) for _, weight in layers]
    for image in images:
        for whole, mean in zip(sums, opened.run(names, {given: image[None]}), strict=True):
            whole += mean.reshape(-1)
    return [whole / len(images) for whole in sums]
