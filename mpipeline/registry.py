"""Finds a kind by name: the built-in table of its package, then entry points of other distributions.

A kind is a name in a table, `"video": "mpipeline.sources.video:VideoSource"`, loaded when asked for; nothing is
imported to list the names. Other packages add theirs under the entry-point groups `mpipeline.sources`,
`mpipeline.models`, `mpipeline.backends`, `mpipeline.trackers` and `mpipeline.sinks`; the same look-up serves both.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from mpipeline.errors import ConfigError, MpipelineError, UnknownKind

if TYPE_CHECKING:
    from importlib import metadata

Group = Literal["sources", "models", "backends", "trackers", "sinks"]
_SINGULAR = {
    "sources": "source kind",
    "models": "model family",
    "backends": "backend",
    "trackers": "tracker kind",
    "sinks": "sink kind",
}


def kinds(group: Group) -> dict[str, str]:
    """Name → "module:Class" of every kind of `group`; built-in ones cannot be replaced from outside."""
    others = {entry.name: f"{entry.module}:{entry.attr}" for entry in _entry_points(group)}
    return {**others, **_builtin(group)}


def is_builtin(group: Group, kind: str) -> bool:
    """Whether this package itself brings that kind."""
    return kind in _builtin(group)


def load(group: Group, kind: str) -> Any:
    """The class of `kind`.

    Raises UnknownKind with the nearest valid name, or ConfigError if the module behind the name does not load.
    """
    path = _builtin(group).get(kind)  # first, because listing the entry points reads the disk
    if path is None:
        table = kinds(group)
        if kind not in table:
            raise UnknownKind(f"unknown {_SINGULAR[group]} {kind!r}{suggestion(kind, table)}")
        path = table[kind]
    return resolve(path)


def resolve(path: str) -> Any:
    """The object behind "package.module:attribute"; the attribute may be dotted.

    Raises ConfigError, with the reason as its cause, if there is no such module or attribute, or the import fails.
    """
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise ConfigError(f"expected 'module:attribute', got {path!r}")
    try:
        module = importlib.import_module(module_name)
    except MpipelineError:
        raise
    except Exception as error:  # a module of other people may raise anything
        raise ConfigError(f"cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    try:
        return functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        near = suggestion(attribute, [name for name in vars(module) if not name.startswith("_")], list_all=False)
        raise ConfigError(f"module {module_name!r} has no {attribute!r}{near}") from error


def suggestion(name: str, valid: Iterable[str], *, list_all: bool = True) -> str:
    """The text "; did you mean 'video'?" or, when nothing is near and `list_all` is on, the list of valid names."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    near = near or [longer for longer in names if len(name) > 2 and longer.startswith(name)]
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid: {', '.join(names)}" if list_all and names else ""


def _builtin(group: Group) -> dict[str, str]:
    table: dict[str, str] = importlib.import_module(f"mpipeline.{group}").KINDS
    return table


def _entry_points(group: Group) -> Iterable[metadata.EntryPoint]:
    from importlib import metadata  # late: it takes longer to import than all of this package

    return metadata.entry_points(group=f"mpipeline.{group}")
