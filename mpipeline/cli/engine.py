"""`mpipeline engine`: builds engines for TensorRT, and lists, describes and removes those that are kept."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mpipeline import log
from mpipeline.backends.engines.engine_file import (
    KeptEngine,
    beside_engines,
    everything,
    gpu_case,
    is_abandoned,
    is_of_none,
)
from mpipeline.backends.engines.library import load_library
from mpipeline.cli import engine_build
from mpipeline.config.environment import log_settings
from mpipeline.cuda import probe
from mpipeline.errors import EXIT_DONE, ConfigError, MpipelineError

_MIB = 1 << 20
_WIDE = 200  # characters of a line in a file or a pipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs and their options."""
    parser.epilog = (
        "Engines are kept below MODEL_CACHE_DIR (default: ~/.cache/mpipeline/models). A run builds those that it needs "
        "by itself; `build` does it beforehand. Exit codes: 0 done, 78 not of this model or with these options, 1 the "
        "library or the GPU has failed."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    build = verbs.add_parser("build", help="build the engine of a model, for the GPU of this machine")
    engine_build.add_arguments(build)
    shown = verbs.add_parser("list", help="show the engines that are kept, and which are of use here")
    inspect = verbs.add_parser("inspect", help="tell all that is known of an engine")
    inspect.add_argument("engine", metavar="ENGINE", help="its file, or the beginning of its name in `list`")
    clean = verbs.add_parser("clean", help="remove engines that are of no use here any more")
    clean.description = (
        "Removes engines that are damaged, or of another version of the library, GPU or driver than those of "
        "today, with what was compiled of them, and what killed processes have left half-written. What cannot be "
        "judged stays."
    )
    clean.add_argument("--all", action="store_true", help="remove all of them, and what builds have learnt")
    clean.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    for verb in (build, shown, inspect, clean):
        verb.add_argument("--json", action="store_true", help="print JSON")


def command(arguments: argparse.Namespace) -> int:
    """Does the verb; returns the exit code."""
    log.configure(level=log_settings().level, json=log_settings().json)
    folder = engine_build.folder()
    if arguments.verb == "build":
        return engine_build.command(arguments, folder)
    if arguments.verb == "list":
        return _list(folder, arguments.json)
    if arguments.verb == "clean":
        return _clean(folder, arguments)
    return _inspect(folder, arguments.engine, arguments.json)


class _Today:
    """Libraries and GPU of this machine, to judge engines by; each is asked for once."""

    def __init__(self) -> None:
        self._libraries: dict[str, list[str] | None] = {}
        self._gpu = _only_gpu()

    def stale(self, engine: KeptEngine) -> str:
        """Why the engine is of no use here; empty if it is, or nobody knows."""
        flavour = engine.told["case"]["library"][0] if engine.told is not None else ""
        if flavour not in self._libraries:
            self._libraries[flavour] = None
            with suppress(MpipelineError):
                self._libraries[flavour] = [flavour, load_library(flavour).version]
        return engine.stale(self._libraries[flavour], self._gpu)


def _only_gpu() -> dict[str, Any] | None:
    """The kind of GPU here; None if there is none, or several kinds, of which any may be meant."""
    with suppress(MpipelineError):
        found = {json.dumps(gpu_case(one)) for one in probe.devices()}
        return json.loads(found.pop()) if len(found) == 1 else None
    return None


def _list(folder: Path, as_json: bool) -> int:
    today = _Today()
    rows = [_row(engine, today.stale(engine)) for engine in everything(folder)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return EXIT_DONE
    if not rows:
        print(f"there are no engines in {folder}; mpipeline engine build MODEL.onnx builds one")
        return EXIT_DONE
    headings = ("engine", "model", "precision", "batch", "library", "GPU", "MiB", "built", "of use")
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "MiB" else "left", overflow="fold")
    for row in rows:
        words = (row["engine"][:8], row["model"], row["precision"], row["batch"], row["library"], row["gpu"])
        built = f"{datetime.fromtimestamp(row['built']):%Y-%m-%d %H:%M}" if row["built"] else "-"
        use = f"no: {row['stale']}" if row["stale"] else "yes"
        table.add_row(*map(escape, words), f"{row['bytes'] / _MIB:.1f}", built, use)
    Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE).print(table)
    return EXIT_DONE


def _row(engine: KeptEngine, stale: str) -> dict[str, Any]:
    told = engine.told or {}
    case = told.get("case", {})
    gpu, recipe = case.get("gpu"), case.get("recipe", {})
    return {
        "engine": engine.path.stem,
        "model": told.get("name", "-"),
        "precision": recipe.get("precision", "-"),
        "batch": ",".join(map(str, recipe.get("batch", ["-"]))),
        "library": " ".join(case.get("library", ["-"])),
        "gpu": gpu["name"] if gpu else "any" if case else "-",
        "bytes": engine.bytes,
        "built": told.get("built"),
        "path": str(engine.path),
        "stale": stale,
    }


def _inspect(folder: Path, name: str, as_json: bool) -> int:
    engine = _found(folder, name)
    row, told = _row(engine, _Today().stale(engine)), engine.told or {}
    if as_json:
        print(json.dumps({**row, "told": told}, indent=1))
    else:
        print("\n".join(_lines({**row, **{key: told.get(key) for key in ("case", "tensors", "notes", "metadata")}})))
    if row["stale"] == "damaged":
        raise ConfigError(f"{engine.path}: is damaged; a run builds it anew, `mpipeline engine clean` removes it")
    return EXIT_DONE


def _lines(facts: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Key and value of each fact, line by line; facts of facts below them."""
    for key, value in facts.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            yield f"{indent}{key}"
            yield from _lines(value, f"{indent}  ")
        else:
            yield f"{indent}{key:<{max(1, 20 - len(indent))}} {value}"


def _found(folder: Path, name: str) -> KeptEngine:
    if Path(name).is_file():
        engines = [one for one in everything(Path(name).parent) if one.path.samefile(name)]
    else:
        engines = [one for one in everything(folder) if one.path.stem.startswith(name)]
    if len(engines) != 1:
        what = "there are several engines" if engines else "there is no engine"
        raise ConfigError(f"{what} {name!r}: mpipeline engine list shows those that are kept")
    return engines[0]


def _clean(folder: Path, arguments: argparse.Namespace) -> int:
    today = _Today()
    judged = [(one.path, today.stale(one)) for one in everything(folder)]
    going = [(path, why or "all go") for path, why in judged if why or arguments.all]
    engines = {path for path, _ in going}
    for path in beside_engines(folder):
        why = "half-written" if is_abandoned(path) else "its engine goes" if is_of_none(path, engines) else ""
        if why or arguments.all:
            going.append((path, why or "all go"))
    freed = sum(path.stat().st_size for path, _ in going)
    if not arguments.dry_run:
        for path, _ in going:
            path.unlink(missing_ok=True)
    if arguments.json:
        print(json.dumps([{"path": str(path), "why": why} for path, why in going], indent=1))
        return EXIT_DONE
    for path, why in going:
        print(f"{path.name}: {why}")
    done = "would be removed" if arguments.dry_run else "removed"
    print(f"{len(going)} files, {freed / _MIB:.1f} MiB, {done}")
    return EXIT_DONE
