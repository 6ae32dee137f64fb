"""Random SIGKILLs of a ring's writer and readers: no torn frame, no lost frame, no leaked slot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FRAMES = int(os.environ.get("MPIPELINE_CHAOS_FRAMES", "10000"))
TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("mode", ["wait", "reuse"])
def test_ring_survives_kills(mode: str) -> None:
    command = [sys.executable, "-m", "support.ring_chaos", str(FRAMES), mode]
    result = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.rstrip().endswith("no fault")
