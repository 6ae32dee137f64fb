"""`auto` on a machine with a GPU: who really opens the model is taken, and why the other is not is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import mean_of_image
from support.simulated_gpu import FACTS

from mpipeline.backends import auto
from mpipeline.backends.auto import AutoBackend
from mpipeline.backends.auto_gpu import GpuChoice
from mpipeline.backends.backend import BackendOptions
from mpipeline.errors import BackendError, ConfigError, MissingDependency, ModelError, NoDevice
from mpipeline.tensor import ModelInfo, TensorSpec

INFO = ModelInfo((TensorSpec("images", (1, 3, 8, 8), np.dtype(np.float32)),), ())


@dataclass
class Side:
    """A backend that opens, or does not."""

    name: str
    refuses: Exception | None = None
    done: list[str] = field(default_factory=list)
    options: BackendOptions | None = None

    def made(self, options: BackendOptions) -> Side:
        self.options = options
        return self

    def open(self) -> ModelInfo:
        self.done.append("open")
        if self.refuses is not None:
            raise self.refuses
        return INFO

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": np.array([self.name])}

    def close(self) -> None:
        self.done.append("close")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.path = mean_of_image(folder / "m.onnx")
        self.cache = folder / "cache"
        self.tensorrt, self.onnxruntime = Side("TensorRT"), Side("ONNX Runtime")
        self.gpu: Any = FACTS

    def taken(self, **options: Any) -> str | None:
        for side in (self.tensorrt, self.onnxruntime):
            side.done.clear()
        given = BackendOptions(**{"target": str(self.path), "cache": self.cache, **options})
        choice = GpuChoice(given, self.device, (self.tensorrt.made, self.onnxruntime.made))  # type: ignore[arg-type]
        found = choice.open()
        return None if found is None else found[0].name  # type: ignore[attr-defined]

    def device(self, index: int) -> Any:
        if isinstance(self.gpu, Exception):
            raise self.gpu
        return replace(self.gpu, index=index)


@pytest.fixture
def bench(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Bench:
    caplog.set_level(logging.INFO, "mpipeline.inference")
    return Bench(tmp_path)


def test_tensorrt_first(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.taken() == "TensorRT"
    assert caplog.messages == ["TensorRT is taken, on GPU 0 (Simulated, compute capability 8.7)"]
    assert bench.taken(device="cuda:2") == "TensorRT"
    assert bench.tensorrt.options is not None
    assert bench.tensorrt.options.device == "cuda:2"
    assert bench.onnxruntime.done == []


@pytest.mark.parametrize(
    "refuses",
    [
        MissingDependency("TensorRT", "tensorrt", "backend tensorrt"),
        BackendError("TensorRT is installed, but does not load"),
        ModelError("m.onnx: TensorRT does not take it"),
    ],
)
def test_onnx_runtime_where_tensorrt_does_not_do(
    bench: Bench, caplog: pytest.LogCaptureFixture, refuses: Exception
) -> None:
    bench.tensorrt.refuses = refuses
    for _ in range(2):
        assert bench.taken() == "ONNX Runtime"
        assert caplog.messages[-1] == (
            f"ONNX Runtime is taken, on GPU 0 (Simulated, compute capability 8.7), since TensorRT: {refuses}"
        )


def test_only_what_stays_so_is_remembered(bench: Bench) -> None:
    bench.tensorrt.refuses = BackendError("there is too little memory")
    assert bench.taken() == "ONNX Runtime"
    bench.tensorrt.refuses = ModelError("it has a layer that TensorRT does not know")
    assert bench.taken() == "ONNX Runtime"
    assert bench.tensorrt.done == ["open", "close"]
    assert bench.taken() == "ONNX Runtime"
    assert bench.tensorrt.done == []
    bench.tensorrt.refuses = None
    assert bench.taken(precision="float16") == "TensorRT"  # another case
    bench.gpu = replace(FACTS, name="another")
    assert bench.taken() == "TensorRT"
    bench.gpu = FACTS
    assert bench.taken(cache=None) == "TensorRT"
    assert bench.taken() == "ONNX Runtime"


def test_where_nothing_can_be_kept(bench: Bench) -> None:
    bench.cache.write_text("a file")
    bench.tensorrt.refuses = ModelError("no")
    for _ in range(2):
        assert bench.taken() == "ONNX Runtime"
        assert bench.tensorrt.done == ["open", "close"]


def test_nobody_executes_it_there(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.tensorrt.refuses = BackendError("one reason")
    bench.onnxruntime.refuses = BackendError("another reason")
    assert bench.taken() is None
    assert caplog.messages == [
        "nothing executes the model on GPU 0 (Simulated, compute capability 8.7): "
        "TensorRT: one reason; ONNX Runtime: another reason"
    ]
    assert caplog.records[0].levelname == "WARNING"
    with pytest.raises(BackendError, match=r"nothing executes the model on GPU 0 .*one reason; .*another reason"):
        bench.taken(device="cuda")


def test_where_no_gpu_is_wanted_or_there(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.taken(device="cpu") is None
    assert bench.taken(precision="bfloat16") is None
    bench.gpu = NoDevice("there is no driver")
    assert bench.taken() is None
    with pytest.raises(NoDevice, match="there is no driver"):
        bench.taken(device="cuda")
    assert caplog.messages == []
    bench.gpu = BackendError("the driver does not start")
    assert bench.taken() is None
    assert caplog.messages == ["no GPU is used: the driver does not start"]
    with pytest.raises(BackendError, match="does not start"):
        bench.taken(device="cuda")
    assert bench.tensorrt.done + bench.onnxruntime.done == []


def test_another_precision_is_for_tensorrt_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    assert bench.taken(precision="float16") == "TensorRT"
    bench.tensorrt.refuses = BackendError("one reason")
    assert bench.taken(precision="float16") is None
    assert "ONNX Runtime: has no float16" in caplog.text


def test_an_engine_is_for_tensorrt_alone(bench: Bench) -> None:
    bench.path = bench.path.rename(bench.path.with_suffix(".engine"))
    assert bench.taken() == "TensorRT"
    bench.tensorrt.refuses = ModelError("it was built for another GPU")
    with pytest.raises(ModelError, match="another GPU"):
        bench.taken()
    assert bench.onnxruntime.done == []


def test_auto_as_a_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = lambda options: GpuChoice(options, bench.device, (bench.tensorrt.made, bench.onnxruntime.made))  # type: ignore[arg-type]  # noqa: E731
    monkeypatch.setattr(auto, "GpuChoice", made)
    backend = AutoBackend(BackendOptions(str(bench.path), "cuda"))
    assert backend.open() is INFO
    assert backend.run({})["name"] == ["TensorRT"]
    assert backend.input_memory((2, 3), np.dtype(np.float16)).tolist() == [[0] * 3] * 2
    backend.close()
    assert bench.tensorrt.done == ["open", "close"]
    with pytest.raises(BackendError, match="was not opened, or is closed"):
        backend.run({})
    bench.tensorrt.refuses = bench.onnxruntime.refuses = BackendError("no")
    backend = AutoBackend(BackendOptions(str(bench.path), "auto", 1))
    info = backend.open()
    assert info.execution is not None
    assert info.execution.device == "the CPU"
    backend.close()
    with pytest.raises(ConfigError, match="device is 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, not 'gpu'"):
        AutoBackend(BackendOptions(str(bench.path), "gpu"))
