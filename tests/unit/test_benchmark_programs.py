"""Every program of benchmarks/ starts and tells how it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [*(ROOT / "benchmarks").glob("[a-z]*.py"), *(ROOT / "benchmarks").glob("*/__main__.py")]
PROGRAMS = [
    path.parent.name if path.stem == "__main__" else path.stem
    for path in FILES
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_it_tells_its_options(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("usage:")
