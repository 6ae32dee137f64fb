"""The sidecar: a YAML file beside a model, MODEL.yaml for MODEL.onnx, that says how the model is to be used.

    family: yolox
    names: [person, bicycle, car]      # or {0: person, 1: bicycle, 2: car}
    size: [416, 416]                   # width, height; for models that leave it open
    confidence: 0.3
    iou_threshold: 0.45
    max_detections: 100
    class_agnostic_nms: false
    classes: [person, 2]               # those that are kept, by name or number
    normalisation: {order: rgb, scale: 0.00392157, mean: [0, 0, 0], std: [1, 1, 1], pad: 114, resize: letterbox}

Every key may be missing. What the config says goes before it; what it says goes before the model file's metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from mpipeline.errors import ModelError
from mpipeline.models.labels import in_order
from mpipeline.registry import suggestion

Fraction = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Side = Annotated[StrictInt, Field(ge=1, le=65535)]
ClassNumber = Annotated[StrictInt, Field(ge=0, lt=100_000)]
Positive = Annotated[float, Field(strict=True, gt=0.0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NormalisationSection(_Section):
    """Overrides of what the family does; see `models.family.Normalisation`."""

    order: Literal["rgb", "bgr"] | None = None
    scale: Positive | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[Positive, Positive, Positive] | None = None
    pad: Annotated[float, Field(strict=True, ge=0.0, le=255.0)] | None = None
    resize: Literal["letterbox", "stretch"] | None = None


class Sidecar(_Section):
    """The content of a sidecar file; None is what it does not say."""

    family: StrictStr | None = None
    names: tuple[StrictStr, ...] | dict[ClassNumber, StrictStr] | None = None
    size: tuple[Side, Side] | None = None
    confidence: Fraction | None = None
    iou_threshold: Fraction | None = None
    max_detections: Annotated[StrictInt, Field(ge=1)] | None = None
    class_agnostic_nms: StrictBool | None = None
    classes: tuple[ClassNumber | StrictStr, ...] | None = None
    normalisation: NormalisationSection | None = None

    def class_names(self) -> tuple[str, ...]:
        """Class id → name, empty if not given."""
        return in_order(self.names or ())


def sidecar_path(model: str | Path) -> Path:
    """Where the sidecar of a model file would lie."""
    return Path(model).with_suffix(".yaml")


def read_sidecar(model: str | Path) -> Sidecar | None:
    """The sidecar of a model file, None if it has none.

    Raises ModelError with a line for each thing that is wrong: file, line, key, what was expected.
    """
    path = sidecar_path(model)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    try:
        content = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: is not YAML: {error}") from error
    if content is None:
        return Sidecar()
    if not isinstance(content, dict):
        raise ModelError(f"{path}: expected keys such as family and names, found {type(content).__name__}")
    try:
        return Sidecar.model_validate(content)
    except ValidationError as error:
        raise ModelError("\n".join(dict.fromkeys(_problems(path, root, error)))) from error


def _problems(path: Path, root: yaml.Node | None, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        keys = _keys(problem["loc"])
        line, found = _line(root, keys)
        key = ".".join(str(part) for part in found) or "the file"
        if problem["type"] == "extra_forbidden":
            section = NormalisationSection if len(keys) > 1 else Sidecar
            text = f"unknown key{suggestion(str(keys[-1]), list(section.model_fields))}"
        else:
            text = f"{problem['msg'][:1].lower()}{problem['msg'][1:]}, found {_shown(problem['input'])}"
        lines.append(f"{path}:{line}: {key}: {text}")
    return lines


def _keys(location: tuple[int | str, ...]) -> list[int | str]:
    """The way to the value without the names that pydantic adds for the members of a union."""
    return [part for part in location if isinstance(part, int) or (part.isidentifier() and part not in ("int", "str"))]


def _line(node: yaml.Node | None, keys: list[int | str]) -> tuple[int, list[int | str]]:
    """The line on which the value at `keys` begins, as far as it can be followed, and the keys that were followed."""
    line, followed = (node.start_mark.line if node is not None else 0), []
    for key in keys:
        step: Any = None
        if isinstance(node, yaml.MappingNode):
            step = next(((name, value) for name, value in node.value if name.value == str(key)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            step = (node.value[key], node.value[key])
        if step is None:
            break
        line, node = step[0].start_mark.line, step[1]
        followed.append(key)
    return line + 1, followed


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
