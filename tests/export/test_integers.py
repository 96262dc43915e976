"""Files that calculate with integers."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import paddle
import pytest
from conftest import TOY_SHAPE, Chain, Depthwise, Grouped, knowing, randomize
from onnx import helper, numpy_helper

import paddleprune as pp
from paddleprune import models
from paddleprune.cli import main
from paddleprune.data.sample_data import make
from paddleprune.errors import UserError
from paddleprune.export import formats, parity
from paddleprune.export.biases import corrected, rounded
from paddleprune.export.integers import behind_weights, quantised
from paddleprune.export.onnx import session
from paddleprune.tasks import of

pytest.importorskip("paddle2onnx")


def images(shape=TOY_SHAPE, count=24, seed=5):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


@pytest.mark.parametrize(("form", "algorithm"), [("onnx", "KL"), ("onnx", "min_max"), ("openvino", "KL")])
@pytest.mark.parametrize("net", [Chain, Depthwise, Grouped])
def test_integers_say_nearly_the_same(net, algorithm, form):
    if form == "openvino":
        pytest.importorskip("openvino")
    network = randomize(net())
    made = formats.make(form, network, TOY_SHAPE, [], formats.Quant("int8", images, algorithm))
    expected = network(paddle.to_tensor(images(seed=6))).numpy()
    (output,) = made.forward(images(seed=6))[0]
    apart = np.square(output - expected).mean() / np.square(expected - expected.mean()).mean()
    assert 0 < apart < 0.02  # of the variance; 0 would be floats


def test_weights_are_stored_as_integers_and_the_file_is_small():
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    shape = (3, 32, 32)
    made = [
        formats.make("onnx", network, shape, [], quant).files["model.onnx"]
        for quant in (None, formats.Quant("int8", lambda: images(shape, 4), "min_max"))
    ]
    assert len(made[0]) > 3 * len(made[1])
    graph = onnx.load_from_string(made[1]).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    read = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    made_by = {name: node for node in graph.node for name in node.output}
    assert len(read) == 52
    for name in read:
        assert made_by[name].op_type == "DequantizeLinear"
        assert kinds[made_by[name].input[0]] == onnx.TensorProto.INT8


def test_openvinos_file_of_integers_is_small_and_has_nothing_left_to_compute():
    pytest.importorskip("openvino")
    network = models.build("mobilenet_v2", {"num_classes": 3, "scale": 0.5})
    network.eval()
    shape = (3, 32, 32)
    whole, small = (
        formats.make("openvino", network, shape, [], quant).files
        for quant in (None, formats.Quant("int8", lambda: images(shape, 4), "min_max"))
    )
    assert sum(map(len, whole.values())) > 2 * sum(map(len, small.values()))
    assert b'type="FakeQuantize"' in small["model.xml"]
    assert b'type="ShapeOf"' not in small["model.xml"], "of shapes that are known"


def convolution(groups: int, bias: bool) -> onnx.ModelProto:
    """One convolution of random weights, [n, 4, 9, 9] -> [n, 4, 9, 9]."""
    rng = np.random.default_rng(3)
    arrays = {"weight": rng.normal(size=(4, 4 // groups, 3, 3)), "bias": rng.normal(size=4)}
    names = ["weight", "bias"][: 1 + bias]
    node = helper.make_node("Conv", ["x", *names], ["y"], "one", group=groups, pads=[1] * 4)
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 4, 9, 9]) for name in "xy")
    stored = [numpy_helper.from_array(arrays[name].astype("float32"), name) for name in names]
    graph = helper.make_graph([node], "graph", [x], [y], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize(("groups", "bias"), [(1, True), (4, True), (4, False), (2, False)])
def test_biases_take_away_what_rounded_weights_add(groups, bias):
    given, before = images((4, 9, 9), 8) + 2, convolution(groups, bias)
    after = corrected(before, given)

    def means(model, rounding):
        model = onnx.ModelProto.FromString(model.SerializeToString())
        for tensor in model.graph.initializer:
            if rounding and tensor.name == "weight":
                tensor.CopyFrom(numpy_helper.from_array(rounded(numpy_helper.to_array(tensor)), "weight"))
        return session(model.SerializeToString()).run(None, {"x": given})[0].mean(axis=(0, 2, 3))

    wanted = means(before, rounding=False)
    assert np.abs(means(before, rounding=True) - wanted).max() > 1e-3
    np.testing.assert_allclose(means(after, rounding=True), wanted, atol=1e-5)


def test_a_file_of_integers_has_such_biases(monkeypatch):
    given, model = images((4, 9, 9), 8) + 2, convolution(4, True).SerializeToString()

    def means(file):
        found = [session(file).run(None, {"x": image[None]})[0] for image in given]
        return np.concatenate(found).mean(axis=(0, 2, 3))

    corrects = quantised(model, given, "min_max")
    names = {name for node in onnx.load_from_string(corrects).graph.node for name in node.input}
    assert {tensor.name for tensor in onnx.load_from_string(corrects).graph.initializer} <= names
    monkeypatch.setattr("paddleprune.export.integers.corrected", lambda model, images: model)
    plain, wanted = means(quantised(model, given, "min_max")), means(model)
    assert np.abs(means(corrects) - wanted).max() < 0.5 * np.abs(plain - wanted).max()


def test_biases_that_are_left_out_or_shared():
    given = images((4, 9, 9), 8) + 2
    empty = convolution(4, False)
    empty.graph.node[0].input.append("")  # as ONNX writes what is left out
    assert [len(node.input) for node in corrected(empty, given).graph.node] == [3]
    twice = convolution(4, True)
    second = onnx.NodeProto()
    second.CopyFrom(twice.graph.node[0])
    second.input[0], second.output[0], second.name = "y", "z", "two"
    twice.graph.node.append(second)
    after = corrected(twice, given)
    biases = [node.input[2] for node in after.graph.node]
    assert len(set(biases)) == 2
    assert {tensor.name for tensor in after.graph.initializer} == {"weight", *biases}


def test_weights_are_rounded_as_the_file_has_them():
    file = onnx.load_from_string(quantised(convolution(4, True).SerializeToString(), images((4, 9, 9), 4)))
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    (read,) = (node for node in file.graph.node if node.input[0].startswith("weight"))
    assert read.op_type == "DequantizeLinear"
    integers, scale = (stored[name] for name in read.input[:2])
    weight = numpy_helper.to_array(convolution(4, True).graph.initializer[0])
    np.testing.assert_allclose(integers * scale.reshape(-1, 1, 1, 1), rounded(weight), rtol=1e-5)


def test_what_leads_to_no_weights_stays_in_floats():
    def node(kind, name, inputs, outputs):
        return SimpleNamespace(op_type=kind, name=name, input=inputs, output=outputs)

    nodes = [
        node("Conv", "first", ["x", "w"], ["a"]),
        node("Shape", "size", ["a"], ["s"]),
        node("Relu", "between", ["a"], ["b"]),
        node("Gemm", "last", ["b", "v"], ["c"]),
        node("Exp", "boxes", ["c"], ["d"]),
        node("Reshape", "shaped", ["d", "s"], ["e"]),
    ]
    assert behind_weights(nodes) == ["shaped", "boxes", "size"]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_of_a_detector_the_decoding_of_boxes_stays_in_floats(form):
    if form == "openvino":
        pytest.importorskip("openvino")
    network = models.build("yolov3", {"num_classes": 3, "scale": 0.25, "width": 0.0625})
    network.eval()
    deployed = of("detection", "yolov3", ["a", "b", "c"]).head.deployed(network)
    shape = (3, 64, 64)
    made = formats.make(form, deployed, shape, [], formats.Quant("int8", lambda: images(shape, 2), "min_max"))
    boxes, numbers = made.forward(images(shape, 2))[0][:2]  # two at once
    assert boxes.shape[-1] == 6
    assert len(numbers) == 2
    if form == "onnx":
        graph = onnx.load_from_string(made.files["model.onnx"]).graph
        made_by = {name: node for node in graph.node for name in node.output}
        late = [node for node in graph.node if node.op_type in ("Exp", "NonMaxSuppression", "TopK")]
        assert len(late) >= 3
        for node in late:
            assert all(made_by[name].op_type != "DequantizeLinear" for name in node.input if name in made_by)


def test_the_face_writes_a_file_of_integers_and_says_what_it_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "LOSS", 0.3)  # two pictures of 48 are 5 %
    data = make("classification", tmp_path / "data", 96, 48)
    train, val = (
        pp.datasets.ImageNet(str(data), name, "labels.txt", [{"Resize": {"size": 32}}, "Normalize"])
        for name in ("train_list.txt", "val_list.txt")
    )
    model = pp.cls.MobileNetV2(num_classes=10, scale=0.25)
    model.train(0, train, val, save_dir=str(tmp_path / "run"), pretrain_weights=knowing("classification"))
    for wrong, said in (
        ({"algo": "hist"}, "algo: 'hist' is not known; valid: KL, min_max"),
        ({"batch_num": 0}, "batch_num: 0 is out of range"),
        ({"export_format": "lite8"}, "'lite8' is not known; did you mean 'lite'"),
        ({"export_format": "mnn"}, "takes none; leave it out or use --format lite, onnx, openvino"),
    ):
        with pytest.raises(UserError, match=said):
            pp.slim.export_quant_model(model, val, save_dir=str(tmp_path / "int8"), **wrong)
    assert not (tmp_path / "int8").exists()
    model_dir = str(tmp_path / "run" / "best_model")
    command = ["export", "--model_dir", model_dir, "--save_dir", str(tmp_path / "cli"), "--format", "onnx"]
    assert main([*command, "--quant", "int8", "--quant_images", "0"]) == 2
    assert main([*command, "--quant_algorithm", "KL"]) == 2  # without --quant
    assert main([*command, "--quant", "int16"]) == 2
    manifest = pp.slim.export_quant_model(model, val, save_dir=str(tmp_path / "int8"), cache_dir="x")
    written = json.loads((tmp_path / "int8" / "manifest.json").read_text())
    assert written["quant"] == "int8"
    assert written["parity"] == manifest["parity"]
    assert manifest["parity"]["tolerance"] is None
    assert manifest["parity"]["same_decisions"] > 0.8
    assert not Path("x").exists()
