"""Which shapes an engine takes: one profile, from what the model leaves open and what the recipe says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mpipeline.backends.engines.recipe import Recipe, Shape, Shapes
from mpipeline.errors import ModelError

OPEN = -1
"""A dimension that the model leaves open, as TensorRT writes it."""

_PICTURES = 3  # an input of so many dimensions or more has height and width as its last two
USUAL_SIZE = (640, 640)
"""Width and height of pictures of which nobody says how large they are, as families have it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Input → its shapes, of the inputs that are open at all; and notes for the user about what counts for nothing."""

    shapes: Mapping[str, Shapes]
    notes: tuple[str, ...] = ()


def profile_of(inputs: Mapping[str, Shape], recipe: Recipe) -> Profile:
    """The profile for a model with these inputs. Raises ModelError for a dimension of which nothing is known."""
    unknown = [name for name in recipe.shapes if name not in inputs]
    if unknown:
        raise ModelError(f"there is no input {unknown[0]!r}: the inputs are {', '.join(inputs)}")
    shapes = {name: _shapes(name, shape, recipe) for name, shape in inputs.items() if OPEN in shape}
    for name in recipe.shapes:
        if name not in shapes:
            raise ModelError(f"input {name!r} is fixed at {_shown(inputs[name])}: it takes no other shapes")
    return Profile(shapes, tuple(_notes(inputs, recipe)))


def _shapes(name: str, shape: Shape, recipe: Recipe) -> Shapes:
    given = recipe.shapes.get(name)
    if given is not None:
        fits = len(given[0]) == len(shape) and all(
            model in (OPEN, asked) for one in given for model, asked in zip(shape, one, strict=True)
        )
        if not fits:
            asked = ", ".join(_shown(one) for one in given)
            raise ModelError(f"input {name!r} is {_shown(shape)}: the shapes {asked} do not fit it")
        return given
    least, usual, most = (_filled(name, shape, recipe, place) for place in range(3))
    return least, usual, most


def _filled(name: str, shape: Shape, recipe: Recipe, place: int) -> Shape:
    """The shape with the smallest (0), usual (1) or largest (2) of what is to be for open dimensions."""
    width, height = recipe.size[place] if recipe.size is not None else USUAL_SIZE
    known = {0: recipe.batch[place]}
    if len(shape) >= _PICTURES:
        known |= {len(shape) - 2: height, len(shape) - 1: width}
    filled = tuple(known.get(axis, OPEN) if side == OPEN else side for axis, side in enumerate(shape))
    if OPEN in filled:
        axis = filled.index(OPEN)
        remedy = f"--shape {name}=MIN,USUAL,MAX"
        raise ModelError(f"input {name!r} is {_shown(shape)}: say with {remedy} what dimension {axis} may be")
    return filled


def _notes(inputs: Mapping[str, Shape], recipe: Recipe) -> list[str]:
    notes = []
    if recipe.batch != (1, 1, 1) and not any(shape[:1] == (OPEN,) for shape in inputs.values()):
        fixed = sorted({shape[0] for shape in inputs.values() if shape})
        notes.append(f"the model's batch is fixed at {', '.join(map(str, fixed))}: what was asked for has no effect")
    pictures = [name for name, shape in inputs.items() if len(shape) >= _PICTURES and OPEN in shape[-2:]]
    if recipe.size is not None and not pictures:
        notes.append("the model's input size is fixed: what was asked for has no effect")
    if recipe.size is None and any(name not in recipe.shapes for name in pictures):
        usual = "{}x{}".format(*USUAL_SIZE)
        notes.append(f"the model takes pictures of any size, this engine of {usual} alone; --size says others")
    return notes


def _shown(shape: Shape) -> str:
    return "x".join("?" if side == OPEN else str(side) for side in shape)
