"""Readers, transforms and batches; each fault of a data set is one line that names the place."""

import inspect

import cv2
import numpy as np
import pytest

from paddleprune.config import DataConfig
from paddleprune.data.dataset import Batches, collate, fingerprint, open_dataset
from paddleprune.data.sample_data import make
from paddleprune.data.transforms import Compose, available
from paddleprune.errors import UserError
from paddleprune.metrics.accuracy import Accuracy

EVAL = [{"Resize": {"size": 16}}, "Normalize"]


def data_config(root, **changes):
    fields = {"reader": "imagenet_list", "root": str(root), "image_shape": [3, 16, 16],
              "train_transforms": [{"RandomCrop": {"size": 16}}, "Normalize"], "eval_transforms": EVAL}  # fmt: skip
    return DataConfig(**{**fields, **changes})


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "with space.png"):
        cv2.imwrite(str(tmp_path / name), np.full((20, 24, 3), 7, np.uint8))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "val_list.txt").write_text("a.png 0\nwith space.png 1\n")
    return tmp_path


def test_a_good_folder_is_read(folder):
    dataset = open_dataset(data_config(folder), "val")
    assert len(dataset) == 2
    assert dataset.labels == ["cat", "dog"]
    assert dataset[0, 1]["label"] == 1
    assert dataset[0, 0]["image"].dtype == np.float32


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("a.png 0\nnone.png 1\n", "val_list.txt:2: 'none.png' does not exist"),
        ("a.png 0\na.png 2\n", "val_list.txt:2: label 2 is out of range; labels.txt has 2 names"),
        ("a.png -1\n", "val_list.txt:1: label '-1' is not an index"),
        ("a.png cat\n", "label 'cat' is not an index"),
        ("a.png\n", "val_list.txt:1: 'a.png' must be 'path index'"),
        ("../outside.png 0\n", "points outside the folder"),
        ("/etc/hostname 0\n", "val_list.txt:1: '/etc/hostname' is not a readable image"),
        ("\n", "is empty"),
    ],
)
def test_a_fault_in_the_list_names_file_and_line(folder, lines, words):
    (folder.parent / "outside.png").write_bytes(b"x")
    (folder / "val_list.txt").write_text(lines)
    with pytest.raises(UserError) as error:
        open_dataset(data_config(folder), "val")
    assert words in str(error.value)


def test_a_fault_in_the_folder_is_named(folder):
    (folder / "a.png").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"val_list\.txt:1.*is not a readable image"):
        open_dataset(data_config(folder), "val")
    with pytest.raises(UserError, match="does not exist"):
        open_dataset(data_config(folder / "none"), "val")
    with pytest.raises(UserError, match=r"image_shape.*make \[3, 16, 16\]"):
        open_dataset(data_config(folder, image_shape=[3, 8, 8], val_list="val_list.txt"), "val") if (
            cv2.imwrite(str(folder / "a.png"), np.zeros((9, 9, 3), np.uint8))
        ) else None
    (folder / "labels.txt").write_text("")
    with pytest.raises(UserError, match="is empty"):
        open_dataset(data_config(folder), "val")


def test_images_of_different_sizes_cannot_be_a_batch():
    small, large = np.zeros((3, 4, 4)), np.zeros((3, 5, 5))
    with pytest.raises(UserError, match="images of different sizes"):
        collate([{"image": small}, {"image": large}])


def test_the_order_is_a_function_of_the_epoch(sample_data):
    def labels(epoch, start=0, workers=0):
        dataset = open_dataset(data_config(sample_data), "train", seed=3)
        stream = Batches(dataset, 16, train=True, seed=3, workers=workers).epoch(epoch, start)
        return [(batch["label"].tolist(), float(np.sum(batch["image"]))) for batch in stream]

    assert labels(0) == labels(0)
    assert labels(0) != labels(1)
    assert labels(1, start=2) == labels(1)[2:]
    assert labels(1, workers=1) == labels(1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_in_the_middle_is_named(folder, workers):
    (folder / "val_list.txt").write_text("a.png 0\n" * 5 + "with space.png 1\n")
    dataset = open_dataset(data_config(folder), "val")
    (folder / "with space.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"val_list\.txt:6"):
        list(Batches(dataset, 2, train=False, workers=workers).epoch())


def test_training_drops_the_odd_batch_and_evaluation_keeps_it(sample_data):
    dataset = open_dataset(data_config(sample_data), "train")
    assert len(dataset) == 96
    assert len(Batches(dataset, 20, train=True)) == 4
    assert len(Batches(dataset, 20, train=False)) == 5
    assert len(Batches(dataset, 200, train=True)) == 1


def test_fingerprints_change_with_what_they_are_of(folder):
    def digest(**changes):
        config = data_config(folder, **changes)
        return fingerprint(open_dataset(config, "val"), config)

    first = digest()
    assert digest() == first
    assert digest(eval_transforms=[{"Resize": {"size": 16}}, {"Normalize": {}}]) != first
    (folder / "val_list.txt").write_text("a.png 1\nwith space.png 1\n")
    assert digest() != first


def test_sample_data_is_the_same_twice_and_apart(tmp_path):
    first = make("classification", tmp_path / "a", train=20, val=10)
    second = make("classification", tmp_path / "b", train=20, val=10)
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert len(files) == 34
    assert all((first / f).read_bytes() == (second / f).read_bytes() for f in files)
    with pytest.raises(UserError, match="no sample data"):
        make("poetry", tmp_path / "c")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    with pytest.raises(UserError, match="holds other files"):
        make("classification", tmp_path / "mine")
    (tmp_path / "mine/labels.txt").write_text("cat\n")  # a user's own data has one too
    with pytest.raises(UserError, match="holds other files"):
        make("classification", tmp_path / "mine")
    assert (tmp_path / "mine/thesis.txt").exists()
    assert make("classification", first, train=4, val=2) == first  # ours is replaced


RNG = np.random.default_rng(0)


def one(spec, image, **more):
    """The image after one transform; an alpha and a box lie on it, and what else is given."""
    alpha = np.linspace(0, 1, image[..., 0].size).reshape(image.shape[:2])
    boxes = {"boxes": np.float32([[1, 1, 4, 4]]), "labels": np.array([0]), "difficult": np.array([0])}
    sample = {"image": image, "alpha": alpha, **boxes, **more}
    return Compose([spec])({**sample, "other": lambda rng: sample}, np.random.default_rng(0))["image"]


def test_transforms_of_alphas_want_one():
    with pytest.raises(UserError, match="Trimap: the data has no alphas"):
        Compose(["Trimap"])({"image": np.zeros((4, 4, 3), np.uint8)}, np.random.default_rng(0))


def test_transforms_by_hand():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    np.testing.assert_array_equal(one({"CenterCrop": {"size": 2}}, image), image[1:3, 2:4])
    np.testing.assert_array_equal(one({"RandomHorizontalFlip": {"prob": 1}}, image), image[:, ::-1])
    np.testing.assert_array_equal(one({"RandomVerticalFlip": {"prob": 1}}, image), image[::-1])
    np.testing.assert_array_equal(one({"RandomHorizontalFlip": {"prob": 0}}, image), image)
    assert one({"ResizeByShort": {"size": 8}}, image).shape == (8, 12, 3)
    assert one({"Resize": {"size": [5, 7]}}, image).shape == (5, 7, 3)
    half = {"Normalize": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    np.testing.assert_allclose(one(half, np.uint8([[[0, 255, 51]]])), [[[-1, 1, -0.6]]], atol=1e-6)
    with pytest.raises(UserError, match="larger than the image"):
        one({"CenterCrop": {"size": 5}}, image)


@pytest.mark.parametrize("name", sorted(available()))
def test_every_transform_takes_any_picture_and_repeats_itself(name, tmp_path):
    arguments = {"size": 5} if "size" in inspect.signature(available()[name]).parameters else {}
    if name == "Composite":
        cv2.imwrite(str(tmp_path / "background.png"), RNG.integers(0, 256, (4, 9, 3), dtype=np.uint8))
        arguments = {"backgrounds": str(tmp_path)}
    image = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    more = {"trimap": np.full((9, 7), 0.5, np.float32)} if name in ("CropAtUnknown", "TrimapChannel") else {}
    image = image.astype(np.float32) if name == "TrimapChannel" else image
    before = image.copy()
    first, second = (one({name: arguments}, image, **more) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)
    assert first.ndim == 3


def test_accuracy_by_hand():
    metric = Accuracy()
    scores = np.array([[0.1, 0.7, 0.2, 0, 0, 0], [0.5, 0.2, 0.3, 0.25, 0.24, 0.23], [1, 1, 0, 0, 0, 0]])
    metric.update([scores], {"label": np.array([1, 1, 1])})
    # row 2: label 1 is last of six, not among five; row 3: a tie goes to the lower index
    assert metric.compute() == {"acc1": pytest.approx(1 / 3), "acc5": pytest.approx(2 / 3)}
