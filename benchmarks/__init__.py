"""Programs that measure, each against a limit or a rival in the same run: `python -m benchmarks.NAME`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Their cameras and videos are those of the tests: `support.*`. The package that is measured is the installed one, as
# there: the source tree, which `python -m` puts first, may lack the compiled module.
sys.path[:] = [str(ROOT / "tests"), *(path for path in sys.path if path not in ("", str(ROOT))), str(ROOT)]
