"""Models of `transformers` with random weights, read by its image processors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from support.libraries.kept import Array, Found, Picture, Results
from support.libraries.running import PICTURES, Running, calibrated
from support.pictures import scene

SIZE = (128, 96)  # of the input: width, height
CONFIDENCE = 0.3
QUERIES, CLASSES = 24, 5
_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"}
_HEADS = ("class_labels_classifier", "class_embed", "enc_score_head")  # what ends in one logit a class


def _scattered(model: Any) -> None:
    """Logits of queries and classes differ: else all of them are found, or none."""
    import torch

    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Embedding):  # of queries
            torch.nn.init.normal_(layer.weight, 0, 3)
        if isinstance(layer, torch.nn.Linear) and any(part in _HEADS for part in name.split(".")):
            torch.nn.init.normal_(layer.weight, 0, 3 / layer.in_features**0.5)
            torch.nn.init.constant_(layer.bias, -1.0)


def _exported(model: Any, folder: Path, names: Sequence[str]) -> Running:
    import torch

    class Plain(torch.nn.Module):
        """Gives a tuple."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            found = self.model(pixel_values)
            return tuple(getattr(found, name) for name in names)

    path = folder / "model.onnx"
    shown = torch.zeros(1, 3, SIZE[1], SIZE[0])
    torch.onnx.export(Plain().eval(), (shown,), str(path), input_names=["pixel_values"], output_names=list(names))
    return Running(path)


def _fed(width: int, height: int, seed: int, mean: Sequence[float], std: Sequence[float]) -> Array:
    """What a processor makes of a picture, but that nothing is averaged: how a picture shrinks is not judged here."""
    import cv2

    levels = cv2.resize(scene(width, height, seed), SIZE, interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
    numbers = (levels / 255 - np.array(mean)) / np.array(std)
    return np.ascontiguousarray(numbers.transpose(2, 0, 1)[None]).astype(np.float32)


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def _made(folder: Path, name: str, seed: int, options: Mapping[str, Any], names: Sequence[str]) -> Running:
    import torch
    import transformers

    torch.manual_seed(seed)
    config = getattr(transformers, f"{name}Config")(**_with_configs(options))
    kind = "ForSemanticSegmentation" if name == "Segformer" else "ForObjectDetection"
    model = getattr(transformers, name + kind)(config).eval()
    calibrated(model, SIZE)
    _scattered(model)
    return _exported(model, folder, names)


def _with_configs(options: Mapping[str, Any]) -> dict[str, Any]:
    """A pair of a class's name and its arguments becomes an object."""
    import transformers

    return {
        key: getattr(transformers, value[0])(**value[1]) if key == "backbone_config" else value
        for key, value in options.items()
    }


def _results(family: str, running: Running, pictures: Sequence[Picture], **options: Any) -> Results:
    import transformers

    told = {"confidence": CONFIDENCE, "names": [f"class {i}" for i in range(CLASSES)], **options}
    library = f"transformers {transformers.__version__}"
    return Results(library, family, running.inputs, running.outputs, tuple(pictures), told, recognised=False)


def _detector(
    folder: Path, name: str, family: str, options: Mapping[str, Any], processor: str = "", seed: int = 0
) -> Results:
    import torch
    import transformers

    running = _made(folder, name, seed, options, ("logits", "pred_boxes"))
    reader = getattr(transformers, f"{processor or name}ImageProcessor")()
    normal = IMAGENET if family == "detr" else PLAIN
    pictures = []
    for width, height, number in PICTURES:
        fed = _fed(width, height, number, *normal)
        outputs = running.answers(fed)
        given = SimpleNamespace(**{key: torch.from_numpy(value[None]) for key, value in outputs.items()})
        told: dict[str, Any] = {"threshold": CONFIDENCE, "target_sizes": [(height, width)]}
        if "top_k" in signature(reader.post_process_object_detection).parameters:
            told["top_k"] = (
                QUERIES  # of so many pairs the family looks at most; 100 is what the library takes by itself
            )
        (found,) = reader.post_process_object_detection(given, **told)
        boxes = found["boxes"].numpy().clip(0, [width, height] * 2)  # they may reach beyond the picture there
        columns = (boxes, found["scores"].numpy(), found["labels"].numpy())
        pictures.append(Picture(width, height, number, outputs, Found(*columns)))
    return _results(family, running, pictures)


def _segmenter(folder: Path) -> Results:
    import torch
    import transformers

    options = {
        "num_labels": CLASSES,
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [8, 16, 16, 32],
        "decoder_hidden_size": 16,
    }
    running = _made(folder, "Segformer", 3, options, ("logits",))
    reader = transformers.SegformerImageProcessor()
    pictures = []
    for width, height, number in PICTURES:
        fed = _fed(width, height, number, *IMAGENET)
        outputs = running.answers(fed)
        given = SimpleNamespace(logits=torch.from_numpy(outputs["logits"][None]))
        (classes,) = reader.post_process_semantic_segmentation(given, target_sizes=[(height, width)])
        pictures.append(Picture(width, height, number, outputs, _regions(classes.numpy())))
    return _results("semantic_segmentation", running, pictures, confidence=0.0)


def _regions(classes: Array) -> Found:
    """Each class that is there; the library gives it no score."""
    ids = np.unique(classes)
    masks = classes[None] == ids[:, None, None]
    corners = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        corners.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return Found(np.array(corners, np.float32), np.full(len(ids), np.nan), ids.astype(int), masks=masks)


_SMALL = {"num_labels": CLASSES, "num_queries": QUERIES, "d_model": 32}
_OF_DETR = {
    **_SMALL,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "backbone_config": ("ResNetConfig", {**_RESNET, "out_features": ["stage4"]}),
}
_LEVELS = {**_RESNET, "out_features": ["stage2", "stage3", "stage4"]}
_OF_RTDETR = {
    **_SMALL,
    "encoder_hidden_dim": 32,
    "encoder_in_channels": [16, 16, 16],
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
}

CASES: dict[str, Callable[[Path], Results]] = {
    "detr": partial(_detector, name="Detr", family="detr", options=_OF_DETR, seed=1),
    "conditional-detr": partial(_detector, name="ConditionalDetr", family="detr", options=_OF_DETR, seed=2),
    "deformable-detr": partial(
        _detector,
        name="DeformableDetr",
        family="detr",
        options={**_OF_DETR, "backbone_config": ("ResNetConfig", _LEVELS)},
        seed=3,
    ),
    "rtdetr": partial(
        _detector,
        name="RTDetr",
        family="rtdetr",
        options={**_OF_RTDETR, "backbone_config": ("RTDetrResNetConfig", _LEVELS)},
        seed=4,
    ),
    "segformer": _segmenter,
}
