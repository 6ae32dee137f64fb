"""Makes an 8-bit model of a float32 one: scales are taken from the user's own frames, as the model sees them.

The convolutions become 8-bit integers, with a scale for each output channel. Three sorts stay as they are, since they
cost much of what is found and little time: the first, which sees the pixels, the last, which give boxes and scores, and
those in which every channel is by itself. Engines fold the QuantizeLinear and DequantizeLinear around the others.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mpipeline.backends.telemetry import keep_onnxruntime_silent
from mpipeline.config.schema import ModelSpec, SourceSpec
from mpipeline.errors import ConfigError, ModelError
from mpipeline.hosted.footage import footage
from mpipeline.models.family import Family
from mpipeline.tensor import Tensor
from mpipeline.workers.loading import load_model

_PER_CHANNEL_OPSET = 13  # of the first ONNX version whose DequantizeLinear takes a scale for each channel
# Biases stay in float32: TensorRT takes no integers there.
_SYMMETRIC = {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
_INSTALL = "pip install 'mpipeline[quantize]'"


def quantize(
    spec: ModelSpec,
    sources: Sequence[SourceSpec],
    most: int,
    target: Path,
    advance: Callable[[], object] = lambda: None,
    *,
    symmetric: bool = False,
) -> int:
    """Writes the 8-bit model to `target`; returns how many convolutions are 8 bit in it.

    The scales are those of at most `most` frames of each source; `advance` is called after each. `symmetric` leaves the
    zero of every scale at 0, which TensorRT asks for, and costs a little of what is found. Raises ConfigError if
    the library is missing or there is no frame, ModelError if the model cannot be converted, SourceError, BackendError.
    """
    onnx, quantization = _libraries()
    if spec.path is None or not spec.path.is_file():
        raise ConfigError(f"{spec.path or spec.id}: give the ONNX file itself, so that an 8-bit one can be made of it")
    weights = spec.path
    loaded = load_model(spec)
    try:
        family = loaded.family_with()
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".quantize-") as folder:
            model, plain = _prepared(weights, Path(folder), onnx, quantization)
            chosen = eight_bit_convolutions(model)
            if not chosen:
                raise ModelError(f"{weights}: has no convolution that could be 8 bit")
            frames = _Frames(_inputs(family, sources, most, advance))
            made = Path(folder) / "made.onnx"
            with _quiet():
                quantization.quantize_static(
                    str(plain),
                    str(made),
                    frames,
                    quant_format=quantization.QuantFormat.QDQ,
                    activation_type=quantization.QuantType.QInt8 if symmetric else quantization.QuantType.QUInt8,
                    weight_type=quantization.QuantType.QInt8,
                    per_channel=True,
                    nodes_to_quantize=chosen,
                    extra_options=_SYMMETRIC if symmetric else None,
                )
            os.replace(_with_metadata(made, weights, onnx), target)
    finally:
        loaded.backend.close()
    return len(chosen)


def eight_bit_convolutions(model: Any) -> list[str]:
    """The names of the convolutions that may be 8 bit, in a model that the `onnx` library has read."""
    nodes = model.graph.node
    sizes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    makers, users = defaultdict(list), defaultdict(list)
    for node in nodes:
        for name in node.output:
            makers[name].append(node)
        for name in node.input:
            users[name].append(node)
    first = _nearest([each.name for each in model.graph.input], users, "output")
    last = _nearest([each.name for each in model.graph.output], makers, "input")
    inner = [node for node in nodes if node.op_type == "Conv" and node.name not in first | last]
    return [node.name for node in inner if node.input[1] in sizes and sizes[node.input[1]][1] > 1]


def _nearest(names: Sequence[str], neighbours: Mapping[str, list[Any]], onwards: str) -> set[str]:
    """The convolutions that are reached from these tensors without passing another one."""
    found: set[str] = set()
    seen: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in neighbours.get(name, []):
            if node.op_type == "Conv":
                found.add(node.name)
            else:
                ahead.extend(getattr(node, onwards))
    return found


class _Frames:
    """What the library reads the frames from: one mapping of inputs after the other, then None."""

    def __init__(self, inputs: Iterator[dict[str, Tensor]]) -> None:
        self._inputs = inputs
        self._given = 0

    def get_next(self) -> dict[str, Tensor] | None:
        """The next frame."""
        inputs = next(self._inputs, None)
        if inputs is None and not self._given:
            raise ConfigError("there is no frame in any of the inputs, so there is nothing to take scales from")
        self._given += 1
        return inputs

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """All that are left."""
        while (inputs := self.get_next()) is not None:
            yield inputs


def _inputs(
    family: Family, sources: Sequence[SourceSpec], most: int, advance: Callable[[], object]
) -> Iterator[dict[str, Tensor]]:
    """Of each frame what the model takes, in a batch of the model's own size or of one."""
    constants: Mapping[str, Tensor] = getattr(family, "constants", {})
    fixed = {name: np.repeat(row[None], family.batch or 1, axis=0) for name, row in constants.items()}
    batch = np.zeros((family.batch or 1, *family.input_shape), np.dtype(family.input_dtype))
    for source in sources:
        for frame in footage(source, most):
            for row in batch:
                family.preprocess(frame, row)
            yield {family.input_name: batch, **fixed}
            advance()


def _libraries() -> tuple[Any, Any]:
    keep_onnxruntime_silent()
    try:
        import onnx
        from onnxruntime import quantization
    except ImportError as error:
        raise ConfigError(f"making an 8-bit model needs {error.name}, which is not installed: {_INSTALL}") from error
    return onnx, quantization


def _prepared(weights: Path, folder: Path, onnx: Any, quantization: Any) -> tuple[Any, Path]:
    """The model with every node named and constants folded, as the library asks for it."""
    raised, plain = folder / "raised.onnx", folder / "plain.onnx"
    try:
        model = onnx.load(str(weights))
        if max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")) < _PER_CHANNEL_OPSET:
            model = onnx.version_converter.convert_version(model, _PER_CHANNEL_OPSET)
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type}_{number}"
        onnx.save(model, str(raised))
        with _quiet():
            quantization.quant_pre_process(str(raised), str(plain), skip_symbolic_shape=True)
        return onnx.load(str(plain)), plain
    except Exception as error:
        raise ModelError(f"{weights}: cannot be prepared for 8 bit: {str(error).splitlines()[0][:200]}") from error


def _with_metadata(made: Path, weights: Path, onnx: Any) -> Path:
    """The made model with what the original says of itself, such as its class names."""
    model, original = onnx.load(str(made)), onnx.load(str(weights), load_external_data=False)
    known = {entry.key for entry in model.metadata_props}
    for entry in original.metadata_props:
        if entry.key not in known:
            model.metadata_props.add(key=entry.key, value=entry.value)
    onnx.save(model, str(made))
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """The library's advice is for its own users: it is not logged."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
