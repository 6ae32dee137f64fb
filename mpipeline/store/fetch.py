"""Fetches a whole model into the cache: under a lock, into a folder apart, which takes its name when it is complete."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from mpipeline.config.environment import StoreSettings
from mpipeline.errors import DownloadError, ModelError, Reason
from mpipeline.models.architectures import family_of
from mpipeline.models.package import WEIGHTS, read_package
from mpipeline.store.cache import ORIGIN, OWN, CachedModel, find
from mpipeline.store.download import Download, md5_of
from mpipeline.store.faults import disk_fault, shown_address
from mpipeline.store.http import Client
from mpipeline.store.hub import Hub
from mpipeline.store.offers import Offer
from mpipeline.store.patience import Patience
from mpipeline.store.progress import Progress

logger = logging.getLogger("mpipeline.store")

_MARK = ".under-way.json"  # says of which package a fetch is that is under way
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LONGEST_LOCK_S = 3600.0  # a lock ends with its process; so long a slow line may need


def fetch(model_id: str, settings: StoreSettings, progress: Progress, patience: Patience | None = None) -> CachedModel:
    """Fetches the model of that id, unless another process has done so meanwhile.

    What arrives before a failure stays, and the next attempt goes on with it. Raises ModelUnavailable, DownloadError,
    or ModelError for a model that cannot be run here; that is found out before its weights are fetched.
    """
    root = settings.cache / OWN
    client = Client(patience, secrets=(settings.api_key,))
    hub = Hub(client, settings.api_url, settings.api_key)
    address = urlsplit(settings.api_url)
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        text = "%s is asked without encryption: whoever is on the way can read the API key"
        logger.warning(text, shown_address(settings.api_url), extra={"event": "key_in_clear"})
    try:
        with _locked(root / ".locks" / f"{model_id}.lock", model_id):
            if (found := find(settings.cache, model_id)) is not None:
                return found
            _fetch(model_id, hub, client, root, progress)
    except OSError as error:
        raise disk_fault(error, root) from error
    return CachedModel(model_id, root / model_id, "own")


def _fetch(model_id: str, hub: Hub, client: Client, root: Path, progress: Progress) -> None:
    offer = hub.offer(model_id)
    try:
        family_of(offer.architecture, offer.task)
    except ModelError as error:
        raise ModelError(f"model {model_id!r}: {error}") from error
    partial = _begun(root / ".partial" / model_id, offer)
    for name, text in offer.documents.items():
        (partial / name).write_text(text, encoding="utf-8")
    for file in sorted(offer.files, key=lambda file: file.name == WEIGHTS):
        if file.name == WEIGHTS:
            _check_supported(partial, model_id)
        Download(client, file, partial / file.name, progress).run()
    _commit(partial, root / model_id, offer, hub.url)
    fields = {"event": "model_fetched", "model": model_id}
    logger.info("model %s is in %s", model_id, root / model_id, extra=fields)


def _begun(partial: Path, offer: Offer) -> Path:
    """The folder of a fetch that is under way; emptied if it is one of another package."""
    mark = partial / _MARK
    current = json.dumps({"package": offer.package_id, "files": sorted(file.name for file in offer.files)})
    if partial.exists() and not (mark.exists() and mark.read_text() == current):
        shutil.rmtree(partial)
    partial.mkdir(parents=True, exist_ok=True)
    mark.write_text(current)
    return partial


def _check_supported(partial: Path, model_id: str) -> None:
    """Reads the package as far as it is here, so that nobody waits for weights that cannot be used."""
    try:
        read_package(partial, with_weights=False)
    except ModelError as error:
        text = str(error).replace(f"{partial}{os.sep}", "").partition("; to use the model file by itself")[0]
        shutil.rmtree(partial)
        raise ModelError(f"model {model_id!r}: {text}") from error


def _commit(partial: Path, target: Path, offer: Offer, url: str) -> None:
    """Writes down what belongs to the model, and gives the folder its name."""
    names = [*offer.documents, *(file.name for file in offer.files)]
    files = {name: {"bytes": (partial / name).stat().st_size, "md5": md5_of(partial / name)} for name in names}
    origin = {"model_id": offer.model_id, "hub": url, "package_id": offer.package_id, "files": files}
    (partial / ORIGIN).write_text(json.dumps(origin, indent=1), encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():  # damaged, or it would have been found
        shutil.rmtree(target)
    partial.rename(target)
    (target / _MARK).unlink()  # only now: whoever is killed before goes on with what is here


@contextmanager
def _locked(path: Path, model_id: str) -> Iterator[None]:
    """One process at a time fetches a model; the lock goes with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        fields = {"event": "download_waits", "model": model_id}
        logger.info("another process is fetching model %s; waiting for it", model_id, extra=fields)
        try:
            lock.acquire(timeout=_LONGEST_LOCK_S, poll_interval=0.2)
        except Timeout:
            text = f"model {model_id!r}: another process has been fetching it for an hour; it holds {path}"
            raise DownloadError(text, Reason.TIMEOUT) from None
    try:
        yield
    finally:
        lock.release()
