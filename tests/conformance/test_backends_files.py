"""Backends that execute model files: what they say of a file, what they compute, and how they refuse one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.onnx_models import detector, mean_of_image

from mpipeline import registry
from mpipeline.backends.backend import BackendOptions
from mpipeline.errors import BackendError, ConfigError, ModelError
from mpipeline.tensor import TensorSpec

ANSWER = np.arange(12, dtype=np.float32).reshape(2, 6)
LIBRARIES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


@pytest.fixture(params=LIBRARIES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(kind: str, path: Path, threads: int = 1, device: str = "auto") -> Any:
    return registry.load("backends", kind)(BackendOptions(str(path), device, threads))


def opened(kind: str, path: Path, threads: int = 1) -> Any:
    backend = made(kind, path, threads)
    backend.open()
    return backend


def test_it_says_what_the_file_wants(kind: str, tmp_path: Path) -> None:
    path = detector(tmp_path / "m.onnx", ANSWER, batch="N", size=("H", 32), metadata={"stride": "32", "names": "{}"})
    info = made(kind, path).open()
    assert info.inputs == (TensorSpec("images", (None, 3, None, 32), np.dtype(np.float32)),)
    assert info.outputs == (TensorSpec("output0", (None, 2, 6), np.dtype(np.float32)),)
    assert info.metadata == {"stride": "32", "names": "{}"}


def test_it_says_how_it_executes_it(kind: str, tmp_path: Path) -> None:
    info = made(kind, mean_of_image(tmp_path / "m.onnx"), threads=1).open()
    assert info.execution is not None
    assert (info.execution.library, info.execution.threads, info.execution.precision) == (LIBRARIES[kind], 1, "float32")
    assert str(info.execution).endswith("infers in float32 on the CPU with 1 thread")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_it_computes(kind: str, tmp_path: Path, dtype: str, threads: int) -> None:
    backend = opened(kind, mean_of_image(tmp_path / "m.onnx", dtype=dtype), threads)
    for batch in (1, 3):
        images = np.stack([np.full((3, 8, 4), i + 1, dtype) for i in range(batch)])
        outputs = backend.run({"images": images})
        assert outputs["mean"].dtype == dtype
        assert outputs["mean"].ravel().tolist() == list(range(1, batch + 1))
    backend.close()


def test_inputs_of_any_memory(kind: str, tmp_path: Path) -> None:
    backend = opened(kind, mean_of_image(tmp_path / "m.onnx"))
    wide = np.stack([np.full((3, 8, 8), i, np.float32) for i in range(4)])
    fixed = wide.copy()
    fixed.flags.writeable = False
    for images in (wide[:, :, :, ::2], wide.transpose(0, 1, 3, 2), fixed, wide):
        assert backend.run({"images": images})["mean"].ravel().tolist() == [0, 1, 2, 3]
    wide += 1
    assert backend.run({"images": wide})["mean"].ravel().tolist() == [1, 2, 3, 4]


def test_names_and_types_are_those_of_the_file(kind: str, tmp_path: Path) -> None:
    """Names that several tensors share a value under, or with signs in them; and every type of number."""
    types = ("FLOAT", "FLOAT16", "DOUBLE", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64")
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    nodes = [helper.make_node("Identity", ["x"], ["a"]), helper.make_node("Identity", ["a"], ["b/c:0"])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("a", "b/c:0")]
    for name in (*types, "BOOL"):
        number = TensorProto.DataType.Value(name)
        nodes.append(helper.make_node("Cast", ["x"], [name], to=number))
        outputs.append(helper.make_tensor_value_info(name, number, ["N", 3]))
    graph = helper.make_graph(nodes, "types", values, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    backend = made(kind, tmp_path / "m.onnx")
    info = backend.open()
    assert [spec.name for spec in info.outputs] == ["a", "b/c:0", *types, "BOOL"]
    found = backend.run({"x": np.array([[0, 1, 2]], np.float32)})
    assert list(found) == [spec.name for spec in info.outputs]
    for spec in info.outputs:
        assert found[spec.name].dtype == spec.dtype, spec.name
        assert found[spec.name].astype(int).tolist() == [[0, 1, 1 if spec.name == "BOOL" else 2]]


def test_what_is_no_number_is_refused(kind: str, tmp_path: Path) -> None:
    text = [helper.make_tensor_value_info(name, TensorProto.STRING, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "text", text[:1], text[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"m\.onnx: x is of type .*string.*, which is not a tensor of numbers"):
        opened(kind, tmp_path / "m.onnx")


def test_wrong_inputs_are_told(kind: str, tmp_path: Path) -> None:
    backend = opened(kind, detector(tmp_path / "m.onnx", ANSWER, size=(8, 8)))
    with pytest.raises(BackendError, match=r"m.onnx failed on images \[1, 3, 9, 9\] float32: .*\w"):
        backend.run({"images": np.zeros((1, 3, 9, 9), np.float32)})
    with pytest.raises(BackendError, match="float64"):
        backend.run({"images": np.zeros((1, 3, 8, 8))})
    with pytest.raises(BackendError, match="failed on pictures"):
        backend.run({"pictures": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(BackendError, match="images"):
        backend.run({})
    assert backend.run({"images": np.zeros((1, 3, 8, 8), np.float32)})["output0"].tolist() == [ANSWER.tolist()]


def test_files_that_are_no_model(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = detector(tmp_path / "whole.onnx", ANSWER).read_bytes()
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.onnx").write_text("this is not a model\n" * 50)
    (tmp_path / "zeros.onnx").write_bytes(bytes(1000))
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "directory.onnx").mkdir()
    for name, message in {
        "missing.onnx": "there is no such model file",
        "empty.onnx": "is empty",
        "text.onnx": "is not an ONNX file, or is cut off",
        "zeros.onnx": "is not an ONNX file, or is cut off",
        "cut.onnx": "is not an ONNX file, or is cut off",
        "directory.onnx": "is no file",
    }.items():
        with pytest.raises(ModelError, match=message) as error:
            opened(kind, tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_nobody_knows(kind: str, tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Foo", ["x"], ["y"], domain="of.mine")], "own", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("of.mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=rf"m\.onnx: {LIBRARIES[kind]} cannot load it: .*Foo"):
        opened(kind, tmp_path / "m.onnx")


def test_weights_in_a_file_beside_it(kind: str, tmp_path: Path) -> None:
    path = detector(tmp_path / "m.onnx", np.ones((64, 64), np.float32), external_data=True)
    outputs = opened(kind, path).run({"images": np.zeros((1, 3, 64, 64), np.float32)})
    assert outputs["output0"].sum() == 64 * 64
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(ModelError, match="a file with the weights, which belongs beside it, is missing"):
        opened(kind, path)


def test_only_devices_that_it_has() -> None:
    with pytest.raises(ConfigError, match="device is 'auto' or 'cpu', not 'cuda:0'"):
        made("openvino", Path("m.onnx"), device="cuda:0")
    with pytest.raises(ConfigError, match="device is 'auto', 'cpu', 'cuda' or 'cuda:1' and so on, not 'gpu'"):
        made("onnxruntime", Path("m.onnx"), device="gpu")
