"""Says in plain words what a field of the schema expects, from its type and its bounds."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretStr
from pydantic.fields import FieldInfo

_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def unwrapped(annotation: Any) -> tuple[list[Any], list[Any]]:
    """The alternatives of a type without None and `Annotated`, and the metadata that was around them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        members, more = unwrapped(inner)
        return members, [*metadata, *more]
    if origin in (Union, types.UnionType):
        parts = [unwrapped(member) for member in get_args(annotation) if member is not type(None)]
        return [kind for members, _ in parts for kind in members], [item for _, more in parts for item in more]
    return [annotation], []


def of_field(field: FieldInfo) -> Any:
    """The field's type with its bounds, which pydantic keeps apart, around it again."""
    annotation: Any = field.annotation
    for item in field.metadata:
        annotation = Annotated[annotation, item]
    return annotation


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model among the alternatives of a type."""
    for kind in unwrapped(annotation)[0]:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def item_of(annotation: Any, index: int | None) -> Any:
    """The type of what stands in a list (at `index`) or, with None, of the values of a mapping."""
    for kind in unwrapped(annotation)[0]:
        origin, arguments = get_origin(kind), get_args(kind)
        mapping = isinstance(origin, type) and issubclass(origin, Mapping)
        if not arguments or mapping != (index is None):
            continue
        if index is None:
            return arguments[1]
        if origin is tuple and arguments[-1] is not Ellipsis:
            return arguments[index] if index < len(arguments) else Any
        return arguments[0]
    return Any


def admits_bool(annotation: Any) -> bool:
    """Whether true and false may stand here."""
    members = unwrapped(annotation)[0]
    return any(kind in (bool, Any, object) or (get_origin(kind) is Literal) for kind in members)


def literals(annotation: Any) -> list[str]:
    """The words that a choice allows; empty if it is none."""
    words: list[str] = []
    for kind in unwrapped(annotation)[0]:
        if get_origin(kind) is Literal:
            words += [str(word) for word in get_args(kind)]
        elif isinstance(kind, type) and issubclass(kind, Enum):
            words += [str(member.value) for member in kind]
    return words


def describe(annotation: Any) -> str:
    """The type in words: "a number between 0 and 1"."""
    members, metadata = unwrapped(annotation)
    bounds = _bounds(metadata)
    words = [_word(kind) + (bounds.pop("length", "") if _is_list(kind) else "") for kind in members]
    unique = list(dict.fromkeys(word for word in words if word))
    return " or ".join(unique) + bounds.get("value", "") if unique else "a valid value"


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, Mapping)


def _word(kind: Any) -> str:
    choice = literals(kind)
    if choice:
        return f"one of {', '.join(choice)}"
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, type) and issubclass(kind, (SecretStr, Secret)):
        return "text"
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return "a path"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        hidden = "options" if hasattr(kind, "options_of") else ""  # no key, but where the keys of its kind go
        return f"a mapping with the keys {', '.join(name for name in kind.model_fields if name != hidden)}"
    return _collection(kind)


def _collection(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if _is_list(kind):
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return f"a list [{', '.join(describe(item) for item in arguments)}]"
        if model_in(arguments[0]) is not None:
            return "a list of mappings"
        return f"a list (each item {describe(arguments[0])})"
    if kind is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "a mapping"
    return ""


def _bounds(metadata: list[Any]) -> dict[str, str]:
    """The bounds among the metadata as words: of the value, and of the length of a list."""
    found: dict[str, Any] = {}
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    for item in flat:
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
            bound = getattr(item, name, None)
            if bound is not None:
                found[name] = f"{bound:g}" if isinstance(bound, float) else bound
    low = f"of at least {found['ge']}" if "ge" in found else f"above {found['gt']}" if "gt" in found else ""
    high = f"at most {found['le']}" if "le" in found else f"below {found['lt']}" if "lt" in found else ""
    value = f"between {found['ge']} and {found['le']}" if "ge" in found and "le" in found else ""
    value = value or " and ".join(part for part in (low, high) if part)
    least = found.get("min_length")
    length = f" with at least {least} item{'s' if least > 1 else ''}" if least else ""
    return {"value": f" {value}" if value else "", "length": length}
