"""`mpipeline engine`: what it builds, prints and removes, and what it says to nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engine_cases import eight_bit
from support.engines import StandIn
from support.onnx_models import detector, mean_of_image
from support.pages import block, marks

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.engines.library import load_library
from mpipeline.backends.tensorrt_plan import plan_of
from mpipeline.cli import main
from mpipeline.config import BatchingSpec
from mpipeline.demo import MODEL_PATH

PAGE = "docs/engines.md"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "backends" / "engines"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> StandIn:
    made = StandIn(tmp_path / "library", monkeypatch)
    made.builds_here()
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return detector(tmp_path / "people.onnx", np.ones((2, 6)), batch="N")


def engine(*arguments: str) -> int:
    return main(["engine", *arguments])


def built(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert engine("build", *arguments, "--library", "tensorrt_rtx", "--device", "none", "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_it_is_built_once(library: StandIn, cache: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = built(capsys, str(model), "--precision", "fp16", "--batch", "1,8,16", "--workspace", "512")
    recipe = first["told"]["case"]["recipe"]
    assert (recipe["precision"], recipe["batch"], recipe["workspace"]) == ("float16", [1, 8, 16], 512 << 20)
    assert Path(first["path"]).parent == cache
    again = built(capsys, str(model), "--precision", "float16", "--batch", "1,8,16", "--workspace", "512")
    assert (first["built"], again["built"]) == (True, False)
    assert built(capsys, str(model), "--precision", "fp16", "--batch", "1,8,16", "--workspace", "512", "--force")[
        "built"
    ]
    assert len(library.builds()) == 2


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_run_takes_what_was_built_beforehand(
    precision: str, library: StandIn, cache: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the batches that a config has where it says nothing of them; an 8-bit model has no precision in a config."""
    path = eight_bit(MODEL_PATH, Path("people.int8.onnx")) if precision == "int8" else model
    told = built(capsys, str(path), "--precision", precision)
    options = BackendOptions(
        str(path),
        precision="float16" if precision == "float16" else "float32",
        cache=cache.parent,
        batch=BatchingSpec().max_size,
    )
    plan = plan_of(load_library("tensorrt_rtx"), options, None)  # type: ignore[arg-type]
    assert (plan.is_kept, plan.precision) == (True, precision)
    assert plan.content in Path(told["path"]).read_bytes()
    assert len(library.builds()) == 1


def test_the_words_for_people(library: StandIn, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("build", str(model), "--batch", "8", "--out", "bare.engine") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("people.onnx: built in ")
    assert told[0].endswith(", float32, 0.2 MiB, TensorRT-RTX 1.2.3")
    assert told[1] == "  input   images ?x3x64x64 float"
    assert Path("bare.engine").stat().st_size > 100_000
    assert engine("list") == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[:4] == ["engine", "model", "precision", "batch"]
    assert row.split()[1:5] == ["people.onnx", "float32", "1,8,8", "tensorrt_rtx"]
    assert row.split()[-1] == "yes"
    assert engine("inspect", row.split()[0]) == 0
    assert ["batch", "[1,", "8,", "8]"] in [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--batch", "many"], "--batch: expected numbers with x between"),
        (["--batch", "1,2"], "--batch 1,2: expected a number, or three as in 1,8,16"),
        (["--batch", "8,4,1"], "batch (8, 4, 1): expected three numbers from 1 on"),
        (["--batch", "0"], "batch (1, 0, 0): expected three numbers from 1 on"),
        (["--size", "1x2x3"], "--size 1x2x3: expected 640, 640x480, or three of them"),
        (["--shape", "images"], "--shape"),
        (["--shape", "images=1x3,2x3"], "expected NAME=SHAPE or NAME=MIN,USUAL,MAX"),
        (["--shape", "pictures=1x3x64x64"], "there is no input 'pictures': the inputs are images"),
        (["--precision", "half"], "precision 'half': expected one of float32, float16, int8"),
        (["--precision", "int8"], "has no 8-bit scales"),
        (["--level", "9"], "level 9: expected 0 to 5"),
        (["--workspace", "0"], "workspace 0: expected a number of bytes from 1 on"),
        (["--device", "tpu"], "--device tpu: expected cuda, cuda:1 and so on, or none"),
        (["--out", "nowhere/x.engine"], "expected a file in a folder that exists"),
        (["--out", "/dev/full", "--device", "none"], "--out /dev/full: cannot be written: No space left on device"),
    ],
)
def test_nonsense_is_told(
    arguments: list[str], told: str, library: StandIn, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert engine("build", str(model), "--library", "tensorrt_rtx", *arguments) == 78
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"no model at all"])
def test_what_is_no_model(
    content: bytes | None, library: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    assert engine("build", str(path)) == 78
    assert "m.onnx: " in capsys.readouterr().err


def test_a_library_that_is_absent_or_does_not_load(
    cache: Path, model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert engine("build", str(model), "--library", "tensorrt") == 78
    assert (
        "an engine needs TensorRT, which is not installed: pip install 'mpipeline[tensorrt]'" in capsys.readouterr().err
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tensorrt.py").write_text("raise OSError('libnvdla_compiler.so: cannot open shared object')")
    monkeypatch.delitem(sys.modules, "tensorrt")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    assert engine("build", str(model), "--library", "tensorrt") == 1
    assert "TensorRT is installed, but does not load: libnvdla_compiler.so" in capsys.readouterr().err


def test_clean_removes_what_is_of_no_use(
    library: StandIn, cache: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Path(built(capsys, str(model))["path"])
    damaged = Path(built(capsys, str(model), "--batch", "2")["path"])
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with monkeypatch.context() as patch:
        patch.setattr(library.module, "__version__", "1.1.0")
        old = Path(built(capsys, str(model))["path"])
        for_later = Path(built(capsys, str(model), "--version-compatible")["path"])
    (cache / f"{good.stem}.4194305").write_bytes(b"half")  # more than a process id can be
    for stem in (good.stem, old.stem, "gone"):
        (cache / f"{stem}.kernels").write_bytes(b"compiled")
    assert engine("list", "--json") == 0
    rows = {row["engine"]: row["stale"] for row in json.loads(capsys.readouterr().out)}
    of_use = {good.stem: "", for_later.stem: ""}
    assert rows == {**of_use, damaged.stem: "damaged", old.stem: "of tensorrt_rtx 1.1.0"}
    assert engine("inspect", str(damaged)) == 78
    capsys.readouterr()
    assert engine("clean", "--dry-run") == 0
    assert "5 files, " in capsys.readouterr().out
    assert damaged.exists()
    assert engine("clean") == 0
    assert {path.stem for path in cache.glob("*.engine")} == of_use.keys()
    assert not list(cache.glob("*.4194305"))
    assert [path.stem for path in cache.glob("*.kernels")] == [good.stem]
    assert engine("clean", "--all") == 0
    assert not list(cache.iterdir())
    capsys.readouterr()
    assert engine("list") == 0
    assert "there are no engines in" in capsys.readouterr().out


def test_an_engine_that_is_not_there(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert engine("inspect", "abc") == 78
    assert "there is no engine 'abc'" in capsys.readouterr().err


def test_every_block_of_the_page_is_tried() -> None:
    assert marks(PAGE) == [f"command: {name}" for name in ("build", "quantize", "int8", "open", "look")]


@pytest.mark.parametrize("name", ["build", "int8", "open", "look"])
def test_the_pages_commands(name: str, library: StandIn, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`quantize` is tried where that command is."""
    mean_of_image(Path("open.onnx"))
    eight_bit(MODEL_PATH, Path("people.int8.onnx"))
    for line in block(PAGE, f"command: {name}").splitlines():
        assert main(line.split()[1:]) == 0, capsys.readouterr().err
