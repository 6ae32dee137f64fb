"""Hypothesis strategies for messages: every struct that crosses a socket, with values that the codec lets through."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from mpipeline.transport import bounds

TEXT = st.text(max_size=20)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def values_of(annotation: Any, place: tuple[str, str]) -> st.SearchStrategy[Any]:
    """Values that a field of this annotation, at `place` (struct and field), may have."""
    if annotation is int:
        return st.integers(*bounds.WHOLE.get(place, (0, bounds.MOST_WHOLE)))
    if annotation is float:
        anything = place in bounds.ANY_FLOAT
        return st.floats(allow_nan=False, allow_infinity=anything)
    scalars = {str: TEXT, bytes: st.binary(max_size=64), bool: st.booleans(), Any: PLAIN}
    if annotation in scalars:
        return scalars[annotation]
    if dataclasses.is_dataclass(annotation):
        return instances_of(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    arguments = get_args(annotation)
    if get_origin(annotation) is Mapping:
        return st.dictionaries(values_of(arguments[0], place), values_of(arguments[1], place), max_size=4)
    if get_origin(annotation) is tuple:
        return st.lists(values_of(arguments[0], place), max_size=4).map(tuple)
    present = [one for one in arguments if one is not type(None)]
    return st.none() | values_of(present[0], place)


def instances_of(struct: Any) -> st.SearchStrategy[Any]:
    """Instances of a struct of `mpipeline.messages`, or of a part of one."""
    hints = get_type_hints(struct)
    names = [field.name for field in dataclasses.fields(struct)]
    return st.builds(struct, **{name: values_of(hints[name], (struct.__name__, name)) for name in names})
