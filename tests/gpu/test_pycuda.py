"""pycuda itself, on a driver library that works on the processor: contract, kernels, frames, where there is no GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cuda_library import build_driver
from support.plain_kernels import PlainKernels

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("tests", ["test_driver.py", "test_kernels.py", "test_frames.py"])
def test_the_contract_holds_over_pycuda(tests: str, plain_kernels: PlainKernels, tmp_path: Path) -> None:
    """In a process of its own: a library can be loaded once, and this one is no driver for others."""
    found = importlib.util.find_spec("pycuda")
    if found is None or not found.submodule_search_locations:
        pytest.skip("pycuda is not installed here: pip install pycuda, with the CUDA toolkit")
    (extension,) = Path(found.submodule_search_locations[0]).glob("_driver*.so")
    build_driver(tmp_path, extension, plain_kernels.path)
    done = subprocess.run(
        [Path(sys.executable).with_name("pytest"), "-q", "-p", "no:cacheprovider", f"tests/gpu/{tests}", "-k", "real"],
        cwd=ROOT,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no GPU to test on" not in done.stdout
    assert "left on the GPU: 0" in done.stderr
