"""`mpipeline models`: fetches models by id, lists, describes and compares those on this machine."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from mpipeline import log
from mpipeline.cli import models_compare, models_quantize
from mpipeline.cli.download_bar import download_bar
from mpipeline.cli.terminal import output
from mpipeline.config.environment import log_settings, store_settings
from mpipeline.errors import EXIT_DONE, ModelError, MpipelineError
from mpipeline.hosted.inspection import Inspection, inspect
from mpipeline.models.package import ModelPackage, open_package
from mpipeline.store.aliases import aliases
from mpipeline.store.cache import CachedModel, everything
from mpipeline.store.resolve import resolve

_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs and their options."""
    parser.epilog = (
        "Models are kept in MODEL_CACHE_DIR (default: ~/.cache/mpipeline/models). Fetching needs ROBOFLOW_API_KEY; "
        "OFFLINE_MODE=true forbids it; HTTPS_PROXY and NO_PROXY are respected. "
        "Exit codes: 0 done, 78 not with this id, key or account, 1 network, server or disk: may work later."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    pull = verbs.add_parser("pull", help="fetch models, so that they are here without a network")
    pull.description = "Fetches models that are not here. A download that broke off is gone on with."
    pull.add_argument("ids", nargs="+", metavar="ID", help="yolov8n-640, or project/version such as coco/3")
    pull.add_argument("--quiet", action="store_true", help="no progress, only errors")
    shown = verbs.add_parser("list", help="show the models on this machine")
    shown.description = "Shows the models in the cache, also those that other programs have left there."
    shown.add_argument("--aliases", action="store_true", help="show the known aliases and their ids instead")
    inspect = verbs.add_parser("inspect", help="load a model and tell how it is used")
    inspect.description = (
        "Loads a model that is here, and tells its family and why, inputs, outputs and names, how pictures are fed to "
        "it, and for what it does not say the line of a config that does."
    )
    inspect.add_argument("id", metavar="ID | PATH", help="an id or alias, an ONNX file, or a model package's folder")
    compare = verbs.add_parser("compare", help="measure what another precision or backend changes on your videos")
    models_compare.add_arguments(compare)
    eight_bit = verbs.add_parser("quantize", help="make an 8-bit model, with scales from your videos")
    models_quantize.add_arguments(eight_bit)
    for verb in (shown, inspect, compare, eight_bit):
        verb.add_argument("--json", action="store_true", help="print JSON")


def command(arguments: argparse.Namespace) -> int:
    """Does the verb; returns the exit code."""
    level = "warning" if getattr(arguments, "quiet", False) else log_settings().level
    log.configure(level=level, json=log_settings().json)
    if arguments.verb == "pull":
        return _pull(arguments.ids, quiet=arguments.quiet)
    if arguments.verb == "list":
        return _list_aliases(arguments.json) if arguments.aliases else _list(arguments.json)
    if arguments.verb == "compare":
        return models_compare.command(arguments)
    if arguments.verb == "quantize":
        return models_quantize.command(arguments)
    return _inspect(arguments.id, arguments.json)


def _pull(ids: list[str], *, quiet: bool) -> int:
    """Fetches each; the exit code is that of the first failure."""
    code = EXIT_DONE
    for name in ids:
        try:
            with download_bar(sys.stderr, enabled=not quiet) as progress:
                resolved = resolve(name, progress=progress)
        except MpipelineError as error:
            print(f"mpipeline: {error}", file=sys.stderr)
            code = code or error.exit_code
            continue
        size = resolved.package.weights.stat().st_size / _MIB
        known = {"hub": "fetched", "cache": "was here", "path": "is a path"}[resolved.origin]
        print(f"{name}: {known}, {size:.1f} MiB, {resolved.path}")
    return code


def _list(as_json: bool) -> int:
    settings = store_settings()
    found = everything(settings.cache)
    rows = [_row(model) for model in found]
    if as_json:
        print(json.dumps(rows, indent=1))
        return EXIT_DONE
    if not found:
        print(f"there are no models in {settings.cache}; mpipeline models pull ID fetches one")
        return EXIT_DONE
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "aliases", "task", "architecture", "size", "MiB", "layout", "usable"):
        table.add_column(heading, justify="right" if heading == "MiB" else "left", overflow="fold")
    for row in rows:
        size = f"{row['size'][0]}x{row['size'][1]}" if row["size"] else "-"
        words = (row["model"], ", ".join(row["aliases"]), row["task"], row["architecture"], size)
        usable = "yes" if row["problem"] is None else "no"
        table.add_row(*map(escape, words), f"{row['bytes'] / _MIB:.1f}", row["layout"], usable)
    output().print(table)
    if any(row["problem"] for row in rows):
        print("mpipeline models inspect ID tells why one is not usable")
    return EXIT_DONE


def _row(model: CachedModel) -> dict[str, Any]:
    names = [alias for alias, known in aliases().items() if known == model.model_id]
    try:
        package, problem = open_package(model.directory), None
    except MpipelineError as error:
        package, problem = ModelPackage(model.directory, task="-", architecture="-"), str(error)
    return {
        "model": model.model_id,
        "aliases": names,
        "task": package.task,
        "architecture": package.architecture,
        "size": package.said.size,
        "bytes": model.bytes,
        "layout": model.layout,
        "directory": str(model.directory),
        "problem": problem,
    }


def _list_aliases(as_json: bool) -> int:
    known = aliases()
    print(json.dumps(known, indent=1) if as_json else "\n".join(f"{name}  {known[name]}" for name in known))
    return EXIT_DONE


def _inspect(name: str, as_json: bool) -> int:
    found = inspect(name)
    facts = _facts(found)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        print("\n".join(_told(facts)))
    if found.error:
        raise ModelError(found.error)
    return EXIT_DONE


def _told(facts: dict[str, Any]) -> Iterator[str]:
    """The facts that there are, lists cut short; then what is missing and the line that supplies it."""
    for key, value in facts.items():
        if key in ("notes", "missing") or value in ("", [], None):
            continue
        shown = ", ".join(value[:10]) + (" …" if len(value) > 10 else "") if isinstance(value, list) else value
        yield f"{key.replace('_', ' '):<14} {shown}"
    for gap in facts["missing"]:
        yield f"missing        {gap['text']}; in a config, below `model:`"
        yield f"                 {gap['line']}"
    for sentence in facts["notes"]:
        yield f"  {sentence}"


def _facts(found: Inspection) -> dict[str, Any]:
    package = found.package
    normalisation = package.said.normalisation
    fed = {} if normalisation is None else normalisation.model_dump(exclude_none=True)
    usual = "" if found.error else "as the family does"
    return {
        "model": found.name,
        "weights": str(package.weights),
        "bytes": package.weights.stat().st_size,
        "family": found.family,
        "task": found.task,
        "architecture": package.architecture or "not told",
        "inputs": list(found.inputs),
        "outputs": list(found.outputs),
        "input": "{} x {}".format(*found.size) if found.size is not None else "",
        "preprocessing": ", ".join(f"{key} {value}" for key, value in fed.items()) or usual,
        "classes": None if found.error else len(found.class_names),
        "class_names": list(found.class_names),
        "missing": [asdict(gap) for gap in found.gaps],
        "notes": list(found.notes),
    }
