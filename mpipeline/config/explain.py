"""Turns what pydantic found into sentences for people: which key, what was expected, what was given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mpipeline.config.document import show
from mpipeline.config.expectation import admits_bool, describe, item_of, literals, model_in, of_field
from mpipeline.config.locate import KeyPath, Problem, shortened
from mpipeline.credentials import redact, redact_address
from mpipeline.registry import suggestion

PLAIN = "mpipeline"  # the type of errors whose message is already one for people
_SECRET_KEY = re.compile(r"passw|passphrase|pwd|token|secret|credential|api_?key|private", re.IGNORECASE)

OptionsOf = Callable[[Mapping[Any, Any]], "type[BaseModel] | None"]


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an error leads to: the path in the data, what is expected and what is there."""

    path: KeyPath
    annotation: Any
    value: Any
    model: type[BaseModel] | None  # whose key this is
    holder: Any  # the mapping it stands in


def explain(
    error: ValidationError,
    model: type[BaseModel],
    data: Any,
    shown: Mapping[KeyPath, str],
    scrub: Callable[[str], str] = redact,
) -> list[Problem]:
    """The problems behind `error`, one for each key. `shown` are texts to show in place of values at a path."""
    problems: dict[KeyPath, Problem] = {}
    for details in error.errors(include_url=False):
        spot = _follow(model, data, details["loc"])
        follows = details["type"] == "too_short" and spot.value  # too few were left, because the others are wrong
        if spot.path not in problems and not follows:
            problems[spot.path] = Problem(spot.path, _sentence(details, spot, shown, scrub))
    return list(problems.values())


def misplaced_booleans(model: type[BaseModel], data: Any, path: KeyPath = ()) -> Iterator[Problem]:
    """Every true or false that stands for something else: pydantic would take them for 1 and 0."""
    if not isinstance(data, Mapping):
        return
    fields = fields_of(model, data)
    for key, value in data.items():
        if key in fields:
            yield from _booleans(of_field(fields[key]), value, (*path, key))


def fields_of(model: type[BaseModel], data: Any) -> dict[str, FieldInfo]:
    """Key → field of what may stand in a mapping that `model` reads, the keys of its kind among them."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    options = _options_of(model, data)
    if hasattr(model, "options_of"):
        fields.pop("options", None)
    if options is not None:
        fields |= {info.alias or name: info for name, info in options.model_fields.items()}
    return fields


def _booleans(annotation: Any, value: Any, path: KeyPath) -> Iterator[Problem]:
    if isinstance(value, bool):
        if not admits_bool(annotation):
            yield Problem(path, f"expected {describe(annotation)}, got {show(value)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _booleans(item_of(annotation, index), item, (*path, index))
    elif isinstance(value, Mapping):
        model = model_in(annotation)
        if model is not None:
            yield from misplaced_booleans(model, value, path)
            return
        for key, item in value.items():
            yield from _booleans(item_of(annotation, None), item, (*path, key))


def _options_of(model: type[BaseModel], data: Any) -> type[BaseModel] | None:
    finder: OptionsOf | None = getattr(model, "options_of", None)
    return finder(data) if finder is not None and isinstance(data, Mapping) else None


def _follow(model: type[BaseModel], data: Any, location: tuple[str | int, ...]) -> _Spot:
    """Walks down the schema and the data together. Steps that name an alternative of a type, not a key, end the way."""
    spot = _Spot((), model, data, None, None)
    entered: KeyPath | None = None  # where `options`, which is no key in the data, has been passed
    for step in location:
        inner = model_in(spot.annotation)
        if step == "options" and hasattr(inner, "options_of") and entered != spot.path:
            entered = spot.path
            continue
        following = _child(spot, inner, step)
        if following is None:
            break
        spot = following
    return spot


def _child(spot: _Spot, inner: type[BaseModel] | None, step: str | int) -> _Spot | None:
    """The spot one step further; None if the step is no key."""
    path = (*spot.path, step)
    if inner is not None and isinstance(step, str):
        field = fields_of(inner, spot.value).get(step)
        value = spot.value.get(step) if isinstance(spot.value, Mapping) else getattr(spot.value, step, None)
        return _Spot(path, of_field(field) if field is not None else Any, value, inner, spot.value)
    if isinstance(spot.value, (list, tuple)) and isinstance(step, int):
        value = spot.value[step] if step < len(spot.value) else None
        return _Spot(path, item_of(spot.annotation, step), value, None, spot.value)
    if isinstance(spot.value, Mapping):
        for key in spot.value:
            if key == step or str(key) == str(step):
                return _Spot((*spot.path, key), item_of(spot.annotation, None), spot.value[key], None, spot.value)
    return None


def _sentence(details: Any, spot: _Spot, shown: Mapping[KeyPath, str], scrub: Callable[[str], str]) -> str:
    kind = details["type"]
    if kind == PLAIN:
        return scrub(details["msg"])
    if kind in ("value_error", "assertion_error"):
        message = shortened(scrub(str(details.get("ctx", {}).get("error", details["msg"]))), 300)
        bare = message.startswith("expected ") and ", got " not in message
        return f"{message}, got {_given(spot, shown)}" if bare else message
    if kind in ("extra_forbidden", "invalid_key"):
        key = shortened(redact_address(str(spot.path[-1])))
        valid = [] if spot.model is None else list(fields_of(spot.model, spot.holder))
        return f"unknown key{suggestion(key, valid)}"
    expected = describe(spot.annotation)
    if kind == "missing":
        return f"missing; expected {expected}"
    return f"expected {expected}, got {_given(spot, shown)}{_nearest(spot)}"


def _given(spot: _Spot, shown: Mapping[KeyPath, str]) -> str:
    if spot.path not in shown and any(isinstance(step, str) and _SECRET_KEY.search(step) for step in spot.path):
        return "***"
    text = show(spot.value, shown.get(spot.path))
    wants_text = describe(spot.annotation) in ("text", "a path")
    return f"{text}; put it in quotes" if wants_text and isinstance(spot.value, (int, float)) else text


def _nearest(spot: _Spot) -> str:
    near = difflib.get_close_matches(str(spot.value), literals(spot.annotation), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
