"""The contract of a backend, for every kind that is registered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import mean_of_image
from support.pictures import meta
from support.tensorrt_engines import Lab, mean_of_images

from mpipeline import registry
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.tensorrt import TensorRtBackend
from mpipeline.errors import BackendError, MpipelineError
from mpipeline.frame import Frame
from mpipeline.prediction import Detections
from mpipeline.tensor import ModelInfo

# A target of each kind: a model whose output "mean" [batch, 1] is the mean of "images", or a finder of nothing.
TARGETS: dict[str, Callable[[Path], str]] = {
    "auto": lambda folder: str(mean_of_image(folder / "model.onnx")),
    "onnxruntime": lambda folder: str(mean_of_image(folder / "model.onnx")),
    "openvino": lambda folder: str(mean_of_image(folder / "model.onnx")),
    "python": lambda folder: f"{__name__}:nothing",
    "tensorrt": lambda folder: str(Lab(folder).engine(mean_of_images((1, 8)))),
}
KINDS = sorted(registry.kinds("backends"))


def make(kind: str, options: BackendOptions) -> Any:
    """The backend; that for GPUs on a simulated one."""
    if kind != "tensorrt":
        return registry.load("backends", kind)(options)
    lab = Lab(Path(options.target).parent)
    lab.engine(mean_of_images((1, 8)))
    return TensorRtBackend(options, lab.surroundings)


def nothing(frames: list[Frame]) -> list[Detections]:
    return [Detections.empty() for _ in frames]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    assert request.param in TARGETS, f"give a target for the new kind {request.param!r} here"
    return str(request.param)


@pytest.fixture
def backend(kind: str, tmp_path: Path):
    made = make(kind, BackendOptions(TARGETS[kind](tmp_path), threads=1))
    yield made
    made.close()


def use(backend, count: int):
    if backend.takes == "tensors":
        images = np.stack([np.full((3, 4, 4), i, np.float32) for i in range(count)])
        return backend.run({"images": images})["mean"].ravel().tolist()
    return backend.infer([Frame.from_bgr(meta(4, 4), np.zeros((4, 4, 3), np.uint8))] * count)


def test_it_says_what_it_takes(backend) -> None:
    assert backend.takes in ("tensors", "frames")
    assert callable(backend.run if backend.takes == "tensors" else backend.infer)


def test_open_tells_inputs_and_outputs(backend) -> None:
    info = backend.open()
    assert isinstance(info, ModelInfo)
    if backend.takes == "frames":
        assert info.inputs == info.outputs == ()
    else:
        assert [spec.name for spec in info.inputs] == ["images"]
        assert info.inputs[0].shape == (None, 3, None, None)
        assert [spec.name for spec in info.outputs] == ["mean"]


@pytest.mark.parametrize("count", [1, 4])
def test_one_result_for_each_frame(backend, count: int) -> None:
    backend.open()
    found = use(backend, count)
    assert len(found) == count
    if backend.takes == "tensors":
        assert found == list(range(count))


def test_streams_do_not_disturb_each_other(kind: str, tmp_path: Path) -> None:
    """Each thread's outputs are its own until it calls again."""
    if not getattr(registry.load("backends", kind), "concurrent", False):
        return
    backend = make(kind, BackendOptions(TARGETS[kind](tmp_path), threads=2, streams=2))
    backend.open()
    barrier = threading.Barrier(2, timeout=30)

    def infer(level: int) -> bool:
        right = True
        for step in range(200):
            value = 1000 * level + step
            found = backend.run({"images": np.full((2, 3, 4, 4), value, np.float32)})["mean"]
            barrier.wait()  # the other has called meanwhile
            right = right and found.ravel().tolist() == [value, value]
        return right

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(infer, [1, 2]))
    backend.close()


def test_closing_is_harmless_when_repeated_and_before_opening(backend) -> None:
    backend.close()
    backend.open()
    backend.close()
    backend.close()
    with pytest.raises(BackendError):
        use(backend, 1)
    backend.open()
    assert len(use(backend, 1)) == 1


def test_a_target_that_is_not_there(kind: str, tmp_path: Path) -> None:
    target = str(tmp_path / "absent.onnx") if kind != "python" else "absent_module:absent"
    with pytest.raises(MpipelineError, match="absent"):
        make(kind, BackendOptions(target)).open()
