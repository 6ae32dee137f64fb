"""Where and with what is measured: the machine, versions, and the videos and models of the test data."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from benchmarks import ROOT

DATA = Path(os.environ.get("MPIPELINE_TEST_DATA", ROOT.parent / "shared" / "data"))
_ASKED = ("numpy", "onnxruntime", "openvino", "opencv-python-headless", "av", "pyzmq")


def about(**more: Any) -> dict[str, Any]:
    """The machine, this environment's versions, and what else the program wants to tell."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": versions(("mpipeline", *_ASKED)),
        **more,
    }


def sentence(found: Mapping[str, Any]) -> str:
    """What `about` has found, to be read."""
    known = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['cpus']} cores ({found['processor']}), {found['memory_gib']} GiB, Linux {found['kernel']}, "
        f"Python {found['python']}; {known}."
    )


def versions(names: Sequence[str]) -> dict[str, str]:
    """The installed versions; what is not there is left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def busy_s() -> float:
    """Processor time of everything since the machine was started, all cores together."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def model(name: str) -> Path | None:
    """A model file of the test data, None if it is not there."""
    path = DATA / "models" / name
    return path if path.exists() else None


def recorded(name: str) -> Path | None:
    """A video of the test data by its path below `videos/`, None if it is not there."""
    path = DATA / "videos" / name
    return path if path.exists() else None
