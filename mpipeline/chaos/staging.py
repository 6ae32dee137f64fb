"""Turns a user's config into one that can be struck: own folders for what it writes, quick restarts, a ledger. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpipeline import registry
from mpipeline.config import RunConfig

LEDGER = "chaos-ledger"
SUPERVISION = {"first_delay": 0.05, "max_delay": 0.5, "max_restarts": 10_000}
_LONGEST_NAME = 40
_SOURCE = "{source}"


@dataclass(frozen=True, slots=True)
class StagedSink:
    """A sink whose files lie in `folder`. `exact`: it promises each frame exactly once, not at least once."""

    name: str
    kind: str
    folder: Path
    exact: bool


@dataclass(frozen=True, slots=True)
class Stage:
    """A config ready to be struck. `left_out` are the names of sinks that would reach outside."""

    config: RunConfig
    folder: Path
    sinks: tuple[StagedSink, ...]
    left_out: tuple[str, ...]

    @property
    def ledger(self) -> Path:
        """Where the ledger lies."""
        return self.folder / LEDGER / "ledger.jsonl"


def staged(config: RunConfig, folder: Path, *, keep_sinks: bool = False) -> Stage:
    """`config` with all its files below `folder`.

    A sink with a `path` writes it there. One without, such as code of the user's own, is left out unless `keep_sinks`;
    then a `path` among the options for that code is moved as well. Filters pass more than changes: after a kill nobody
    knows what was seen before, so one frame more is let through then, which is no fault.
    """
    mapping = config.to_mapping()
    sinks, kept, left_out = [], [], []
    for spec in config.sinks:
        own = folder / spec.name
        entry = spec.to_mapping()
        inner = entry.get("options")
        if spec.filter is not None and spec.filter.on_change:
            entry["filter"] = {**entry["filter"], "on_change": False}
        if isinstance(entry.get("path"), str):
            entry["path"] = moved(entry["path"], own)
        elif not keep_sinks:
            left_out.append(spec.name)
            continue
        elif isinstance(inner, Mapping) and isinstance(inner.get("path"), str):
            entry["options"] = {**inner, "path": moved(inner["path"], own)}
        sinks.append({**entry, "name": spec.name})
        kept.append(StagedSink(spec.name, spec.kind, own, _is_exact(spec.kind, entry)))
    stage = Stage(config, folder, (), tuple(left_out))
    sinks.append({"kind": "jsonl", "name": LEDGER, "path": str(stage.ledger)})
    kept.append(StagedSink(LEDGER, "jsonl", folder / LEDGER, True))
    mapping["sinks"] = sinks
    mapping["name"] = chaos_name(config.name)
    mapping["supervision"] = {**mapping.get("supervision", {}), **SUPERVISION}
    return replace(stage, config=RunConfig.from_mapping(mapping), sinks=tuple(kept))


def chaos_name(name: str) -> str:
    """The name of the struck run: the user's own may be alive at this moment."""
    return f"{name[: _LONGEST_NAME - len('-chaos')]}-chaos"


def moved(path: str, folder: Path) -> str:
    """The file of this path template in `folder`; of its folders stay those in which sources are told apart."""
    parts = Path(path).parts
    first = next((i for i, part in enumerate(parts) if _SOURCE in part), len(parts) - 1)
    return str(folder.joinpath(*parts[first:]))


def _is_exact(kind: str, entry: Mapping[str, Any]) -> bool:
    """Whether a kind that comes along writes files of its own: those drop what they have written already."""
    return isinstance(entry.get("path"), str) and registry.kinds("sinks")[kind].startswith("mpipeline.")
