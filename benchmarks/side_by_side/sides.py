"""The two sides: this environment's package, and the rival in a virtual environment of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report, rivals

RIVAL = "streamvision"
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
    """The rival with this Python; None: with one of its own in the user's cache directory, made if it is not there.

    Raises NotToBeHad.
    """
    return Side(RIVAL, rivals.streamvision(python))


def rival(arguments: argparse.Namespace) -> Side | None:
    """The same by `--rival-python`; None with `--without-rival`, and where it cannot be had, which is told."""
    if arguments.without_rival:
        return None
    try:
        return theirs(arguments.rival_python)
    except rivals.NotToBeHad as error:
        report.progress(f"left out: {RIVAL}: {error}")
        return None
