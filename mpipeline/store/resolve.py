"""Finds the model that a word means: a path, or an id in the cache of this machine or at the model hub."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from mpipeline.config.environment import API_KEYS, MODEL_CACHE_DIR, OFFLINE_MODE, StoreSettings, store_settings
from mpipeline.config.load import model_key
from mpipeline.config.schema import ModelSpec
from mpipeline.errors import ModelUnavailable, Reason
from mpipeline.models.package import ModelPackage, is_engine, open_package
from mpipeline.store.aliases import canonical_id
from mpipeline.store.cache import CachedModel, find
from mpipeline.store.progress import LoggedProgress, Progress

Spec = TypeVar("Spec", bound=ModelSpec)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that is on this machine. `path` is what a config would name: an ONNX file or a package's folder.

    `package` says how it is to be used; `model_id` is None for a path.
    """

    path: Path
    package: ModelPackage
    origin: Literal["path", "cache", "hub"]
    model_id: str | None = None


def resolve(
    model: str | Path,
    *,
    api_key: str | None = None,
    fetch: bool = True,
    progress: Progress | None = None,
    settings: StoreSettings | None = None,
) -> ResolvedModel:
    """The model at a path, or of an id or alias: from the cache, else (with `fetch`) from the hub.

    `api_key` and the cache are those of the environment unless they are given. Raises ModelError for a model that
    cannot be used here, ModelUnavailable if there is none, DownloadError if it cannot be fetched.
    """
    text = str(model)
    if isinstance(model, Path) or model_key(text) != "id":
        path = Path(text).expanduser()
        return ResolvedModel(path, open_package(path), "path")
    chosen = settings if settings is not None else store_settings()
    if api_key is not None:
        chosen = replace(chosen, api_key=api_key.strip())
    model_id = canonical_id(text)
    cached = find(chosen.cache, model_id, *([text] if text != model_id else []))
    if cached is not None:
        return _opened(cached, "cache", model_id)
    _check_may_fetch(model_id, text, chosen, fetch)
    from mpipeline.store.fetch import fetch as fetched  # late: whoever has the model needs no HTTP

    return _opened(fetched(model_id, chosen, progress or LoggedProgress()), "hub", model_id)


def located(spec: Spec, *, fetch: bool = True, progress: Progress | None = None) -> Spec:
    """The config's model with the path of its file instead of an id; what is wrong with it is raised here.

    The keys that the config has set keep going before what the package says.
    """
    if spec.id is not None:
        path = resolve(spec.id, fetch=fetch, progress=progress).path
        given = {key: value for key, value in spec.to_mapping().items() if key != "id"}
        return type(spec).from_mapping({**given, "path": str(path)})
    if spec.path is not None and (os.path.isdir(spec.path) or is_engine(spec.path)):
        open_package(spec.path)
    return spec


def _opened(cached: CachedModel, origin: Literal["cache", "hub"], model_id: str) -> ResolvedModel:
    return ResolvedModel(cached.directory, open_package(cached.directory), origin, model_id)


def _check_may_fetch(model_id: str, text: str, settings: StoreSettings, fetch: bool) -> None:
    name = repr(text) if text == model_id else f"{text!r} ({model_id})"
    missing = f"model {name} is not in the cache {settings.cache}"
    if settings.offline:
        raise ModelUnavailable(
            f"{missing}, and {OFFLINE_MODE} forbids to fetch it; is {MODEL_CACHE_DIR} where it lies?"
        )
    if not fetch:
        raise ModelUnavailable(f"{missing}; fetch it with: mpipeline models pull {text}")
    if not settings.api_key:
        raise ModelUnavailable(
            f"{missing}, and to fetch it an API key is needed: set {API_KEYS[0]}, or give the path of an ONNX file",
            Reason.AUTH_FAILED,
        )
