"""Makes `results/*.npz` anew. To be run where the libraries are, in an environment of its own:

python -m venv /tmp/libraries
/tmp/libraries/bin/pip install torch torchvision onnx onnxruntime onnxscript transformers ultralytics rfdetr
PYTHONPATH=tests /tmp/libraries/bin/python -m support.libraries [NAME ...]

Nothing is fetched besides: all weights are random. Each file is made of a small model with a fixed seed, exported to
ONNX, run by ONNX Runtime, and read by the library's own code.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from support.libraries import of_rfdetr, of_transformers, of_ultralytics
from support.libraries.kept import FOLDER, Results

CASES: dict[str, Callable[[Path], Results]] = {**of_ultralytics.CASES, **of_transformers.CASES, **of_rfdetr.CASES}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m support.libraries", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all unless some are named: {', '.join(CASES)}")
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            results = CASES[name](Path(folder))
        path = results.save(name)
        count = sum(len(picture.found.score) for picture in results.pictures)
        print(
            f"{name}: {results.library}, {count} found in {len(results.pictures)} pictures, {path.stat().st_size} bytes"
        )


if __name__ == "__main__":
    main()
