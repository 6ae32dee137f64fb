"""Writes the trained detector as an ONNX file that looks like a YOLOv8 detection export.

Input `images` (N, 3, H, W): RGB / 255. Output `output0` (N, 4 + classes, cells): cx, cy, w, h in input pixels, then a
score for each class. The graph is written node by node: it needs no exporter, and the same weights give the same bytes.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from mpipeline.demo.network import BOX_UNIT, CELL, INPUT_HEIGHT, INPUT_WIDTH, LAYERS, Layer
from mpipeline.errors import MissingDependency
from mpipeline.sources.synthetic_scene import CLASS_NAMES

_OPSET = 13
_IR_VERSION = 8  # what onnxruntime 1.10 and later read


def export_network(network: Any, path: Path) -> None:
    """Writes `network`, a Sequential from `build_network`, to `path`; batch norms are folded into the weights."""
    convolutions = [module for module in network if hasattr(module, "kernel_size")]
    norms = [module for module in network if hasattr(module, "running_var")]
    weights = []
    for index, convolution in enumerate(convolutions):
        weight = convolution.weight.detach().double().numpy()
        if index < len(norms):
            norm = norms[index]
            scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().double().numpy()
            bias = norm.bias.detach().double().numpy() - norm.running_mean.double().numpy() * scale
            weights.append((weight * scale[:, None, None, None], bias))
        else:
            weights.append((weight, convolution.bias.detach().double().numpy()))
    write_onnx([(w.astype(np.float32), b.astype(np.float32)) for w, b in weights], path)


def write_onnx(weights: list[tuple[Any, Any]], path: Path) -> None:
    """Writes a chain of `LAYERS` with `weights`, one (weight, bias) pair of float32 arrays a layer."""
    onnx = _import_onnx()
    make, from_array = onnx.helper, onnx.numpy_helper.from_array
    nodes, constants, data = [], [], "images"
    for index, (layer, (weight, bias)) in enumerate(zip(LAYERS, weights, strict=True)):
        names = [data, f"w{index}", f"b{index}"]
        constants += [from_array(weight, names[1]), from_array(bias, names[2])]
        data = f"conv{index}"
        nodes.append(make.make_node("Conv", names, [data], name=data, **_attributes(layer)))
        if layer is not LAYERS[-1]:
            data = f"relu{index}"
            nodes.append(make.make_node("Relu", [f"conv{index}"], [data], name=data))
    box_nodes, box_constants = _box_nodes(data, make, from_array)
    batch = "batch"
    outputs = 4 + len(CLASS_NAMES)
    cells = (INPUT_WIDTH // CELL) * (INPUT_HEIGHT // CELL)
    graph = make.make_graph(
        nodes + box_nodes,
        "demo_detector",
        [make.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [batch, 3, INPUT_HEIGHT, INPUT_WIDTH])],
        [make.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, [batch, outputs, cells])],
        constants + box_constants,
    )
    opset = make.make_opsetid("", _OPSET)
    model = make.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="mpipeline.demo.train")
    make.set_model_props(model, metadata())
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def metadata() -> dict[str, str]:
    """What the file says of itself, under the keys and in the spelling of Ultralytics exports."""
    return {
        "description": "mpipeline demo: circles, squares and triangles of the synthetic source",
        "task": "detect",
        "names": str(dict(enumerate(CLASS_NAMES))),
        "stride": "32",
        "imgsz": str([INPUT_HEIGHT, INPUT_WIDTH]),
        "batch": "1",
        "license": "Apache-2.0",
    }


def _attributes(layer: Layer) -> dict[str, Any]:
    return {
        "kernel_shape": [layer.kernel] * 2,
        "strides": [layer.stride] * 2,
        "pads": [layer.padding] * 4,
        "dilations": [layer.dilation] * 2,
        "group": layer.groups,
    }


def _box_nodes(raw: str, make: Any, from_array: Any) -> tuple[list[Any], list[Any]]:
    """The same arithmetic as `network.boxes_of`, and the sigmoid of the scores."""
    rows, columns = INPUT_HEIGHT // CELL, INPUT_WIDTH // CELL
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    centres = ((np.stack([x, y]).reshape(1, 2, -1) + 0.5) * CELL).astype(np.float32)
    constants = [
        from_array(np.array([0, 4 + len(CLASS_NAMES), -1], np.int64), "flat_shape"),
        from_array(np.array([2, 2, len(CLASS_NAMES)], np.int64), "parts"),
        from_array(centres, "centres"),
        from_array(np.float32(CELL), "cell"),
        from_array(np.float32(BOX_UNIT), "box_unit"),
        from_array(np.float32(-20), "log_low"),
        from_array(np.float32(3), "log_high"),
    ]
    nodes = [
        make.make_node("Reshape", [raw, "flat_shape"], ["flat"]),
        make.make_node("Split", ["flat", "parts"], ["offset", "log_size", "logit"], axis=1),
        make.make_node("Mul", ["offset", "cell"], ["offset_pixels"]),
        make.make_node("Add", ["offset_pixels", "centres"], ["centre"]),
        make.make_node("Clip", ["log_size", "log_low", "log_high"], ["log_clipped"]),
        make.make_node("Exp", ["log_clipped"], ["size_units"]),
        make.make_node("Mul", ["size_units", "box_unit"], ["size"]),
        make.make_node("Sigmoid", ["logit"], ["score"]),
        make.make_node("Concat", ["centre", "size", "score"], ["output0"], axis=1),
    ]
    return nodes, constants


def _import_onnx() -> Any:
    try:
        onnx = importlib.import_module("onnx")
        importlib.import_module("onnx.numpy_helper")
    except ImportError as error:
        raise MissingDependency("onnx", "train", "writing the demo's detector") from error
    return onnx
