"""Small ONNX models with random weights in the forms of exports of many makers, as `onnx_tasks` has those of two.

They see the picture through random filters, so that another picture, or another way to feed it, gives other answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from support.onnx_tasks import STRIDES, Graph

FLOAT, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8
Shapes = Mapping[str, tuple[int, Sequence[Any]]]  # name → type, and shape with the batch
NANODET_STRIDES = (8, 16, 32, 64)
BATCH = "N"
GAIN = 4.5  # of those who take levels from 0 to 1: as much contrast as the deviation of ImageNet makes


def faces(path: Path, size: tuple[int, int], seed: int = 0) -> Path:
    """A YuNet: twelve outputs."""
    graph, outputs = Graph(seed), {}
    graph.add("Div", "levels", graph.constant(255.0), name="images")
    for stride in STRIDES:
        cells = (size[0] // stride) * (size[1] // stride)
        made = {
            "cls": graph.add("Sigmoid", graph.logits(stride, 1, -2.0)),
            "obj": graph.add("Sigmoid", graph.logits(stride, 1, -2.0)),
            "bbox": graph.columns(graph.look(stride, 4, 0.4, np.array([0.5, 0.5, 0.9, 0.9])), 4),
            "kps": graph.columns(graph.look(stride, 10, 1.0), 10),
        }
        for kind, value in made.items():
            name = f"{kind}_{stride}"
            graph.add("Transpose", value, perm=[0, 2, 1], name=name)
            outputs[name] = FLOAT, (BATCH, cells, {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}[kind])
    return save(graph, path, {"levels": (FLOAT, (BATCH, 3, size[1], size[0]))}, outputs)


def nanodet(path: Path, size: tuple[int, int], classes: int = 3, seed: int = 0) -> Path:
    """A NanoDet-Plus: scores and distributions of each cell of four strides."""
    graph, levels, cells = Graph(seed), [], 0
    for stride in NANODET_STRIDES:
        scores = graph.add("Sigmoid", graph.logits(stride, classes, -3.0))
        levels.append(graph.add("Concat", scores, graph.columns(graph.look(stride, 32, 1.0), 32), axis=1))
        cells += (size[0] // stride) * (size[1] // stride)
    graph.add("Transpose", graph.add("Concat", *levels, axis=2), perm=[0, 2, 1], name="output")
    images = {"images": (FLOAT, (BATCH, 3, size[1], size[0]))}
    return save(graph, path, images, {"output": (FLOAT, (BATCH, cells, classes + 32))})


def yolox(path: Path, size: tuple[int, int], classes: int = 3, seed: int = 0) -> Path:
    """A YOLOX: boxes relative to cells, objectness, scores."""
    graph, levels, cells = Graph(seed), [], 0
    graph.add("Div", "levels", graph.constant(255.0 / GAIN), name="images")
    for stride in STRIDES:
        boxes = graph.columns(graph.look(stride, 4, 0.4, np.array([0.5, 0.5, 0.9, 0.9])), 4)
        objectness, scores = (graph.add("Sigmoid", graph.logits(stride, n, -1.0)) for n in (1, classes))
        levels.append(graph.add("Concat", boxes, objectness, scores, axis=1))
        cells += (size[0] // stride) * (size[1] // stride)
    graph.add("Transpose", graph.add("Concat", *levels, axis=2), perm=[0, 2, 1], name="output")
    images = {"levels": (FLOAT, (BATCH, 3, size[1], size[0]))}
    return save(graph, path, images, {"output": (FLOAT, (BATCH, cells, 5 + classes))})


def queries(
    path: Path, size: tuple[int, int], columns: int, mask: bool = False, gain: float = 1.0, sharp: float = 1.0
) -> Path:
    """A DETR as `transformers` exports it: boxes and logits of a query for each cell of 16 pixels."""
    graph = Graph(0)
    graph.add("Mul", "pixel_values", graph.constant(gain), name="images")
    count = _query_outputs(graph, size, columns, "pred_boxes", "calm")
    graph.add("Mul", "calm", graph.constant(sharp), name="logits")
    inputs = {"pixel_values": (FLOAT, (BATCH, 3, size[1], size[0]))}
    if mask:  # what it says counts: where it is not 1, the boxes are others
        inputs["pixel_mask"] = (INT64, (BATCH, size[1], size[0]))
        seen = graph.add("ReduceMean", graph.add("Cast", "pixel_mask", to=FLOAT), axes=[1, 2], keepdims=1)
        graph.add("Mul", _renamed(graph, "pred_boxes"), seen, name="pred_boxes")
    outputs = {"logits": (FLOAT, (BATCH, count, columns)), "pred_boxes": (FLOAT, (BATCH, count, 4))}
    return save(graph, path, inputs, outputs)


def finished_queries(path: Path, size: tuple[int, int], classes: int = 3, most: int = 30, seed: int = 0) -> Path:
    """An RT-DETR as its own tool exports it: the best pairs, their boxes in the pixels that a second input says."""
    graph = Graph(seed)
    graph.add("Mul", "pixels", graph.constant(GAIN), name="images")
    count = _query_outputs(graph, size, classes, "parts", "logits")
    scores = graph.add("Reshape", graph.add("Sigmoid", "logits"), graph.constant([0, count * classes], np.int64))
    graph.nodes.append(helper.make_node("TopK", [scores, graph.constant([most], np.int64)], ["scores", "pairs"]))
    graph.add("Mod", "pairs", graph.constant(classes, np.int64), name="labels")
    query = graph.add("Div", "pairs", graph.constant(classes, np.int64))
    index = graph.add(
        "Expand", graph.add("Unsqueeze", query, graph.constant([2], np.int64)), graph.constant([1, 1, 4], np.int64)
    )
    chosen = graph.add("GatherElements", _corners(graph, "parts"), index, axis=1)
    sides = graph.add("Cast", graph.add("Concat", "orig_target_sizes", "orig_target_sizes", axis=1), to=FLOAT)
    graph.add("Mul", chosen, graph.add("Unsqueeze", sides, graph.constant([1], np.int64)), name="boxes")
    inputs = {"pixels": (FLOAT, (BATCH, 3, size[1], size[0])), "orig_target_sizes": (INT64, (BATCH, 2))}
    outputs = {
        "labels": (INT64, (BATCH, most)),
        "boxes": (FLOAT, (BATCH, most, 4)),
        "scores": (FLOAT, (BATCH, most)),
    }
    return save(graph, path, inputs, outputs)


def yolo_nas(
    path: Path, size: tuple[int, int], classes: int = 3, most: int = 30, takes: int = UINT8, seed: int = 0
) -> Path:
    """A YOLO-NAS in "batch format", which takes bytes (or their levels) and says how many of its boxes are real."""
    graph = Graph(seed)
    graph.add("Div", graph.add("Cast", "bytes", to=FLOAT), graph.constant(255.0 / GAIN), name="images")
    count = _query_outputs(graph, size, classes, "parts", "logits")
    scores = graph.add("Sigmoid", "logits")
    best = graph.add("ReduceMax", scores, axes=[2], keepdims=0)
    graph.nodes.append(helper.make_node("TopK", [best, graph.constant([most], np.int64)], ["pred_scores", "order"]))
    graph.add("GatherElements", graph.add("ArgMax", scores, axis=2, keepdims=0), "order", axis=1, name="pred_classes")
    index = graph.add(
        "Expand", graph.add("Unsqueeze", "order", graph.constant([2], np.int64)), graph.constant([1, 1, 4], np.int64)
    )
    chosen = graph.add("GatherElements", _corners(graph, "parts"), index, axis=1)
    graph.add("Mul", chosen, graph.constant([size[0], size[1]] * 2), name="pred_boxes")
    above = graph.add("Cast", graph.add("Greater", "pred_scores", graph.constant(0.5)), to=INT64)
    graph.add("ReduceSum", above, graph.constant([1], np.int64), keepdims=1, name="num_predictions")
    assert count >= most
    outputs = {
        "num_predictions": (INT64, (BATCH, 1)),
        "pred_boxes": (FLOAT, (BATCH, most, 4)),
        "pred_scores": (FLOAT, (BATCH, most)),
        "pred_classes": (INT64, (BATCH, most)),
    }
    return save(graph, path, {"bytes": (takes, (BATCH, 3, size[1], size[0]))}, outputs)


def segmenter(path: Path, size: tuple[int, int], classes: int = 4, ids: bool = False, seed: int = 0) -> Path:
    """A semantic segmenter: logits on a grid of a quarter, smooth as real ones are; or the class of every pixel."""
    graph = Graph(seed)
    middle = np.linspace(0.2, -0.2, classes)
    coarse = graph.look(32, classes, 2.0, middle)
    cells = [size[1] // 32, size[0] // 32]
    factor = 32 if ids else 8
    scales = graph.constant([1, 1, factor, factor])
    grid = graph.add("Resize", coarse, graph.constant(np.zeros(0)), scales, mode="linear", name="numbers")
    inputs = {"images": (FLOAT, (BATCH, 3, size[1], size[0]))}
    if ids:
        graph.add("ArgMax", grid, axis=1, keepdims=0, name="classes")
        return save(graph, path, inputs, {"classes": (INT64, (BATCH, size[1], size[0]))})
    graph.add("Identity", grid, name="logits")
    return save(graph, path, inputs, {"logits": (FLOAT, (BATCH, classes, cells[0] * 8, cells[1] * 8))})


def embedder(path: Path, size: tuple[int, int], numbers: int = 16, name: str = "image_embeds", seed: int = 0) -> Path:
    """The picture side of a CLIP: averaged filters, weighted."""
    graph = Graph(seed)
    pooled = graph.add("ReduceMean", graph.add("Relu", graph.look(8, 16, 2.0)), axes=[2, 3], keepdims=0)
    graph.add("MatMul", pooled, graph.constant(graph.rng.normal(0, 3, (16, numbers))), name=name)
    images = {"images": (FLOAT, (BATCH, 3, size[1], size[0]))}
    return save(graph, path, images, {name: (FLOAT, (BATCH, numbers))})


def save(graph: Graph, path: Path, inputs: Shapes, outputs: Shapes, **metadata: str) -> Path:
    """The model with these inputs and outputs."""
    values = [
        [helper.make_tensor_value_info(name, kind, list(shape)) for name, (kind, shape) in each.items()]
        for each in (inputs, outputs)
    ]
    made = helper.make_graph(graph.nodes, "detectors", *values, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _query_outputs(graph: Graph, size: tuple[int, int], columns: int, boxes: str, logits: str) -> int:
    """Boxes as parts of the input and logits, [B, Q, n], of a query for each cell of 16 pixels; how many there are."""
    width, height = size[0] // 16, size[1] // 16
    y, x = np.mgrid[:height, :width]
    cells = np.stack([(x + 0.5) / width, (y + 0.5) / height]).reshape(1, 2, -1)
    centre = graph.add("Add", graph.columns(graph.look(16, 2, 0.05), 2), graph.constant(cells))
    side = graph.add("Sigmoid", graph.columns(graph.look(16, 2, 0.4, -0.8), 2))
    graph.add("Transpose", graph.add("Concat", centre, side, axis=1), perm=[0, 2, 1], name=boxes)
    graph.add("Transpose", graph.logits(16, columns, -3.0 if columns < 10 else -4.5), perm=[0, 2, 1], name=logits)
    return width * height


def _corners(graph: Graph, boxes: str) -> str:
    """x1, y1, x2, y2 of cx, cy, w, h."""
    names = ["centres", "sides"]
    graph.nodes.append(helper.make_node("Split", [boxes, graph.constant([2, 2], np.int64)], names, axis=2))
    half = graph.add("Mul", "sides", graph.constant(0.5))
    return graph.add("Concat", graph.add("Sub", "centres", half), graph.add("Add", "centres", half), axis=2)


def _renamed(graph: Graph, output: str) -> str:
    """Gives what is called `output` another name, so that something made of it can have that one."""
    inner = f"{output}_before"
    for node in graph.nodes:
        node.output[:] = [inner if name == output else name for name in node.output]
    return inner
