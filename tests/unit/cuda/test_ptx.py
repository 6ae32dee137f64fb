"""The shipped kernels: made of the source that lies beside them, for every architecture, and in the package."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from mpipeline.cuda.kernels import shipped_ptx

ROOT = Path(__file__).resolve().parents[3]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_ptx", ROOT / "native" / "cuda" / "build_ptx.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = _script()


def test_the_package_has_the_code_and_any_driver_since_cuda_10_takes_it() -> None:
    ptx = shipped_ptx().decode("ascii")
    assert shipped_ptx() == BUILD.SHIPPED.read_bytes()
    assert re.search(r"^\.version 6\.3\n\.target sm_75\n", ptx, re.MULTILINE)
    kernels = set(re.findall(r"\.entry (\w+)\(", ptx))
    assert kernels == set(
        re.findall(r"^void (?!order)(\w+)\(Grid", (ROOT / "native/cuda/kernels.hpp").read_text(), re.M)
    )


def test_no_multiplication_is_fused_with_an_addition() -> None:
    """In preprocessing, whose numbers are those of the processor; exponentials of the library are made of them."""
    kernels = shipped_ptx().decode("ascii").split(".entry ")[1:]
    bodies = {kernel.split("(")[0]: kernel for kernel in kernels}
    for name in (*(name for name in bodies if name.startswith("preprocess_")), "detect_suppress"):
        assert not re.search(r"\bfma\.", bodies[name])
        assert not re.search(r"\b(mul|add|sub)\.f(32|64)\b", bodies[name])  # without .rn the assembler may fuse them


def test_it_is_made_of_the_source() -> None:
    nvcc = BUILD.tool("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed: pip install nvidia-cuda-nvcc")
    made, shipped = BUILD.compiled(nvcc), BUILD.SHIPPED.read_text(encoding="ascii")
    here, there = BUILD.made_with(made), BUILD.made_with(shipped)
    if here != there:
        pytest.skip(f"the file was made by CUDA {there}, here is {here}")
    assert made == shipped


@pytest.mark.parametrize("architecture", BUILD.ARCHITECTURES)
def test_every_architecture_takes_it_without_spilling_registers(architecture: int) -> None:
    ptxas = BUILD.tool("ptxas")
    if ptxas is None:
        pytest.skip("ptxas is not installed: pip install nvidia-cuda-nvcc")
    assert len(BUILD.assembled(ptxas, BUILD.SHIPPED, architecture)) == shipped_ptx().count(b".entry ")
