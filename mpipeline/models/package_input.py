"""What a model package says of its pictures: size, resizing, padding, normalisation. What cannot be done is refused.

Two dialects. `environment.json` has PREPROCESSING, a mapping or a JSON text of one, with `resize: {format, width,
height}` in the words of a form ("Fit (black edges) in"); `inference_config.json` has `network_input` with
`resize_mode`, `padding_value`, `scaling_factor`, `normalization`. Both name further steps (`static-crop`, `contrast`,
`grayscale`), each with `enabled`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mpipeline.errors import ModelError

# Steps that change nothing about a single upright picture: the turning of photographs is done when they are read, the
# others chose pictures and classes for the training.
_HARMLESS = ("auto-orient", "filter-null", "remap")
_LEGACY_PADS = {
    "Fit (black edges) in": 0.0,
    "Fit (white edges) in": 255.0,
    "Fit (grey edges) in": 114.0,
}
_LONGER_EDGE_PAD = 127.0  # what models trained so are padded with where their input has a fixed size
_DEFAULT_PAD = 0.0


@dataclass(frozen=True, slots=True)
class PackageInput:
    """How pictures are fed; None is what the package leaves open. `size` is (width, height)."""

    resize: Literal["letterbox", "stretch"] | None = None
    pad: float | None = None
    size: tuple[int, int] | None = None
    order: Literal["rgb", "bgr"] | None = None
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    max_batch: int | None = None


def from_environment(content: Mapping[str, Any]) -> PackageInput:
    """The input that `environment.json` describes. Raises ModelError with the reason if it cannot be fed so."""
    steps = content.get("PREPROCESSING") or {}
    if isinstance(steps, str):
        try:
            steps = json.loads(steps)
        except ValueError as error:
            raise ModelError(f"PREPROCESSING is a text that is not JSON: {error}") from error
    steps = _mapping(steps, "PREPROCESSING")
    _refuse_steps({key: value for key, value in steps.items() if key != "resize"})
    resize = _mapping(steps.get("resize") or {}, "PREPROCESSING.resize")
    size = _size(resize, "PREPROCESSING.resize") or _resolution(content.get("RESOLUTION"))
    form = resize.get("format", "Stretch to") if resize.get("enabled", True) else "Stretch to"
    if form == "Stretch to":
        return PackageInput("stretch", None, size)
    if form not in _LEGACY_PADS:
        raise ModelError(_cannot_resize(form, ["Stretch to", *_LEGACY_PADS]))
    return PackageInput("letterbox", _LEGACY_PADS[form], size)


def from_inference_config(content: Mapping[str, Any]) -> PackageInput:
    """The input that `inference_config.json` describes. Raises ModelError with the reason if it cannot be fed so."""
    _refuse_steps(_mapping(content.get("image_pre_processing") or {}, "image_pre_processing"))
    if content.get("class_names_operations"):
        raise ModelError("class_names_operations is not supported")
    network = _mapping(content.get("network_input") or {}, "network_input")
    channels = network.get("input_channels", 3)
    if channels != 3:
        raise ModelError(f"network_input.input_channels is {channels}; only 3 is supported")
    size = _size(network.get("training_input_size") or {}, "network_input.training_input_size")
    dataset = _size(
        network.get("dataset_version_resize_dimensions") or {}, "network_input.dataset_version_resize_dimensions"
    )
    if dataset is not None and dataset != size:
        raise ModelError("network_input.dataset_version_resize_dimensions: resizing in two steps is not supported")
    resize, pad = _resize_mode(network)
    mean, std = _normalisation(network.get("normalization"))
    factor = network.get("scaling_factor")
    if factor is not None and not (_is_number(factor) and factor > 0):
        raise ModelError(f"network_input.scaling_factor: expected a number above 0, found {factor!r}")
    order = network.get("color_mode", "rgb")
    if order not in ("rgb", "bgr"):
        raise ModelError(f"network_input.color_mode: expected rgb or bgr, found {order!r}")
    limit = _mapping(content.get("forward_pass") or {}, "forward_pass").get("max_dynamic_batch_size")
    if limit is not None and not (type(limit) is int and limit >= 1):
        raise ModelError(f"forward_pass.max_dynamic_batch_size: expected a whole number of at least 1, found {limit!r}")
    scale = 1.0 if factor is None else 1.0 / factor
    return PackageInput(resize, pad, size, order, scale, mean, std, limit)


def _resize_mode(network: Mapping[str, Any]) -> tuple[Literal["letterbox", "stretch"], float | None]:
    mode, pad = network.get("resize_mode", "stretch"), network.get("padding_value")
    if pad is not None and not (_is_number(pad) and 0 <= pad <= 255):
        raise ModelError(f"network_input.padding_value: expected a level between 0 and 255, found {pad!r}")
    if mode == "stretch":
        return "stretch", None
    if mode == "letterbox":
        return "letterbox", _DEFAULT_PAD if pad is None else float(pad)
    if mode == "fit-longer-edge":
        return "letterbox", _LONGER_EDGE_PAD
    raise ModelError(_cannot_resize(mode, ["stretch", "letterbox", "fit-longer-edge"]))


def _normalisation(value: Any) -> tuple[tuple[float, float, float] | None, tuple[float, float, float] | None]:
    """`[[means], [deviations]]`, a number a channel each."""
    if value is None:
        return None, None
    parts: list[Any] = value if isinstance(value, list) and len(value) == 2 else [None, None]
    if not all(isinstance(part, list) and len(part) == 3 and all(map(_is_number, part)) for part in parts):
        raise ModelError(f"network_input.normalization: expected [[3 means], [3 deviations]], found {value!r}")
    if min(parts[1]) <= 0:
        raise ModelError(f"network_input.normalization: deviations must be above 0, found {parts[1]!r}")
    (a, b, c), (d, e, f) = parts
    return (float(a), float(b), float(c)), (float(d), float(e), float(f))


def _refuse_steps(steps: Mapping[str, Any]) -> None:
    """Raises if a step is on that cannot be done here; leaving it out would make the model see other pictures."""
    for name, value in steps.items():
        enabled = value.get("enabled", True) if isinstance(value, Mapping) else value
        if value and enabled and name not in _HARMLESS:
            raise ModelError(f"it was trained on pictures with the step {name!r}, which is not supported here")


def _cannot_resize(found: object, known: list[str]) -> str:
    return f"it resizes pictures by {found!r}, which is not supported here; what is: {', '.join(map(repr, known))}"


def _size(value: Any, key: str) -> tuple[int, int] | None:
    """(width, height); numbers may be written as texts."""
    sides = [_mapping(value, key).get(side) for side in ("width", "height")]
    if sides == [None, None]:
        return None
    try:
        width, height = (int(str(side)) for side in sides)
    except ValueError as error:
        raise ModelError(f"{key}: expected width and height in pixels, found {value!r}") from error
    if not (1 <= width <= 65535 and 1 <= height <= 65535):
        raise ModelError(f"{key}: expected width and height of 1 to 65535 pixels, found {width} x {height}")
    return width, height


def _resolution(value: Any) -> tuple[int, int] | None:
    """RESOLUTION: one number for both sides, or a list [height, width]."""
    if value is None:
        return None
    height, width = value if isinstance(value, list) and len(value) == 2 else (value, value)
    return _size({"width": width, "height": height}, "RESOLUTION")


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ModelError(f"{key}: expected a mapping, found {type(value).__name__}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
