"""Looks for the files that a config names, before anything starts."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpipeline import registry
from mpipeline.config.document import Document, show
from mpipeline.config.locate import KeyPath, Problem, shortened
from mpipeline.config.schema import SourceSpec
from mpipeline.errors import MpipelineError

_PACKAGE_TEST = "mpipeline.models.package:is_package"  # looked up when needed: config and models are neighbours
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


def missing_files(document: Document, directory: Path | None = None) -> Iterator[Problem]:
    """Every model file and source file that is not there. `directory` is where the config lies, for a hint."""
    data = document.data if isinstance(document.data, dict) else {}
    for path, model in _models(data):
        if not model.get("target"):
            yield from _missing(document, path, model["path"], directory, want_file=not _is_package(model))
    sources = data.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(source, dict) and isinstance(source.get("uri"), str) and _is_file(source):
            yield from _missing(document, ("sources", index, "uri"), source["uri"], directory, want_file=False)
        for place, uri in enumerate(_list(source, "uris") if isinstance(source, dict) else []):
            if isinstance(uri, str) and uri.strip() and not _SCHEME.match(uri):
                yield from _missing(document, ("sources", index, "uris", place), uri, directory, want_file=True)


def overwritten_files(document: Document) -> Iterator[Problem]:
    """Every sink whose file is one that the run reads, or that another sink writes."""
    data = document.data if isinstance(document.data, dict) else {}
    sources = [one for one in _list(data, "sources") if isinstance(one, dict)]
    uris = [uri for one in sources for uri in (one.get("uri"), *_list(one, "uris")) if isinstance(uri, str)]
    read = {_identity(uri): "a source of this run" for uri in uris}
    for _, model in _models(data):
        read[_identity(model["path"])] = "the model file"
        read[_identity(os.path.splitext(model["path"])[0] + ".yaml")] = "the model's sidecar file"
    if document.file is not None:
        read[_identity(document.file)] = "this config file"
    names = [str(one.get("name") or Path(str(one.get("uri", ""))).stem) for one in sources]
    written: dict[str, int] = {}
    sinks = _list(data, "sinks")
    for index, sink in enumerate(sinks):
        if not isinstance(sink, dict) or not isinstance(sink.get("path"), str) or sink in sinks[:index]:
            continue  # one that is given twice is told of elsewhere
        for path in dict.fromkeys(sink["path"].replace("{source}", name) for name in names or [""]):
            identity = _identity(path)
            taken = read.get(identity, f"what sinks[{written[identity]}] writes" if identity in written else "")
            if taken:
                yield Problem(("sinks", index, "path"), f"would overwrite {taken}: {show(path)}")
                break
            written[identity] = index


def _models(data: dict[Any, Any]) -> Iterator[tuple[KeyPath, dict[Any, Any]]]:
    """Every model that is given by a path, and where that stands: the only one, or those with names."""
    several = data.get("models")
    found: list[tuple[KeyPath, Any]] = [(("model",), data.get("model"))]
    found += [(("models", name), one) for name, one in (several.items() if isinstance(several, dict) else ())]
    for path, model in found:
        if isinstance(model, dict) and isinstance(model.get("path"), str):
            yield (*path, "path"), model


def _is_package(model: dict[Any, Any]) -> bool:
    """Whether the model's path is the folder of a model package."""
    try:
        return bool(registry.resolve(_PACKAGE_TEST)(Path(model["path"]).expanduser()))
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or ~ of nobody
        return False


def _list(data: dict[Any, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _identity(path: str) -> str:
    """The same text for every name of one file."""
    try:
        return os.path.realpath(Path(path).expanduser())
    except (OSError, ValueError, RuntimeError):
        return path


def _is_file(source: dict[Any, Any]) -> bool:
    """Whether the uri is a plain path: it has no scheme, and the kind is the one that reads files of that name."""
    if not source["uri"].strip() or _SCHEME.match(source["uri"]):
        return False
    try:
        inferred = SourceSpec.infer_kind(source)
    except MpipelineError:
        return False
    model = SourceSpec.options_of({"kind": inferred})
    if not getattr(model, "reads_files", True):
        return False
    default = model.model_fields["uri"].default if model is not None and "uri" in model.model_fields else None
    return source.get("kind", inferred) == inferred and source["uri"] != default


def _missing(
    document: Document, path: KeyPath, text: str, directory: Path | None, *, want_file: bool
) -> Iterator[Problem]:
    named = show(text, document.shown.get(path))
    try:
        found = (file := Path(text).expanduser()).exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or ~ of nobody
        found, file = False, Path(text)
    if not found:
        yield Problem(path, f"no such file: {named}{'' if path in document.shown else _hint(text, directory)}")
    elif want_file and not file.is_file():
        yield Problem(path, f"expected a file, got a directory: {named}")
    elif not os.access(file, os.R_OK):
        yield Problem(path, f"no permission to read {named}")


def _hint(text: str, directory: Path | None) -> str:
    """Where the file may be instead."""
    path = Path(text)
    try:
        if directory is not None and not path.is_absolute() and (directory / path).exists():
            return f"; it is in {str(directory)!r}, but paths are relative to the current directory"
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1, cutoff=0.7)
    except (OSError, ValueError):
        near = []
    if near:
        return f"; did you mean '{shortened(str(path.parent / near[0]))}'?"
    return "" if path.is_absolute() else "; paths are relative to the current directory"
