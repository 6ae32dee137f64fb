"""Programs that measure, each against a limit or a rival in the same run: `python -m benchmarks.NAME`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # their cameras and videos are those of the tests: `support.*`
