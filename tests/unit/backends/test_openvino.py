"""OpenVINO: the precision in effect, what it does when it is loaded, and what becomes of outputs."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.onnx_models import mean_of_image

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.openvino import OpenVinoBackend
from mpipeline.errors import ConfigError, ModelError
from mpipeline.tensor import Precision

LOAD = """
import sys
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.openvino import OpenVinoBackend
backend = OpenVinoBackend(BackendOptions(sys.argv[1], threads=1))
backend.open()
print(sorted(name for name in sys.modules if "telemetry" in name and not name.startswith("openvino.tools")))
import openvino
print(callable(openvino.convert_model))
"""


def product(path: Path, side: int = 64) -> Path:
    """A model that multiplies [batch, side] by a matrix of random numbers: enough for a precision to show."""
    matrix = np.random.default_rng(1).random((side, side), np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", side]) for name in ("x", "y")]
    node = helper.make_node("MatMul", ["x", "matrix"], ["y"])
    graph = helper.make_graph([node], "product", ends[:1], ends[1:], [numpy_helper.from_array(matrix, "matrix")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_float32_unless_asked_for_less(tmp_path: Path) -> None:
    path, x = product(tmp_path / "m.onnx"), np.random.default_rng(2).random((4, 64), np.float32)
    exact = x @ numpy_helper.to_array(onnx.load(path).graph.initializer[0])

    def error(precision: Precision | None) -> float:
        more: dict[str, Any] = {} if precision is None else {"precision": precision}
        backend = OpenVinoBackend(BackendOptions(str(path), threads=1, **more))
        info = backend.open()
        assert info.execution is not None
        assert info.execution.precision in (precision or "float32", "float32")  # not every CPU has every precision
        return float(np.abs(backend.run({"x": x})["y"] - exact).max())

    assert error(None) < 1e-4
    assert error("float32") < 1e-4
    assert error("bfloat16") < 1


def test_a_precision_in_which_a_model_cannot_be_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    def refuse(*_: object) -> None:
        raise RuntimeError(
            "Exception from src/core.cpp:117:\nprimitive descriptors list is empty for node: MaxPool\n\n"
        )

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    backend = OpenVinoBackend(BackendOptions(str(product(tmp_path / "m.onnx")), precision="float16"))
    expected = r"m\.onnx: OpenVINO cannot compile it in float16: .*MaxPool; precision float32 may work"
    with pytest.raises(ModelError, match=expected):
        backend.open()


def test_a_precision_that_is_not_in_effect_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import openvino

    compile_model = openvino.Core.compile_model

    def in_float32(self: Any, model: Any, device: str, properties: dict[str, Any]) -> Any:
        return compile_model(self, model, device, {**properties, "INFERENCE_PRECISION_HINT": "f32"})

    monkeypatch.setattr(openvino.Core, "compile_model", in_float32)
    info = OpenVinoBackend(BackendOptions(str(product(tmp_path / "m.onnx")), precision="bfloat16")).open()
    assert info.execution is not None
    assert info.execution.precision == "float32"
    assert caplog.messages == ["precision bfloat16 was asked for, but OpenVINO infers in float32 on this CPU"]


def test_it_is_silent_and_sends_nothing(tmp_path: Path) -> None:
    """Its import would load what reports it over the network; other programs in the process find it as ever."""
    path = mean_of_image(tmp_path / "m.onnx")
    done = subprocess.run([sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "True"]
    assert done.stderr == ""


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def lacking(name: str, *more: Any) -> Any:
        if name == "openvino":
            raise ModuleNotFoundError("No module named 'openvino'", name=name)
        return real(name, *more)

    path = mean_of_image(tmp_path / "m.onnx")
    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ConfigError, match=r"backend openvino needs OpenVINO.*pip install 'mpipeline\[openvino\]'"):
        OpenVinoBackend(BackendOptions(str(path))).open()


def test_outputs_are_views_that_the_next_call_overwrites(tmp_path: Path) -> None:
    backend = OpenVinoBackend(BackendOptions(str(product(tmp_path / "m.onnx")), threads=1))
    backend.open()
    first = backend.run({"x": np.zeros((2, 64), np.float32)})["y"]
    assert (first == 0).all()
    backend.run({"x": np.ones((2, 64), np.float32)})
    backend.close()
    assert first.shape == (2, 64)  # and can be looked at
    assert np.isfinite(first).all()
