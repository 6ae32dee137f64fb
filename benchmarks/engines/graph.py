"""A detector of the form of Ultralytics' YOLOv8, with random weights, written down with the `onnx` package.

Layers and channels are those of `yolov8.yaml` in Ultralytics' repository: 3.2 million parameters and 8.7 GFLOPs for
the widths of YOLOv8n. It finds nothing: what it is for is its speed. A `Width` of less gives a faster one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 640
_BINS = 16  # of the distribution over a box's distances
_STRIDES = (8, 16, 32)
_OPSET = 17


@dataclass(frozen=True)
class Width:
    """Channels: of the backbone at strides 2 to 32, of the head's convolutions for boxes and for scores; classes."""

    body: tuple[int, int, int, int, int]
    boxes: int
    scores: int
    classes: int


NANO = Width((16, 32, 64, 128, 256), 64, 80, 80)
SMALL = Width((4, 8, 8, 16, 24), 8, 8, 1)


@dataclass(frozen=True)
class Value:
    """An intermediate result."""

    name: str
    channels: int


class Drawing:
    """Nodes and weights up to now."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy_helper = helper, numpy_helper
        self._random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any) -> str:
        """A weight, or a shape."""
        name = f"c{len(self.constants)}"
        self.constants.append(self._numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], channels: int = 0, **attributes: Any) -> Value:
        """One operation with one output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [name], **attributes))
        return Value(name, channels)

    def convolution(self, x: Value, channels: int, kernel: int = 1, stride: int = 1, bias: float = 0.0) -> Value:
        """Without activation; weights keep the variance of what passes through."""
        fan_in = x.channels * kernel * kernel
        weights = self._random.standard_normal((channels, x.channels, kernel, kernel)) * (2 / fan_in) ** 0.5
        inputs = [x.name, self.constant(weights.astype(np.float32)), self.constant(np.full(channels, bias, np.float32))]
        pads = [kernel // 2] * 4
        return self.node("Conv", inputs, channels, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def layer(self, x: Value, channels: int, kernel: int = 1, stride: int = 1) -> Value:
        """Convolution and SiLU."""
        x = self.convolution(x, channels, kernel, stride)
        gate = self.node("Sigmoid", [x.name])
        return self.node("Mul", [x.name, gate.name], channels)

    def joined(self, values: Sequence[Value]) -> Value:
        """Side by side, as channels."""
        return self.node("Concat", [v.name for v in values], sum(v.channels for v in values), axis=1)

    def block(self, x: Value, channels: int, depth: int, shortcut: bool) -> Value:
        """`C2f`: `depth` bottlenecks, of which every output counts."""
        half = channels // 2
        x = self.layer(x, channels)
        names = [f"{x.name}a", f"{x.name}b"]
        self.nodes.append(
            self._helper.make_node("Split", [x.name, self.constant(np.int64([half, half]))], names, axis=1)
        )
        parts = [Value(name, half) for name in names]
        for _ in range(depth):
            y = self.layer(self.layer(parts[-1], half, 3), half, 3)
            parts.append(self.node("Add", [parts[-1].name, y.name], half) if shortcut else y)
        return self.layer(self.joined(parts), channels)

    def pooled(self, x: Value) -> Value:
        """`SPPF`: the largest values of growing surroundings."""
        parts = [self.layer(x, x.channels // 2)]
        for _ in range(3):
            last = parts[-1]
            parts.append(self.node("MaxPool", [last.name], last.channels, kernel_shape=[5, 5], pads=[2] * 4))
        return self.layer(self.joined(parts), x.channels)

    def enlarged(self, x: Value) -> Value:
        """Twice as wide and high."""
        scales = self.constant(np.float32([1, 1, 2, 2]))
        return self.node("Resize", [x.name, "", scales], x.channels, mode="nearest")


def _features(draw: Drawing, image: Value, widths: Sequence[int]) -> list[Value]:
    """The backbone and the two ways through the pyramid: features at the three strides."""
    x = draw.layer(image, widths[0], 3, 2)
    levels = []
    for width, depth in zip(widths[1:], (1, 2, 2, 1), strict=True):
        x = draw.block(draw.layer(x, width, 3, 2), width, depth, shortcut=True)
        levels.append(x)
    _, eighth, sixteenth, _ = levels
    top = draw.pooled(x)
    middle = draw.block(draw.joined([draw.enlarged(top), sixteenth]), widths[3], 1, shortcut=False)
    fine = draw.block(draw.joined([draw.enlarged(middle), eighth]), widths[2], 1, shortcut=False)
    down = draw.layer(fine, widths[2], 3, 2)
    middle = draw.block(draw.joined([down, middle]), widths[3], 1, shortcut=False)
    down = draw.layer(middle, widths[3], 3, 2)
    top = draw.block(draw.joined([down, top]), widths[4], 1, shortcut=False)
    return [fine, middle, top]


def _head(draw: Drawing, features: Sequence[Value], width: Width, batch: int) -> Value:
    """Boxes and scores as rows of one output: centre x, centre y, width, height in pixels, then the classes."""
    rows = []
    for x in features:
        box = draw.layer(draw.layer(x, width.boxes, 3), width.boxes, 3)
        score = draw.layer(draw.layer(x, width.scores, 3), width.scores, 3)
        sides = [draw.convolution(box, 4 * _BINS, bias=1.0), draw.convolution(score, width.classes, bias=-12.0)]
        shape = draw.constant(np.int64([batch, 4 * _BINS + width.classes, -1]))
        rows.append(draw.node("Reshape", [draw.joined(sides).name, shape]))
    all_rows = draw.node("Concat", [row.name for row in rows], axis=2)
    split = draw.constant(np.int64([4 * _BINS, width.classes]))
    draw.nodes.append(draw._helper.make_node("Split", [all_rows.name, split], ["boxes", "classes"], axis=1))
    bins = draw.node("Reshape", ["boxes", draw.constant(np.int64([batch, 4, _BINS, -1]))])
    shares = draw.node("Softmax", [bins.name], axis=2)
    weights = draw.constant(np.arange(_BINS, dtype=np.float32).reshape(1, 1, _BINS, 1))
    weighted = draw.node("Mul", [shares.name, weights])
    distances = draw.node("ReduceSum", [weighted.name, draw.constant(np.int64([2]))], keepdims=0)
    draw.nodes.append(draw._helper.make_node("Split", [distances.name], ["first", "second"], axis=1, num_outputs=2))
    return _decoded(draw)


def _decoded(draw: Drawing) -> Value:
    """From distances to boxes, with the scores behind them."""
    centres = [
        np.stack(np.meshgrid(np.arange(SIZE // s) + 0.5, np.arange(SIZE // s) + 0.5)).reshape(2, -1) for s in _STRIDES
    ]
    anchors = draw.constant(np.concatenate(centres, 1)[None].astype(np.float32))
    strides = [np.full((SIZE // s) ** 2, s, np.float32) for s in _STRIDES]
    stride = draw.constant(np.concatenate(strides)[None, None])
    low = draw.node("Sub", [anchors, "first"])
    high = draw.node("Add", [anchors, "second"])
    total = draw.node("Add", [low.name, high.name])
    centre = draw.node("Mul", [total.name, draw.constant(np.float32(0.5))])
    size = draw.node("Sub", [high.name, low.name])
    box = draw.node("Mul", [draw.node("Concat", [centre.name, size.name], axis=1).name, stride])
    score = draw.node("Sigmoid", ["classes"])
    return draw.node("Concat", [box.name, score.name], axis=1)


def build(path: Path, width: Width = NANO, batch: int = 1) -> None:
    """Writes the model file: `images` [batch, 3, 640, 640] to `output0` [batch, 4 + classes, 8400]; batch 0: any."""
    import onnx
    from onnx import TensorProto, helper

    draw = Drawing()
    found = _head(draw, _features(draw, Value("images", 3), width.body), width, batch)
    draw.nodes.append(helper.make_node("Identity", [found.name], ["output0"]))
    anchors = sum((SIZE // s) ** 2 for s in _STRIDES)
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch or "batch", 3, SIZE, SIZE])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch or "batch", 4 + width.classes, anchors])
    graph = helper.make_graph(draw.nodes, "detector", [image], [output], draw.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET + 1)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
