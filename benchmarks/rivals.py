"""Environments of the rivals: each package in a virtual environment of its own, in the user's cache directory."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def environment(name: str, packages: list[str], more: list[str] | None = None) -> Path:
    """The Python of an environment with these packages (requirements of pip); made if it is not there.

    `more` are further arguments of pip. ONNX Runtime is the version that is installed here, so that engines are equal.
    """
    runtime = version("onnxruntime")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpipeline-benchmarks"
    folder = cache / f"{name}-onnxruntime-{runtime}-{sys.implementation.cache_tag}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", f"onnxruntime=={runtime}", *packages, *(more or [])]
        subprocess.run(pip, check=True)
        complete.touch()
    return python


def streamvision(python: Path | None = None) -> Path:
    """The Python that has the original of `InferencePipeline`; `python` if one is given."""
    return python if python is not None else environment("streamvision-0.1.4", ["streamvision==0.1.4"])
