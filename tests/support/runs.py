"""Configs for runs over synthetic sources, and what their output must look like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

QUICK_RESTARTS = {"first_delay": 0.05, "max_delay": 0.2, "max_restarts": 1000}
JSONL = {"kind": "jsonl", "path": "out.jsonl"}


def clip(name: str, count: int, **options: Any) -> dict[str, Any]:
    """A synthetic file of that many frames."""
    return {"name": name, "kind": "synthetic", "width": 64, "height": 48, "count": count, **options}


def camera(name: str, rate: float = 30, **options: Any) -> dict[str, Any]:
    """A synthetic live stream without an end."""
    return {"name": name, "kind": "synthetic", "width": 64, "height": 48, "rate": rate, "realtime": True, **options}


def config(
    *sources: Mapping[str, Any],
    sinks: tuple[Mapping[str, Any], ...] = (JSONL,),
    detector: str = "Fingerprint",
    **more: Any,
) -> dict[str, Any]:
    """A run of these sources through one of `support.detectors` into these sinks, with quick restarts."""
    return {
        "sources": [dict(source) for source in sources],
        "model": {"target": f"support.detectors:{detector}"},
        "sinks": [dict(sink) for sink in sinks],
        "supervision": QUICK_RESTARTS,
        **more,
    }


def several(
    *sources: Mapping[str, Any], people: str = "Fingerprint", faces: str = "Other", **more: Any
) -> dict[str, Any]:
    """A run with two models, people and faces."""
    models = {"people": {"target": f"support.detectors:{people}"}, "faces": {"target": f"support.detectors:{faces}"}}
    made = {**config(*sources, **more), "models": models}
    del made["model"]
    return made


def count_lines(path: Path) -> int:
    """How many whole lines a file has; 0 if there is none yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def by_source(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The lines of a jsonl file by source, in order, without the time of capture."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = parsed(line)
        del record["captured_at"]
        found.setdefault(record["source"], []).append(record)
    return found


def by_origin(path: Path) -> dict[str, list[dict[str, Any]]]:
    """As `by_source`, of runs with several models: by source and model, as in "gate:people"."""
    found: dict[str, list[dict[str, Any]]] = {}
    for source, lines in by_source(path).items():
        for line in lines:
            found.setdefault(f"{source}:{line['model']}", []).append(line)
    return found


def frame_ids(path: Path) -> dict[str, list[int]]:
    """The frame ids of each source in the order of the file."""
    return {source: [line["frame_id"] for line in lines] for source, lines in by_source(path).items()}


def complete(**counts: int) -> dict[str, list[int]]:
    """The frame ids of files of which nothing was lost, doubled or put out of order."""
    return {source: list(range(1, count + 1)) for source, count in counts.items()}


def parsed(line: str) -> dict[str, Any]:
    """One line of a jsonl file."""
    record: dict[str, Any] = json.loads(line)
    return record
