"""`mpipeline run` with TensorRT: real processes, rings, pycuda and kernels, on a driver that works on the processor."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cuda_library import build_driver
from support.plain_kernels import PlainKernels
from support.runs import by_source

from mpipeline.demo import MODEL_PATH

TESTS = Path(__file__).resolve().parents[1]
FRAMES = 60


@pytest.fixture
def surroundings(plain_kernels: PlainKernels, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with that GPU."""
    found = importlib.util.find_spec("pycuda")
    if found is None or not found.submodule_search_locations:
        pytest.skip("pycuda is not installed here: pip install pycuda, with the CUDA toolkit")
    (extension,) = Path(found.submodule_search_locations[0]).glob("_driver*.so")
    build_driver(tmp_path, extension, plain_kernels.path)
    (tmp_path / "said").mkdir()
    return {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "PYTHONPATH": f"{TESTS / 'support' / 'whole_library'}:{TESTS}",
        "STAND_IN_LIBRARY": str(tmp_path / "said"),
        "MODEL_CACHE_DIR": str(tmp_path / "cache"),
    }


def run(folder: Path, surroundings: dict[str, str], **model: Any) -> tuple[dict[str, list[Any]], str]:
    """What was found, by source, and what was said."""
    folder.mkdir()
    sources = [
        {"name": f"s{i}", "kind": "synthetic", "width": 320 + 32 * i, "height": 240, "count": FRAMES, "seed": i}
        for i in range(3)
    ]
    config = {
        "sources": sources,
        "model": {"path": str(MODEL_PATH), **model},
        "batching": {"max_size": 4},
        "sinks": [{"kind": "jsonl", "path": "out.jsonl"}],
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    command = [Path(sys.executable).with_name("mpipeline"), "run", "run.yaml", "--json"]
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return by_source(folder / "out.jsonl"), done.stdout + done.stderr


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"], ids=["integrated", "apart"])
def test_what_is_found_is_what_the_processor_finds(tmp_path: Path, surroundings: dict[str, str], device: str) -> None:
    ours, said = run(tmp_path / "gpu", surroundings, backend="tensorrt", device=device)
    theirs, _ = run(tmp_path / "processor", surroundings, backend="onnxruntime", device="cpu")
    assert [len(lines) for lines in ours.values()] == [FRAMES] * 3
    assert ours == theirs
    assert said.count("is page-locked") == 3
    assert "ring_pageable" not in said
    assert "Frames become the model's input on the GPU." in said
    assert "left on the GPU: 0" in said
