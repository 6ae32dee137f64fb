"""What engine is wanted of a model: precision, the shapes that it must take, and how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mpipeline.errors import ConfigError

EnginePrecision = Literal["float32", "float16", "int8"]
"""float32: what the file says, unchanged. float16: what is float32 in it becomes float16, but for inputs and outputs.
int8: what the file says, which must be an 8-bit model."""

PRECISIONS: tuple[EnginePrecision, ...] = ("float32", "float16", "int8")
Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape, Shape]
"""The smallest, the usual and the largest."""

_HIGHEST_LEVEL = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes a difference to an engine besides the model, the library and the GPU.

    `batch` and `size` (width, height) are the smallest, the usual and the largest, of which only the usual one is fast
    for sure; they count where the model leaves them open. `shapes` gives those of inputs by name, instead. `workspace`
    is in bytes of GPU memory, None for as much as there is. `level` (0 to 5, None for the library's choice): how much
    time is spent on finding fast kernels. `hardware_compatible`: runs on all GPUs from Ampere on. `version_compatible`:
    later versions of the library can load it. `tf32`: float32 may be multiplied with the precision of TensorFloat-32.
    """

    precision: EnginePrecision = "float32"
    batch: tuple[int, int, int] = (1, 1, 1)
    size: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = None
    shapes: Mapping[str, Shapes] = field(default_factory=dict)
    workspace: int | None = None
    level: int | None = None
    hardware_compatible: bool = False
    version_compatible: bool = False
    tf32: bool = True

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}")
        if not _grows(*[(one,) for one in self.batch]):
            raise ConfigError(f"batch {self.batch}: expected three numbers from 1 on, none smaller than the one before")
        if self.size is not None and not _grows(*self.size):
            raise ConfigError(f"size {self.size}: expected three sizes from 1 on, none smaller than the one before")
        for name, shapes in self.shapes.items():
            if not _grows(*shapes):
                raise ConfigError(f"shapes of {name!r}: expected three of one length, none smaller than the one before")
        if self.workspace is not None and self.workspace < 1:
            raise ConfigError(f"workspace {self.workspace}: expected a number of bytes from 1 on")
        if self.level is not None and not 0 <= self.level <= _HIGHEST_LEVEL:
            raise ConfigError(f"level {self.level}: expected 0 to {_HIGHEST_LEVEL}")

    def to_mapping(self) -> dict[str, Any]:
        """All of it, as JSON can say it."""
        told = asdict(self)
        told["shapes"] = {name: self.shapes[name] for name in sorted(self.shapes)}
        return told

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> Recipe:
        """Of what `to_mapping` gave, through JSON."""
        shapes = {name: _tuples(value) for name, value in told["shapes"].items()}
        size = told["size"]
        triple = {"batch": tuple(told["batch"]), "size": None if size is None else _tuples(size), "shapes": shapes}
        return cls(**{**told, **triple})


def _tuples(rows: Any) -> Any:
    return tuple(tuple(row) for row in rows)


def _grows(*shapes: Shape) -> bool:
    """Whether these are three of one length, whose numbers are from 1 on and never get smaller."""
    alike = len(shapes) == 3 and len({len(shape) for shape in shapes}) == 1
    return alike and all(1 <= least <= usual <= most for least, usual, most in zip(*shapes, strict=True))
