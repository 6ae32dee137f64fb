"""Finds a kind by name: the built-in table of its package, then entry points of other distributions.

A kind is a name in a table, `"video": "mpipeline.sources.video:VideoSource"`, loaded when asked for; nothing is
imported to list the names. Other packages add theirs under the entry-point groups `mpipeline.sources`,
`mpipeline.models`, `mpipeline.backends` and `mpipeline.sinks`; the same look-up serves both.
"""

from __future__ import annotations

import difflib
import importlib
from importlib import metadata
from typing import Any, Literal

from mpipeline.errors import UnknownKind

Group = Literal["sources", "models", "backends", "sinks"]
_SINGULAR = {"sources": "source kind", "models": "model family", "backends": "backend", "sinks": "sink kind"}


def kinds(group: Group) -> dict[str, str]:
    """Name → "module:Class" of every kind of `group`; built-in ones cannot be replaced from outside."""
    builtin: dict[str, str] = importlib.import_module(f"mpipeline.{group}").KINDS
    others = {entry.name: entry.value for entry in metadata.entry_points(group=f"mpipeline.{group}")}
    return {**others, **builtin}


def load(group: Group, kind: str) -> Any:
    """The class of `kind`.

    Raises UnknownKind with the nearest valid name.
    """
    table = kinds(group)
    if kind not in table:
        raise UnknownKind(f"unknown {_SINGULAR[group]} {kind!r}{suggestion(kind, list(table))}")
    return resolve(table[kind])


def resolve(path: str) -> Any:
    """The object behind "package.module:attribute"."""
    module_name, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module_name), attribute)


def suggestion(name: str, valid: list[str]) -> str:
    """The text `; did you mean 'video'?" or, when nothing is near, the list of valid names."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(sorted(valid))}"
