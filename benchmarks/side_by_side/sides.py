"""The two sides: this environment's package, and the rival in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

RIVAL = "streamvision"
RIVAL_VERSION = "0.1.4"
_ASKED = ("numpy", "onnxruntime", "opencv-python", "opencv-python-headless", "av")


@dataclass(frozen=True)
class Side:
    """A package, and the Python that has it."""

    name: str
    python: Path

    def versions(self) -> dict[str, str]:
        """The versions of the package and of what counts for its speed; what is not there is left out."""
        program = (
            "import json, sys; from importlib import metadata; found = {}\n"
            "for name in sys.argv[1:]:\n"
            "    try: found[name] = metadata.version(name)\n"
            "    except metadata.PackageNotFoundError: pass\n"
            "print(json.dumps(found))"
        )
        command = [str(self.python), "-c", program, self.name, *_ASKED]
        found: dict[str, str] = json.loads(subprocess.run(command, check=True, capture_output=True, cwd="/").stdout)
        return found


def ours() -> Side:
    """The installed package, in the Python that runs this."""
    return Side("mpipeline", Path(sys.executable))


def theirs(python: Path | None) -> Side:
    """The rival with this Python; None: with one of its own in the user's cache directory, made if it is not there."""
    return Side(RIVAL, python if python is not None else _environment())


def _environment() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mpipeline-benchmarks"
    runtime = version("onnxruntime")
    folder = cache / f"{RIVAL}-{RIVAL_VERSION}-onnxruntime-{runtime}-{sys.implementation.cache_tag}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"installing {RIVAL} {RIVAL_VERSION} into {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        packages = [f"{RIVAL}=={RIVAL_VERSION}", f"onnxruntime=={runtime}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        complete.touch()
    return python
