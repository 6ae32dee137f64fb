"""The benchmark of a GPU, where there is none: all of it on the simulated one, and what it says without that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.pages import ROOT

from mpipeline.demo import MODEL_PATH


def gpu(*options: object) -> subprocess.CompletedProcess[str]:
    """The program on a machine that has no GPU to show."""
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, options)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_part_runs_on_the_simulated_gpu(tmp_path: Path) -> None:
    told = tmp_path / "gpu.json"
    done = gpu("--simulated", "--model", MODEL_PATH, "--repetitions", 1, "--sources", 1, "--json", told)
    assert done.returncode == 0, done.stderr
    assert "the figures mean nothing" in done.stdout
    found = json.loads(told.read_text(encoding="utf-8"))
    assert list(found["data"]) == ["copies", "preprocessing", "detection", "engine", "pipeline"]
    assert len(found["tables"]) == 7
    assert len(found["charts"]) == 3
    ((copies,), (speeds,)) = found["data"]["copies"], found["data"]["pipeline"]
    assert all(figures["GB/s"] > 0 for figures in copies.values())
    assert copies["the whole ring registered"]["register, ms"] > 0
    assert speeds["mpipeline run, 1 sources"]["frames_per_s"] > 0


def test_a_part_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("no model")
    done = gpu("--simulated", "--parts", "detection,engine", "--repetitions", 1, "--model", tmp_path / "model.onnx")
    assert done.returncode == 0, done.stderr
    assert "### Boxes of an output" in done.stdout
    assert "| engine | " in done.stdout.partition("### Left out")[2]


def test_without_a_gpu_it_says_what_is_missing_and_what_helps() -> None:
    done = gpu()
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no NVIDIA driver" in done.stderr or "sees no GPU" in done.stderr
    assert "give --simulated" in done.stderr
    assert "Traceback" not in done.stderr
