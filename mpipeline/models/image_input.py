"""The one image that a detector takes: which tensor, of what size and dtype, checked against what is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mpipeline.errors import ModelError
from mpipeline.tensor import ModelInfo, TensorSpec

FLOATS = ("float32", "float16")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A model's image input; `batch`, `height`, `width` are None where they are dynamic."""

    name: str
    batch: int | None
    height: int | None
    width: int | None
    dtype: str


def image_input(info: ModelInfo, *, beside: Collection[str] = (), dtypes: Sequence[str] = FLOATS) -> ImageInput:
    """The image input of a model, which may have the inputs called `beside` too.

    Raises ModelError that says what was found instead, also if it does not take numbers of one of the `dtypes`.
    """
    images = [spec for spec in info.inputs if spec.name not in beside]
    if len(images) != 1:
        found = ", ".join(describe(spec) for spec in info.inputs) or "none"
        raise ModelError(f"the model must have exactly one input, an image; it has {found}")
    spec = images[0]
    if len(spec.shape) != 4 or spec.shape[1] not in (3, None):
        raise ModelError(f"the model's input must be [batch, 3, height, width]; it is {describe(spec)}")
    if spec.dtype.name not in dtypes:
        raise ModelError(f"the model's input must be {' or '.join(dtypes)}; it is {describe(spec)}")
    return ImageInput(spec.name, spec.shape[0], spec.shape[2], spec.shape[3], spec.dtype.name)


def input_beside(info: ModelInfo, name: str) -> TensorSpec | None:
    """The input of that name, None if the model has none."""
    return next((spec for spec in info.inputs if spec.name == name), None)


def choose_size(
    image: ImageInput, asked: tuple[int, int] | None, in_file: tuple[int, int] | None, multiple: int
) -> tuple[tuple[int, int], str]:
    """(width, height) to use, and a sentence that says why.

    Raises ModelError if `asked` contradicts a fixed size, or a free one is no multiple of the model's stride.
    """
    if asked is not None:
        fixed_sides = (image.width, image.height)
        if any(fixed is not None and side != fixed for side, fixed in zip(asked, fixed_sides, strict=True)):
            fixed_text = " x ".join("any" if side is None else str(side) for side in fixed_sides)
            raise ModelError(f"size is {asked[0]} x {asked[1]}, but the model's input is fixed to {fixed_text}")
    if image.width is not None and image.height is not None:
        return (image.width, image.height), f"The input is {image.width} x {image.height}, fixed by the model file."
    fallback, origin = (
        in_file or (640, 640),
        "the size in the model file's metadata" if in_file else "assumed; set size",
    )
    if asked is not None:
        fallback, origin = asked, "as configured"
    width, height = image.width or fallback[0], image.height or fallback[1]
    if width < 1 or height < 1 or width % multiple or height % multiple:
        raise ModelError(f"size is {width} x {height}, but this model needs multiples of {multiple}")
    return (width, height), f"The input is {width} x {height} ({origin}); the model file leaves it open."


def batch_sentence(batch: int | None) -> str:
    """What the batch dimension allows, for the log."""
    if batch is None:
        return "It takes any number of frames at once."
    return f"It takes {batch} frame{'s' if batch != 1 else ''} at once, fixed by the model file."


def describe(spec: TensorSpec) -> str:
    """`images [1, 3, 416, 416] float32`, with `?` for dynamic dimensions."""
    shape = ", ".join("?" if side is None else str(side) for side in spec.shape)
    return f"{spec.name} [{shape}] {spec.dtype.name}"
