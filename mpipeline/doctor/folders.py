"""Where runs and models are kept, what dead runs have left, and how to clear that up."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mpipeline.config.environment import run_root, store_settings
from mpipeline.doctor.finding import Finding, Findings, Level
from mpipeline.errors import ConfigError, MpipelineError
from mpipeline.ring.segment import sweep
from mpipeline.transport import run_directory


def folders(subject: str) -> Findings:
    """The run directories, and the cache of models."""
    root = run_root()
    try:
        run_directory.RunDirectory(root, f"doctor.{os.getpid()}").close()
        alive = run_directory.runs(root)
        text = f"{root}, alive: {', '.join(alive) or 'none'}"
        yield Finding(subject, "runs", Level.OK, text)
    except MpipelineError as error:
        yield Finding(subject, "runs", Level.BROKEN, str(error), "MPIPELINE_RUN_ROOT=DIR, a short path of your own")
    try:
        settings = store_settings()
    except ConfigError as error:
        yield Finding(subject, "models", Level.WARNING, str(error), "MODEL_CACHE_DIR=DIR")
        return
    yield _cache(subject, settings.cache)
    key = "an API key is set" if settings.api_key else "no API key is set"
    text = "nothing is fetched (OFFLINE_MODE)" if settings.offline else f"{settings.api_url}, {key}"
    is_ready = bool(settings.api_key) or settings.offline
    remedy = "" if is_ready else "ROBOFLOW_API_KEY=…, to fetch models by id"
    yield Finding(subject, "model hub", Level.OK if is_ready else Level.MISSING, text, remedy)


def clear_up() -> list[str]:
    """Removes what dead runs have left in shared memory and among the run directories; returns the names."""
    return sweep() + run_directory.sweep(run_root())


def _cache(subject: str, cache: Path) -> Finding:
    there = next(path for path in (cache, *cache.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        text = f"{cache} cannot be written: {error.strerror}; nothing is fetched, and each run measures engines anew"
        return Finding(subject, "models", Level.WARNING, text, "MODEL_CACHE_DIR=DIR, a folder of your own")
    volume = os.statvfs(there)
    return Finding(subject, "models", Level.OK, f"{cache}, {volume.f_bavail * volume.f_frsize >> 20} MiB free")
