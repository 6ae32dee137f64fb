"""What TensorRT-RTX compiles when an engine is loaded is kept for the next run, and is never what a run fails for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.onnx_models import mean_of_image
from support.tensorrt_engines import Lab, lab_in, mean_of_images

from mpipeline.backends import kept, tensorrt_plan
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.supply import Engine

CASE = {"model": "one"}
OF_ONE, OF_TWO = (np.full((rows, 3, 8, 8), 5, np.float32) for rows in (1, 2))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """With TensorRT-RTX, and an engine that was built by an earlier run."""
    with lab_in(tmp_path) as made:
        made.trt.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")  # type: ignore[attr-defined]
        plan = made.engine(mean_of_images((1, 8))).read_bytes()
        mean_of_image(tmp_path / "m.onnx")

        def engine_for(request: Request, folder: Path, tell: Any, *, fresh: bool) -> Engine:
            return Engine(plan, {}, {"case": CASE}, folder / "one.engine")

        monkeypatch.setattr(tensorrt_plan, "engine_for", engine_for)
        yield made


def compiled_in_a_run(lab: Lab, *batches: np.ndarray, streams: int = 1) -> int:
    """How often something was compiled in a run that infers these batches."""
    before = lab.trt.compiled
    backend = lab.backend(lab.folder / "m.onnx", cache=lab.folder / "cache", streams=streams)
    backend.open()
    for batch in batches:
        assert set(backend.run({"images": batch})["mean"].ravel()) == {5}
    backend.close()
    return lab.trt.compiled - before


def file_in(lab: Lab) -> Path:
    return lab.folder / "cache" / "engines" / "one.kernels"


def test_it_is_compiled_once(lab: Lab) -> None:
    assert compiled_in_a_run(lab, OF_ONE, streams=3) == 2  # when it is loaded, and for the first batch
    assert compiled_in_a_run(lab, OF_ONE) == 0
    assert compiled_in_a_run(lab, OF_ONE, OF_TWO) == 1
    written = file_in(lab).stat().st_ino
    assert compiled_in_a_run(lab, OF_ONE, OF_TWO) == 0
    assert file_in(lab).stat().st_ino == written  # nothing new, nothing written


def test_a_run_that_is_killed_leaves_what_was_compiled_when_it_was_loaded(lab: Lab) -> None:
    backend = lab.backend(lab.folder / "m.onnx", cache=lab.folder / "cache")
    backend.open()
    assert kept.read(file_in(lab)) == ({"case": CASE}, b"all")
    backend.close()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def of_another_engine(path: Path) -> None:
    kept.write(path, {"case": {"model": "another"}}, b"all")


@pytest.mark.parametrize("damage", [cut, one_bit, of_another_engine])
def test_what_is_of_no_use_is_compiled_anew_and_replaced(lab: Lab, damage: Callable[[Path], None]) -> None:
    compiled_in_a_run(lab, OF_ONE)
    damage(file_in(lab))
    assert compiled_in_a_run(lab, OF_ONE) == 2
    assert compiled_in_a_run(lab, OF_ONE) == 0


def test_the_library_may_refuse_what_is_of_another_driver(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    compiled_in_a_run(lab, OF_ONE)
    lab.trt.refuses = {"deserialize"}
    with caplog.at_level(logging.INFO, "mpipeline"):
        assert compiled_in_a_run(lab, OF_ONE) == 2
    assert "compiled anew: deserialize refuses" in caplog.text
    lab.trt.refuses = set()
    assert compiled_in_a_run(lab, OF_ONE) == 0


@pytest.mark.parametrize("refuses", ["create_runtime_cache", "serialize"])
def test_a_library_that_keeps_nothing(lab: Lab, refuses: str) -> None:
    lab.trt.refuses = {refuses}
    compiled_in_a_run(lab, OF_ONE, OF_TWO)
    assert not file_in(lab).exists()


def test_a_folder_that_cannot_be_written(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    (lab.folder / "cache").touch()
    assert compiled_in_a_run(lab, OF_ONE) == 2
    assert "is not kept, so the next start compiles it again" in caplog.text


def test_tensorrt_has_nothing_to_keep(lab: Lab) -> None:
    del lab.trt.CudaGraphStrategy  # type: ignore[attr-defined]
    compiled_in_a_run(lab, OF_ONE)
    assert not file_in(lab).exists()
