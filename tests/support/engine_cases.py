"""Models for which engines are built in tests: every sort of export that is supported, in small, and the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import quantization
from support import onnx_detectors as detectors
from support import onnx_tasks as tasks
from support.data import DATA

from mpipeline.demo import MODEL_PATH

Make = Callable[[Path], Path]
SIZE = (96, 64)

EXPORTS: dict[str, Make] = {
    "yolo": lambda path: tasks.yolo_model(path, SIZE, "detect"),
    "yolo, end to end": lambda path: tasks.yolo_model(path, SIZE, "detect", end_to_end=True),
    "yolo_segmentation": lambda path: tasks.yolo_model(path, SIZE, "segment", masks=32),
    "yolo_pose": lambda path: tasks.yolo_model(path, SIZE, "pose", points=2),
    "yolo_classification": lambda path: tasks.classifier(path, SIZE),
    "rfdetr": lambda path: tasks.detr(path, SIZE),
    "rfdetr with masks": lambda path: tasks.detr(path, SIZE, masks=True),
    "yunet": lambda path: detectors.faces(path, SIZE),
    "nanodet": lambda path: detectors.nanodet(path, (128, 64)),
    "detr": lambda path: detectors.queries(path, SIZE, 4),
    "detr with a mask": lambda path: detectors.queries(path, SIZE, 4, mask=True),
    "rtdetr": lambda path: detectors.finished_queries(path, (128, 96)),
    "yolo_nas": lambda path: detectors.yolo_nas(path, (128, 96)),
    "semantic_segmentation": lambda path: detectors.segmenter(path, SIZE),
    "semantic_segmentation, classes": lambda path: detectors.segmenter(path, SIZE, ids=True),
    "embedding": lambda path: detectors.embedder(path, SIZE),
    "the demo's detector": lambda path: MODEL_PATH,
}


def real_models() -> list[Path]:
    """The real ONNX files; none where they are absent."""
    return sorted((DATA / "models").glob("*.onnx"))


class _Noise:
    """A few frames of noise, from which scales are taken: here it matters that there are some, not which."""

    def __init__(self, inputs: Iterable[Any]) -> None:
        rng = np.random.default_rng(0)
        self._frames = iter([{each.name: _random(rng, each) for each in inputs}])

    def get_next(self) -> Any:
        return next(self._frames, None)


def _random(rng: np.random.Generator, tensor: Any) -> Any:
    """Values for one input as the `onnx` library describes it; what is open is 1."""
    shape = [side.dim_value or 1 for side in tensor.type.tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type)
    return (rng.random(shape) * (1 if dtype.kind == "f" else 100)).astype(dtype)


def eight_bit(model: Path, made: Path, *, symmetric: bool = True) -> Path:
    """An 8-bit model of a float32 one, all of whose convolutions are 8 bit, in the form that is asked for."""
    inputs = onnx.load(str(model), load_external_data=False).graph.input
    kind = quantization.QuantType.QInt8 if symmetric else quantization.QuantType.QUInt8
    options = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False} if symmetric else {}
    quantization.quantize_static(
        str(model),
        str(made),
        _Noise(inputs),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=kind,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["Conv"],
        extra_options=options,
    )
    return made


def build_all(folder: Path) -> None:
    """Builds every case in this process; prints a line of JSON for each: name, precision, bytes, inputs, error."""
    import json

    from mpipeline.backends.engines.builder import build
    from mpipeline.backends.engines.library import load_library
    from mpipeline.backends.engines.recipe import PRECISIONS, Recipe
    from mpipeline.errors import MpipelineError

    library = load_library("tensorrt_rtx")
    models = {name: make(folder / f"{number}.onnx") for number, (name, make) in enumerate(EXPORTS.items())}
    models |= {path.stem: path for path in real_models()}
    for name, path in models.items():
        for precision in PRECISIONS:
            told = {"name": name, "precision": precision, "bytes": 0, "inputs": {}, "error": ""}
            try:
                is_to_be_made = precision == "int8" and not has_scales(path)
                model = eight_bit(path, folder / "made.onnx") if is_to_be_made else path
                built = build(library, model, Recipe(precision, (1, 2, 4), ((416, 416),) * 3))
                told |= {"bytes": len(built.plan), "inputs": built.tensors["input"]}
            except MpipelineError as error:
                told["error"] = str(error)
            print(json.dumps(told), flush=True)


def has_scales(path: Path) -> bool:
    """Whether it is an 8-bit model."""
    return any(node.op_type == "QuantizeLinear" for node in onnx.load(str(path)).graph.node)


if __name__ == "__main__":
    import sys

    build_all(Path(sys.argv[1]))
