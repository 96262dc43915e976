"""Deep Image Matting: its widths, its loss, trimaps from data and files, unpooling in every runtime."""

import cv2
import numpy as np
import paddle
import pytest
from conftest import randomize

from paddleprune import cost, models, tasks
from paddleprune.data.readers.matting_trimaps import Reader
from paddleprune.data.transforms import Compose
from paddleprune.errors import UserError
from paddleprune.export import formats, lite
from paddleprune.metrics.matting import MatteError
from paddleprune.pruning.groups import find_groups


def trained(network):
    """Parameters that are trained: batch norms' statistics are none."""
    return sum(p.size for p in network.parameters() if not p.stop_gradient)


def test_the_size_is_the_published_one():
    """25,582,595 parameters with biases and batch norms; every width halved, 6,400,515. 24.447 G of 24.51 G at
    224 px are the convolutions'."""
    dense = models.build("dim", {})
    assert trained(dense) == 25_582_595
    assert trained(models.build("dim", {"scale": 0.5})) == 6_400_515
    assert cost.count(dense, (4, 224, 224)).macs == pytest.approx(24.447e9, rel=0.001)


def test_the_encoder_is_tied_to_the_decoder_by_its_places():
    groups = find_groups(models.build("dim", models.card("dim").args), (4, 64, 64))
    tied = {
        frozenset(
            slot.parameter
            for slot in group.role("out")
            if "conv" in slot.parameter or "layers" in slot.parameter
        )
        for group in groups.values()
    }
    for stage, up in ((0, 3), (1, 2), (2, 1), (3, 0)):
        last = 3 * (len(models.dim.STAGES[stage]) - 1)
        pair = {f"encoder.{stage}.layers.{last}.weight", f"decoder.{up}.convolution.weight"}
        assert any(pair <= names for names in tied), pair


def test_pictures_of_any_size_run():
    network = randomize(models.build("dim", {"scale": 0.0625}))
    assert network(paddle.zeros([1, 4, 67, 93]))[0].shape == [1, 1, 67, 93]


def test_the_loss_by_hand():
    """Of two unknown pixels one is wrong by 0.3: the mean is 0.15; the known one, wrong by 1, counts for nothing."""
    head = models.card("dim").heads["matting"]([])
    batch = {"alpha": np.float32([[[0.5, 0.5, 1]]]), "trimap": np.float32([[[0.5, 0.5, 1]]])}
    said = paddle.to_tensor([[[[0.2, 0.5, 0.0]]]])
    assert float(head.loss(None, [said], batch)["loss"]) == pytest.approx(0.15, abs=1e-5)
    assert float(head.apart([said], [paddle.full_like(said, 0.4)], batch)) == pytest.approx(0.15, abs=1e-5)


def test_what_the_trimap_knows_is_known():
    class Half(paddle.nn.Layer):
        def forward(self, image):
            return [paddle.full_like(image[:, :1], 0.25)]

    image = np.zeros((1, 4, 1, 3), np.float32)
    image[0, 3, 0] = [0, 0.5, 1]
    deployed = models.card("dim").heads["matting"]([]).deployed(Half())
    np.testing.assert_allclose(deployed(paddle.to_tensor(image)).numpy().ravel(), [0, 0.25, 1])


def test_errors_are_over_what_is_unknown():
    """One of two unknown pixels is wrong by 0.5: mse 0.25 / 2. The wrong one that the trimap knows is put right."""
    meter = MatteError()
    batch = {"image": np.zeros((1, 4, 1, 4)), "alpha": np.float32([[[0, 1, 0.5, 1]]]),
             "trimap": np.float32([[[0, 0.5, 0.5, 1]]])}  # fmt: skip
    meter.update([np.float32([[[[1, 0.5, 0.5, 0]]]])], batch)
    assert meter.compute() == pytest.approx({"mse": 0.125, "mad": 0.25, "sad": 0.0005})


def test_a_crop_has_its_unknown_pixel():
    rng = np.random.default_rng(0)
    trimap = np.zeros((40, 60), np.float32)
    trimap[7, 50] = 0.5
    sample = {"image": np.zeros((40, 60, 3), np.uint8), "trimap": trimap, "alpha": trimap}
    steps = Compose([{"CropAtUnknown": {"size": 16, "sizes": [16]}}])
    for _ in range(5):
        assert (steps(sample, rng)["trimap"] == 0.5).sum() == 1
    assert Compose([{"CropAtUnknown": {"size": 16, "sizes": [100]}}])(sample, rng)["image"].shape == (
        16,
        16,
        3,
    )


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["TrimapChannel"], "TrimapChannel: there is no trimap"),
        ([{"Trimap": {"width": 3}}, "TrimapChannel"], "put Normalize before it"),
        ([{"Trimap": {"width": 3, "least": 4}}], "must not be above width"),
        ([{"CropAtUnknown": {"size": 8, "sizes": []}}], "sizes is empty"),
        (["CropAtUnknown"], "its arguments are"),
    ],
)
def test_a_wrong_list_is_one_line(steps, said):
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match=said):
        Compose(steps)({"image": np.zeros((8, 8, 3), np.uint8), "alpha": np.zeros((8, 8), np.float32)}, rng)


def test_trimaps_from_files(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 3, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((2, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "c.png"), np.uint8([[0, 3, 100], [128, 251, 255]]))
    (tmp_path / "list.txt").write_text("a.png b.png c.png\n")
    sample = Reader(tmp_path, "list.txt").read(0)
    assert sample["trimap"].tolist() == [[0, 0, 0.5], [0.5, 1, 1]]
    kept = Compose([{"Trimap": {"width": 1}}])(sample, np.random.default_rng(0))
    assert kept["trimap"] is sample["trimap"]
    cv2.imwrite(str(tmp_path / "c.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match="trimap .* is 4x4, its image as it is shown 3x2"):
        Reader(tmp_path, "list.txt").read(0)


@pytest.mark.parametrize("form", [form for form in formats.RUNTIMES if form != "ncnn"])
def test_unpooling_in_every_runtime(form):
    size = (38, 45)  # odd on the way down: rows and columns that no window covers
    if form == "lite" and not lite.installed():
        pytest.skip("Paddle Lite is not installed")
    task = tasks.of("matting", "dim", [])
    network = randomize(models.build("dim", {"scale": 0.0625}))
    deployed = task.head.deployed(network)
    deployed.eval()
    image = np.random.default_rng(0).normal(size=(2, 4, *size)).astype("float32")
    image[:, 3] = np.random.default_rng(1).choice(np.float32([0, 0.5, 1]), (2, *size))
    made = formats.make(form, deployed, (4, *size), ["x86"])
    said, wanted = made.forward(image)[0][0], deployed(paddle.to_tensor(image)).numpy()
    # the same sums in another order; sigmoids of them
    np.testing.assert_allclose(said, wanted, atol=2e-5)
