"""The demo's detector: its layers as data, their torch modules, and the loss that trains them.

Anchor-free, one grid: each cell of 8 by 8 pixels says how far the centre of a box is from its own, how large the box
is, and how sure it is of each class. The layers are a plain chain, so that `export` can write them down one by one.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from mpipeline.errors import MissingDependency
from mpipeline.sources.synthetic_scene import CLASS_NAMES

INPUT_WIDTH, INPUT_HEIGHT = 256, 192
CELL = 8  # pixels
BOX_UNIT = 32.0  # pixels: the size of a box whose logarithmic size is 0
_ASSIGN_RADIUS = 1.5 * CELL  # pixels between the centres of a box and of the cells that are taught to find it
_MAX_LOG_SIZE = 3.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution with bias, followed by ReLU except in the last layer; padded so that only `stride` shrinks."""

    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def padding(self) -> int:
        return self.dilation * (self.kernel // 2)


def _separable(inputs: int, outputs: int, dilation: int = 1) -> tuple[Layer, Layer]:
    """Space first, then channels: an eighth of the work of a full 3 by 3 convolution."""
    return Layer(inputs, inputs, dilation=dilation, groups=inputs), Layer(inputs, outputs, kernel=1)


LAYERS: tuple[Layer, ...] = (
    Layer(3, 16, stride=2),
    Layer(16, 32, stride=2),
    *_separable(32, 32),
    Layer(32, 64, stride=2),
    *_separable(64, 80),
    *_separable(80, 80, dilation=2),
    *_separable(80, 80, dilation=4),
    *_separable(80, 80, dilation=2),
    *_separable(80, 80),
    Layer(80, 4 + len(CLASS_NAMES), kernel=1),
)


def import_torch() -> Any:
    """The torch module.

    Raises MissingDependency if it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise MissingDependency("torch", "train", "training the demo's detector") from error


def build_network() -> Any:
    """A torch Sequential of `LAYERS`: RGB / 255 (N, 3, H, W) → raw (N, 4 + classes, H / 8, W / 8)."""
    nn = import_torch().nn
    modules = []
    for layer in LAYERS:
        last = layer is LAYERS[-1]
        modules.append(
            nn.Conv2d(
                layer.inputs,
                layer.outputs,
                layer.kernel,
                layer.stride,
                layer.padding,
                layer.dilation,
                layer.groups,
                bias=last,
            )
        )
        if not last:
            modules += [nn.BatchNorm2d(layer.outputs), nn.ReLU(inplace=True)]
    nn.init.zeros_(modules[-1].weight)
    nn.init.constant_(modules[-1].bias[:4], 0.0)
    nn.init.constant_(modules[-1].bias[4:], -4.0)  # hardly any cell holds an object: start there
    return nn.Sequential(*modules)


def boxes_of(raw: Any) -> Any:
    """Boxes (N, A, 4) as cx, cy, w, h in input pixels, from a raw output (N, C, rows, columns)."""
    torch = import_torch()
    rows, columns = raw.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = (torch.stack([x, y]).float() + 0.5) * CELL
    centre = centres + raw[:, 0:2] * CELL
    size = torch.exp(raw[:, 2:4].clamp(max=_MAX_LOG_SIZE)) * BOX_UNIT
    return torch.cat([centre, size], 1).flatten(2).transpose(1, 2)


def loss_of(raw: Any, boxes: Any, class_id: Any) -> Any:
    """The loss of a batch: `boxes` (N, M, 4) as cx, cy, w, h in input pixels; `class_id` (N, M), -1 where none is.

    Cells near a box's centre learn the box (generalised IoU, Rezatofighi et al. 2019) and, as the score of its class,
    how well they have found it (quality focal loss, Li et al. 2020); all other scores learn 0.
    """
    torch = import_torch()
    predicted, logits = boxes_of(raw), raw[:, 4:].flatten(2).transpose(1, 2)
    chosen, owner = _assigned(raw, boxes, class_id)
    batch_index, cell_index = chosen.nonzero(as_tuple=True)
    target = torch.zeros_like(logits)
    positives = max(1, len(batch_index))
    box_loss = logits.new_zeros(())
    if len(batch_index):
        box_index = owner[batch_index, cell_index]
        iou, giou = _overlaps(predicted[batch_index, cell_index], boxes[batch_index, box_index])
        box_loss = (1 - giou).sum() / positives
        target[batch_index, cell_index, class_id[batch_index, box_index]] = iou.detach().clamp(0, 1)
    weight = (target - logits.sigmoid()).abs().square().detach()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return 2 * box_loss + (weight * entropy).sum() / positives


def _assigned(raw: Any, boxes: Any, class_id: Any) -> tuple[Any, Any]:
    """Which cells (N, A) learn a box, and which one: that with the nearest centre, if near enough."""
    torch = import_torch()
    rows, columns = raw.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    cells = (torch.stack([x, y], -1).float().flatten(0, 1) + 0.5) * CELL
    apart = (cells[None, :, None] - boxes[:, None, :, :2]).abs().amax(-1)  # (N, A, M)
    apart = apart.masked_fill(class_id[:, None] < 0, float("inf"))
    distance, owner = apart.min(-1)
    return distance < _ASSIGN_RADIUS, owner


def _overlaps(first: Any, second: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes (K, 4), pair by pair."""
    torch = import_torch()
    low_1, high_1 = first[:, :2] - first[:, 2:] / 2, first[:, :2] + first[:, 2:] / 2
    low_2, high_2 = second[:, :2] - second[:, 2:] / 2, second[:, :2] + second[:, 2:] / 2
    shared = (torch.minimum(high_1, high_2) - torch.maximum(low_1, low_2)).clamp(min=0).prod(1)
    union = first[:, 2:].prod(1) + second[:, 2:].prod(1) - shared
    hull = (torch.maximum(high_1, high_2) - torch.minimum(low_1, low_2)).prod(1)
    iou = shared / union
    return iou, iou - (hull - union) / hull
