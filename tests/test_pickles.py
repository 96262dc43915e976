"""Nothing in a file that somebody downloads is run."""

import contextlib
import os
import pickle

import numpy as np
import paddle
import pytest

from paddleprune import pickles
from paddleprune.engine.checkpoint import read_weights
from paddleprune.errors import UserError
from paddleprune.pruning.interop import read_pickle


class Runs:
    """Unpickled by `pickle.load`, this makes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("read", [read_weights, read_pickle])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path, read, protocol):
    trap = tmp_path / "it_ran"
    raw = pickle.dumps({"conv2d_0.w_0": {0.1: Runs(trap)}}, protocol)
    (tmp_path / "f.pickle").write_bytes(raw)
    with pytest.raises(UserError, match=r"posix.system.*refused"):
        read(tmp_path / "f.pickle")
    assert not trap.exists()
    pickle.loads(raw)  # the trap is a real one
    assert trap.exists()


class ObjectArray:
    def __reduce__(self):
        return np.array, ([1, 2],)


@pytest.mark.parametrize("value", [ObjectArray(), np.array([{}, []], object), eval, pickles.SlimStatus])
def test_anything_but_plain_values_and_arrays_is_refused(tmp_path, value):
    (tmp_path / "f").write_bytes(pickle.dumps(value))
    with pytest.raises(UserError, match="refused"):
        pickles.load(tmp_path / "f", "file")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_plain_values_and_arrays_come_back(tmp_path, protocol):
    value = {
        "a": [1, 2.5, "x", None, True],
        "b": np.arange(6.0).reshape(2, 3),
        "c": np.float32(0.5),
        "d": (1,),
    }
    (tmp_path / "f").write_bytes(pickle.dumps(value, protocol))
    loaded = pickles.load(tmp_path / "f", "file")
    np.testing.assert_array_equal(loaded.pop("b"), value.pop("b"))
    assert loaded == value


def test_weights_of_paddle_save_come_back(tmp_path):
    network = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4))
    paddle.save(network.state_dict(), str(tmp_path / "w.pdparams"))
    weights = read_weights(tmp_path / "w.pdparams")
    assert set(weights) == set(network.state_dict())
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(weights[name], tensor.numpy())


def test_foreign_byte_orders_and_widths_come_back(tmp_path):
    value = [np.array([0, 1, 1]).astype(kind) for kind in (">f4", "<f8", "f2", ">i8", "u1", "?")]
    value.append(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    (tmp_path / "f").write_bytes(pickle.dumps(value))
    for given, loaded in zip(value, pickles.load(tmp_path / "f", "file"), strict=True):
        np.testing.assert_array_equal(loaded, given)
        assert loaded.dtype.isnative


def test_a_pickle_cannot_write_into_the_reader(tmp_path):
    """BUILD on the stand-ins changes nothing that the next file would see."""
    for target in (
        b"cnumpy\ndtype\n",
        b"cpaddleslim.dygraph.prune.filter_pruner\nStatus\n",
        b"c_codecs\nencode\n",
    ):
        raw = target + b"(N(S'mark'\nI1\ndtb0I1\n."
        (tmp_path / "f").write_bytes(raw)
        with contextlib.suppress(UserError):
            pickles.load(tmp_path / "f", "file")
    assert not any(
        hasattr(x, "mark") for x in (pickles._DType, pickles.SlimStatus, pickles._encode, np.dtype)
    )


@pytest.mark.parametrize("raw", [b"", b"hello", pickle.dumps({"a": 1})[:-3]])
def test_a_damaged_file_is_named(tmp_path, raw):
    (tmp_path / "f").write_bytes(raw)
    with pytest.raises(UserError, match="cannot be read"):
        pickles.load(tmp_path / "f", "file")
