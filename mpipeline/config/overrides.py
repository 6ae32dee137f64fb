"""Applies `--set key=value` to a config that is not checked yet."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mpipeline.config import names
from mpipeline.config.document import Document, parse
from mpipeline.config.locate import KeyPath, Place, Problem, dotted, shortened
from mpipeline.credentials import redact
from mpipeline.errors import ConfigError

_INDEX = re.compile(r"\[(\d+)\]")


def apply_overrides(document: Document, overrides: Iterable[str]) -> None:
    """Changes `document` by each of "model.confidence=0.5", "sources.gate.max_fps=5" or "sources.0.max_fps=5".

    The value is read as YAML. What is wrong becomes a problem of the document whose place is the override.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        place = Place(f"--set {shortened(redact(key))}")
        if not equals or not key:
            raise ConfigError(f"{place}: expected KEY=VALUE, as in --set model.confidence=0.5")
        given = parse(text, place)
        steps = [step for step in _INDEX.sub(r".\1", key).split(".") if step]
        try:
            path = _assign(document, steps, given.data, place)
        except _NoSuchEntry as error:
            document.problems.append(Problem((), str(error), place))
            continue
        document.adopt(given, path, place)


class _NoSuchEntry(Exception):
    """The key leads nowhere."""


def _assign(document: Document, steps: list[str], value: Any, place: Place) -> KeyPath:
    """Puts the value at the end of the steps, making the mappings on the way; returns its path."""
    if not isinstance(document.data, dict):
        document.data = {}
    holder: Any = document.data
    path: KeyPath = ()
    while True:
        step, used = _step(holder, steps, path)
        path = (*path, step)
        steps = steps[used:]
        if not steps:
            holder[step] = value
            return path
        if isinstance(step, str) and not isinstance(holder.get(step), (dict, list)):
            holder[step] = {}
            document.places.replace(path, place)
        holder = holder[step]


def _step(holder: Any, steps: list[str], path: KeyPath) -> tuple[str | int, int]:
    """The key or index that the first steps mean in `holder`, and how many steps it took: a name may hold dots."""
    if isinstance(holder, dict):
        return steps[0], 1
    if not isinstance(holder, list):
        raise _NoSuchEntry(f"there is nothing inside {dotted(path)}")
    known = names.source_names(holder) if path == ("sources",) else names.sink_names(holder)
    if path not in (("sources",), ("sinks",)):
        known = []
    for count in range(len(steps), 0, -1):
        name = ".".join(steps[:count])
        if name in known:
            return known.index(name), count
    if steps[0].isdecimal() and int(steps[0]) < len(holder):
        return int(steps[0]), 1
    wanted = f"a number below {len(holder)}" if holder else "nothing, for the list is empty"
    choice = f"{', '.join(dict.fromkeys(known))} or {wanted}" if known else wanted
    raise _NoSuchEntry(f"no entry {shortened(steps[0])!r} in {dotted(path)}; expected {choice}")
