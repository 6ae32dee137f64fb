"""Small ONNX models that tests build: their outputs are numbers the test has chosen, for whatever input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = tuple[int | str, ...]

_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}


def detector(
    path: Path,
    output: npt.NDArray[np.generic],
    *,
    size: tuple[int | str, int | str] = (64, 64),
    batch: int | str = 1,
    dtype: str = "float32",
    metadata: Mapping[str, str] | None = None,
    output_shape: Shape | None = None,
    external_data: bool = False,
) -> Path:
    """A model that answers each image with `output`, an array without the batch dimension.

    The answer to image i is `output` + 0 * mean(image i), so that the input is really read. `size` is (height, width)
    of the input, texts name dynamic dimensions. With `external_data` the numbers lie in a file of their own, PATH.data.
    """
    kind = _TYPES[dtype]
    rank = output.ndim
    image = helper.make_tensor_value_info("images", kind, [batch, 3, *size])
    shape = output_shape if output_shape is not None else (batch, *output.shape)
    result = helper.make_tensor_value_info("output0", kind, list(shape))
    constants = {
        "answer": output.astype(dtype)[None],
        "nothing": np.zeros(1, dtype),
        "as_wide": np.array([0] + [1] * rank, np.int64),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zeros"]),
        helper.make_node("Reshape", ["zeros", "as_wide"], ["zero"]),
        helper.make_node("Add", ["answer", "zero"], ["output0"]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "detector", [image], [result], initializers)
    return _save(path, graph, metadata or {}, external_data)


def mean_of_image(path: Path, *, dtype: str = "float32", batch: int | str = "N") -> Path:
    """A model whose output [batch, 1] is the mean of each image [batch, 3, H, W]."""
    kind = _TYPES[dtype]
    image = helper.make_tensor_value_info("images", kind, [batch, 3, "H", "W"])
    result = helper.make_tensor_value_info("mean", kind, [batch, 1])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["all"], axes=[2, 3], keepdims=0),
        helper.make_node("ReduceMean", ["all"], ["mean"], axes=[1], keepdims=1),
    ]
    return _save(path, helper.make_graph(nodes, "mean", [image], [result]), {})


def behind_convolutions(path: Path) -> Path:
    """Puts four convolutions that change nothing before the model in the file.

    They are called `first`, `inner1`, `single` (which sees each channel by itself) and `inner2`.
    """
    model = onnx.load(str(path))
    whole, each = np.eye(3, dtype=np.float32)[:, :, None, None], np.ones((3, 1, 1, 1), np.float32)
    before, name = [], "pixels"
    for conv, weights, groups in (("first", whole, 1), ("inner1", whole, 1), ("single", each, 3), ("inner2", whole, 1)):
        model.graph.initializer.append(numpy_helper.from_array(weights, f"{conv}_weights"))
        made = "images" if conv == "inner2" else f"{conv}_out"
        before.append(helper.make_node("Conv", [name, f"{conv}_weights"], [made], name=conv, group=groups))
        name = made
    nodes = [*before, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.input[0].name = "pixels"
    onnx.save(model, str(path))
    return path


def _save(path: Path, graph: onnx.GraphProto, metadata: Mapping[str, str], external_data: bool = False) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(
        model,
        str(path),
        save_as_external_data=external_data,
        location=f"{path.name}.data" if external_data else None,
        size_threshold=1024,  # shapes have to stay inside
    )
    return path
