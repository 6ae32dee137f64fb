"""The models that lie on this machine: the store's own, and those of two other layouts under the same folder.

    CACHE/mpipeline/PROJECT/VERSION/                         the store's own; .origin.json tells its files
    CACHE/models-cache/v2-NAME-DIGEST/PACKAGE/               packages; DIGEST is the BLAKE2s (128 bits) of the id
    CACHE/PROJECT/VERSION/                                   model_type.json, environment.json, weights.onnx

Only the first is ever written. CACHE/backends/ is no project: it holds what backends have found out about models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mpipeline.models.package import CONFIG, LEGACY_ENVIRONMENT, LEGACY_TYPE, WEIGHTS

OWN = "mpipeline"
ORIGIN = ".origin.json"  # no file of a package can be called so
_PACKAGES = "models-cache"


@dataclass(frozen=True, slots=True)
class CachedModel:
    """A folder that holds a model of that id."""

    model_id: str
    directory: Path
    layout: Literal["own", "package", "legacy"]

    @property
    def bytes(self) -> int:
        """What its files take."""
        return sum(entry.stat().st_size for entry in self.directory.iterdir() if entry.is_file())


def find(cache: Path, *names: str) -> CachedModel | None:
    """The model in the cache that has one of the names: its id, or an alias under which others have kept it."""
    for name in names:
        if "/" in name and is_complete(directory := cache / OWN / name):
            return CachedModel(name, directory, "own")
    for name in names:
        for directory in _packages_of(cache, name):
            return CachedModel(name, directory, "package")
    for name in names:
        if "/" in name and _is_legacy(directory := cache / name):
            return CachedModel(name, directory, "legacy")
    return None


def everything(cache: Path) -> list[CachedModel]:
    """All models in the cache, by id."""
    found = [CachedModel(_name(path), path, "own") for path in _two_down(cache / OWN) if is_complete(path)]
    for path in _two_down(cache / _PACKAGES):
        if _is_package(path):
            named = _json(path / CONFIG).get("model_id")
            found.append(CachedModel(named if isinstance(named, str) else path.parent.name, path, "package"))
    found += [CachedModel(_name(path), path, "legacy") for path in _two_down(cache) if _is_legacy(path)]
    return sorted(found, key=lambda model: (model.model_id, model.layout))


def is_complete(directory: Path) -> bool:
    """Whether the store has written this folder to its end, and every file still has its size."""
    files = _json(directory / ORIGIN).get("files")
    if not isinstance(files, dict) or not files:
        return False
    try:
        return all((directory / name).stat().st_size == told["bytes"] for name, told in files.items())
    except (OSError, KeyError, TypeError):
        return False


def _packages_of(cache: Path, name: str) -> Iterator[Path]:
    digest = hashlib.blake2s(name.encode(), digest_size=16).hexdigest()
    for model in _children(cache / _PACKAGES):
        if model.name.startswith("v2-") and model.name.endswith(f"-{digest}"):
            for package in _children(model):
                if _is_package(package) and _json(package / CONFIG).get("model_id") in (None, name):
                    yield package


def _is_package(directory: Path) -> bool:
    return all((directory / name).is_file() for name in (CONFIG, WEIGHTS))


def _is_legacy(directory: Path) -> bool:
    return all((directory / name).is_file() for name in (LEGACY_TYPE, LEGACY_ENVIRONMENT, WEIGHTS))


def _name(directory: Path) -> str:
    return f"{directory.parent.name}/{directory.name}"


def _two_down(root: Path) -> Iterator[Path]:
    for parent in _children(root):
        yield from _children(parent)


def _children(directory: Path) -> list[Path]:
    """The folders in a folder, in order; none if there is no such folder, or it may not be read."""
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
