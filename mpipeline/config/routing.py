"""Which models a source feeds and a sink takes, where a run has several: what may be said of it, and what must fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import Field

from mpipeline.config.locate import Problem
from mpipeline.config.names import checked_name
from mpipeline.config.spec import problem_error
from mpipeline.registry import suggestion

Choice = Annotated[tuple[str, ...], Field(min_length=1)] | None  # names of models; None: all there are


class Routed(Protocol):
    """A source or a sink, as far as it matters here."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...] | None: ...


class RoutedSink(Routed, Protocol):
    """A sink, which has a kind and its options."""

    @property
    def kind(self) -> str: ...

    @property
    def options(self) -> Any: ...


def well_named(models: Any) -> Any:
    """`models:` as it is given, for a validator: raises if one has no name that can be written."""
    for name in models if isinstance(models, Mapping) else ():
        try:
            checked_name(name if isinstance(name, str) else "")
        except ValueError as error:
            raise problem_error(Problem((name,), f"a model's name: {error}"), None) from None
    return models


def misrouted(
    models: Collection[str], sources: Sequence[Routed], sinks: Sequence[RoutedSink], kinds: Sequence[Any]
) -> Problem | None:
    """The first thing that does not fit; None if all does. `models` are those of `models:`, `kinds` the sinks' classes.

    Every name is one of a model, every model is fed by a source, a sink gets predictions of two models about one source
    only if it can tell them apart, and it names a model only where models have names.
    """
    for group, parts in (("sources", sources), ("sinks", sinks)):
        for index, part in enumerate(parts):
            for position, name in enumerate(part.models or ()):
                if wrong := _wrong_name(name, (part.models or ())[:position], models):
                    return Problem((group, index, "models", position), wrong)
    fed = {name for source in sources for name in source.models or models}
    for name in models:
        if name not in fed:
            return Problem(("models", name), "no source feeds it; name it in `models` of a source")
    for index, (sink, kind) in enumerate(zip(sinks, kinds, strict=True)):
        if not models and getattr(sink.options, "names_models", False):
            text = (
                "{model} stands for a model's name, and the only one of this run has none: leave it out, or see models"
            )
            return Problem(("sinks", index), text)
        for source in sources:
            both = [name for name in sink.models or models if name in (source.models or models)]
            if len(both) > 1 and not getattr(kind, "several_models", False):
                text = (
                    f"kind {sink.kind!r} takes one model a source, and {' and '.join(both)} see source {source.name!r}"
                )
                return Problem(("sinks", index), f"{text}: choose one, as in models: [{both[0]}]")
    return None


def _wrong_name(name: str, earlier: Sequence[str], models: Collection[str]) -> str:
    """What is wrong with a name in a choice of models; empty if nothing is."""
    if not models:
        return "there is only one model, and it has no name; several with names are given under `models`"
    if name in earlier:
        return f"{name!r} is named twice"
    return "" if name in models else f"there is no model {name!r}{suggestion(name, models)}"
