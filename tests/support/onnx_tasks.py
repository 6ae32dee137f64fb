"""Small ONNX models with random weights that answer in the forms of real exports, for every task.

They see the picture through random filters, so that another picture, or another way to feed it, gives other answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)


@dataclass
class Graph:
    """Nodes and constants while a model grows; each method adds one node and gives the name of its output."""

    seed: int
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = attributes.pop("name", f"value{len(self.nodes)}")
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return str(name)

    def look(self, stride: int, channels: int, strength: float, bias: Any = 0.0) -> str:
        """[B, channels, H / stride, W / stride] of roughly normal numbers times `strength`, plus `bias`."""
        blocks = self.rng.normal(0, 1, (channels, 3, 4, 4))
        blocks -= blocks.mean(axis=(1, 2, 3), keepdims=True)  # sees contrast, not brightness
        weights = blocks.repeat(stride // 4, 2).repeat(stride // 4, 3) * strength * 16 / (stride * stride)
        names = self.constant(weights), self.constant(np.broadcast_to(bias, channels))
        return self.add("Conv", "images", *names, strides=[stride, stride], kernel_shape=[stride, stride])

    def logits(self, stride: int, channels: int, middle: float) -> str:
        """[B, channels, cells] of numbers around `middle`, at most 6 away, of which hardly two are alike."""
        tamed = self.add("Softsign", self.columns(self.look(stride, channels, 0.4), channels))
        return self.add("Add", self.add("Mul", tamed, self.constant(6.0)), self.constant(middle))

    def columns(self, value: str, channels: int) -> str:
        """[B, channels, cells] of [B, channels, h, w]."""
        return self.add("Reshape", value, self.constant([0, channels, -1], np.int64))

    def save(self, path: Path, size: tuple[int, int], outputs: Mapping[str, Sequence[Any]], **metadata: str) -> Path:
        """`size` is (width, height); `outputs` has the shapes without the batch, which is dynamic."""
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size[1], size[0]])
        results = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "tasks", [image], results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return path


def yolo_model(
    path: Path,
    size: tuple[int, int],
    task: str,
    classes: int = 3,
    points: int = 0,
    masks: int = 0,
    end_to_end: bool = False,
    seed: int = 0,
) -> Path:
    """An Ultralytics export of task `detect`, `segment` or `pose`; anchors last, or one row a box."""
    graph = Graph(seed)
    levels = []
    for stride in STRIDES:
        width, height = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:height, :width]
        cells = np.stack([x, y]).reshape(1, 2, -1) + 0.5
        cell, step = graph.constant(cells), graph.constant(float(stride))
        centre = graph.add("Add", graph.columns(graph.look(stride, 2, 0.5), 2), cell)
        side = graph.add("Exp", graph.columns(graph.look(stride, 2, 0.4, 0.9), 2))
        boxes = [graph.add("Mul", centre, step), graph.add("Mul", side, step)]
        scores = graph.add("Sigmoid", graph.logits(stride, classes, -3.0))
        parts = [*boxes, scores]
        for _ in range(points):
            place = graph.add("Add", graph.columns(graph.look(stride, 2, 1.5), 2), cell)
            parts += [graph.add("Mul", place, step)]
            parts += [graph.add("Sigmoid", graph.columns(graph.look(stride, 1, 2.0), 1))]
        if masks:
            parts.append(graph.columns(graph.look(stride, masks, 1.0), masks))
        levels.append(graph.add("Concat", *parts, axis=1))
    anchors = sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)
    more = 3 * points + masks
    outputs: dict[str, Sequence[Any]] = {"output0": (4 + classes + more, anchors)}
    if end_to_end:
        _rows(graph, graph.add("Concat", *levels, axis=2), classes, more)
        outputs = {"output0": (anchors, 6 + more)}
    else:
        graph.add("Concat", *levels, axis=2, name="output0")
    if masks:
        graph.add("Identity", graph.look(4, masks, 1.0), name="output1")
        outputs["output1"] = (masks, size[1] // 4, size[0] // 4)
    names = {i: f"class {i}" for i in range(classes)}
    told = {"kpt_shape": f"[{points}, 3]"} if points else {}
    described = {"description": "Ultralytics model", "stride": "32", "names": str(names), "task": task}
    return graph.save(path, size, outputs, **described, end2end=str(end_to_end), **told)


def _rows(graph: Graph, columns: str, classes: int, more: int) -> None:
    """[B, A, 6 + more]: corners, score, class and what follows, of [B, 4 + classes + more, A]."""
    sizes = graph.constant([2, 2, classes, *([more] if more else [])], np.int64)
    names = ["centre", "side", "scores", *(["rest"] if more else [])]
    graph.nodes.append(helper.make_node("Split", [columns, sizes], names, axis=1))
    half = graph.add("Mul", "side", graph.constant(0.5))
    corners = [graph.add("Sub", "centre", half), graph.add("Add", "centre", half)]
    best = graph.add("ReduceMax", "scores", axes=[1], keepdims=1)
    which = graph.add("Cast", graph.add("ArgMax", "scores", axis=1, keepdims=1), to=TensorProto.FLOAT)
    together = graph.add("Concat", *corners, best, which, *(["rest"] if more else []), axis=1)
    graph.add("Transpose", together, perm=[0, 2, 1], name="output0")


def classifier(path: Path, size: tuple[int, int], classes: int = 5, seed: int = 0) -> Path:
    """An Ultralytics export of task `classify`: softmax of averaged filters."""
    graph = Graph(seed)
    seen = graph.add("Relu", graph.look(8, 16, 2.0))
    pooled = graph.add("ReduceMean", seen, axes=[2, 3], keepdims=0)
    weights = graph.constant(graph.rng.normal(0, 3, (16, classes)))
    graph.add("Softmax", graph.add("MatMul", pooled, weights), axis=1, name="output0")
    names = {i: f"class {i}" for i in range(classes)}
    described = {"description": "Ultralytics model", "stride": "1", "names": str(names), "task": "classify"}
    return graph.save(path, size, {"output0": (classes,)}, **described)


def detr(path: Path, size: tuple[int, int], columns: int = 4, masks: bool = False, seed: int = 0, **notes: str) -> Path:
    """An RF-DETR export: a query for each cell of 16 pixels."""
    graph = Graph(seed)
    width, height = size[0] // 16, size[1] // 16
    queries = width * height
    y, x = np.mgrid[:height, :width]
    cells = np.stack([(x + 0.5) / width, (y + 0.5) / height]).reshape(1, 2, -1)
    centre = graph.add("Add", graph.columns(graph.look(16, 2, 0.05), 2), graph.constant(cells))
    side = graph.add("Sigmoid", graph.columns(graph.look(16, 2, 0.4, -0.8), 2))
    boxes = graph.add("Concat", centre, side, axis=1)
    graph.add("Transpose", boxes, perm=[0, 2, 1], name="dets")
    graph.add("Transpose", graph.logits(16, columns, -3.0 if columns < 10 else -4.5), perm=[0, 2, 1], name="labels")
    outputs: dict[str, Sequence[Any]] = {"dets": (queries, 4), "labels": (queries, columns)}
    if masks:
        kinds = graph.columns(graph.look(16, 8, 1.0), 8)
        grids = graph.columns(graph.look(4, 8, 1.0), 8)
        product = graph.add("MatMul", graph.add("Transpose", kinds, perm=[0, 2, 1]), grids)
        shape = graph.constant([0, queries, size[1] // 4, size[0] // 4], np.int64)
        graph.add("Reshape", product, shape, name="masks")
        outputs["masks"] = (queries, size[1] // 4, size[0] // 4)
    return graph.save(path, size, outputs, **notes)
