"""Where the real videos and models are, and the mark of tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
DATA = _ROOT / (os.environ.get("MPIPELINE_TEST_DATA") or "../shared/data")
needs_data = [
    pytest.mark.needs_data,
    pytest.mark.skipif(not (DATA / "videos").is_dir(), reason=f"the real videos and models are absent: {DATA}"),
]
