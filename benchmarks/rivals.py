"""Environments of the rivals: each package in a virtual environment of its own, in the user's cache directory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


class NotToBeHad(Exception):
    """A rival cannot be installed here; its text says why. The benchmark goes on without it."""


def environment(name: str, packages: list[str], alone: Sequence[str] = ()) -> Path:
    """The Python of an environment with these packages (requirements of pip); made if it is not there.

    Those of `alone` are installed without what they ask for. ONNX Runtime is the version that is installed here, so
    that engines are equal. Raises NotToBeHad.
    """
    runtime = version("onnxruntime")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpipeline-benchmarks"
    folder = cache / f"{name}-onnxruntime-{runtime}-{sys.implementation.cache_tag}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"installing {', '.join([*packages, *alone])} into {folder}", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", f"onnxruntime=={runtime}", *packages])
        if alone:
            _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *alone])
        complete.touch()
    return python


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        told = (result.stderr or result.stdout).strip().splitlines() or ["no reason given"]
        raise NotToBeHad(f"{' '.join(command[-3:])} failed: {told[-1]}")


def streamvision(python: Path | None = None) -> Path:
    """The Python that has the original of `InferencePipeline`; `python` if one is given."""
    return python if python is not None else environment("streamvision-0.1.4", ["streamvision==0.1.4"])


def ultralytics(python: Path | None = None) -> Path:
    """The Python that has Ultralytics; `python` if one is given. Raises NotToBeHad.

    Ultralytics asks for torchvision, and PyPI's torchvision for the CUDA build of torch, several gigabytes; neither is
    needed here, so both are installed alone. Where pip knows of a CPU build of torch, by its configuration or
    `PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`, it takes that.
    """
    if python is not None:
        return python
    light = (
        "numpy",
        "pillow",
        "pyyaml",
        "requests",
        "psutil",
        "polars",
        "matplotlib",
        "opencv-python-headless",
        "onnx",
    )
    own = ("ultralytics-thop", "ultralytics-platform")
    alone = ("torchvision==0.28.0", "ultralytics==8.4.190")
    return environment("ultralytics-8.4.190", ["torch==2.13.0", *light, *own], alone)
