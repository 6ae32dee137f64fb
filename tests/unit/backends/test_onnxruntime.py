"""ONNX Runtime: what it says of a file, what it computes, and what it says when a file is no good."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.onnx_models import detector, mean_of_image

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.errors import BackendError, ConfigError, ModelError
from mpipeline.tensor import TensorSpec

ANSWER = np.arange(12, dtype=np.float32).reshape(2, 6)


def opened(path: Path, threads: int = 1) -> OnnxRuntimeBackend:
    backend = OnnxRuntimeBackend(BackendOptions(str(path), threads=threads))
    backend.open()
    return backend


def test_it_says_what_the_file_wants(tmp_path: Path) -> None:
    path = detector(tmp_path / "m.onnx", ANSWER, batch="N", size=("H", 32), metadata={"stride": "32", "names": "{}"})
    info = OnnxRuntimeBackend(BackendOptions(str(path))).open()
    assert info.inputs == (TensorSpec("images", (None, 3, None, 32), np.dtype(np.float32)),)
    assert info.outputs == (TensorSpec("output0", (None, 2, 6), np.dtype(np.float32)),)
    assert info.metadata == {"stride": "32", "names": "{}"}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_it_computes(tmp_path: Path, dtype: str, threads: int) -> None:
    backend = opened(mean_of_image(tmp_path / "m.onnx", dtype=dtype), threads)
    for batch in (1, 3):
        images = np.stack([np.full((3, 8, 4), i + 1, dtype) for i in range(batch)])
        outputs = backend.run({"images": images})
        assert outputs["mean"].dtype == dtype
        assert outputs["mean"].ravel().tolist() == list(range(1, batch + 1))
    backend.close()


def test_wrong_inputs_are_told(tmp_path: Path) -> None:
    backend = opened(detector(tmp_path / "m.onnx", ANSWER, size=(8, 8)))
    with pytest.raises(BackendError, match=r"m.onnx failed on images \[1, 3, 9, 9\] float32"):
        backend.run({"images": np.zeros((1, 3, 9, 9), np.float32)})
    with pytest.raises(BackendError, match="float64"):
        backend.run({"images": np.zeros((1, 3, 8, 8))})
    with pytest.raises(BackendError, match="failed on pictures"):
        backend.run({"pictures": np.zeros((1, 3, 8, 8), np.float32)})
    assert backend.run({"images": np.zeros((1, 3, 8, 8), np.float32)})["output0"].tolist() == [ANSWER.tolist()]


def test_files_that_are_no_model(tmp_path: Path) -> None:
    whole = detector(tmp_path / "whole.onnx", ANSWER).read_bytes()
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.onnx").write_text("this is not a model\n" * 50)
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "directory.onnx").mkdir()
    for name, message in {
        "missing.onnx": "there is no such model file",
        "empty.onnx": "is empty",
        "text.onnx": "is not an ONNX file, or is cut off",
        "cut.onnx": "is not an ONNX file, or is cut off",
        "directory.onnx": "is no file",
    }.items():
        with pytest.raises(ModelError, match=message) as error:
            opened(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


def test_weights_in_a_file_beside_it(tmp_path: Path) -> None:
    path = detector(tmp_path / "m.onnx", np.ones((64, 64), np.float32), external_data=True)
    outputs = opened(path).run({"images": np.zeros((1, 3, 64, 64), np.float32)})
    assert outputs["output0"].sum() == 64 * 64
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(ModelError, match="a file with the weights, which belongs beside it, is missing"):
        opened(path)


def test_only_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device is 'auto' or 'cpu', not 'cuda:0'"):
        OnnxRuntimeBackend(BackendOptions("m.onnx", device="cuda:0"))
