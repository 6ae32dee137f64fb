"""An engine is built once, kept, found again where it fits, and built anew where it does not."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import StandIn
from support.onnx_models import detector

from mpipeline.backends.engines.engine_file import Request, everything
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.supply import Engine, engine_for
from mpipeline.cuda.driver import DeviceFacts
from mpipeline.errors import BackendError, ModelError

GPU = DeviceFacts(0, "NVIDIA L4", (8, 9), False, 24 << 30, (12, 6))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path / "library", monkeypatch)
    made.builds_here()
    return made


@pytest.fixture
def request_(library: StandIn, tmp_path: Path) -> Request:
    return Request(
        detector(tmp_path / "m.onnx", np.ones((2, 6)), batch="N"), Recipe(batch=(1, 4, 8)), library.library, GPU
    )


def same(one: Engine, other: Engine) -> bool:
    return one.plan == other.plan and one.metadata == other.metadata and one.told["case"] == other.told["case"]


def test_it_is_built_once_and_its_file_says_what_it_is(library: StandIn, request_: Request, tmp_path: Path) -> None:
    told: list[str] = []
    first = engine_for(request_, tmp_path / "cache", told.append)
    assert first.built
    assert "building engine of m.onnx: building, 50 %, 0 s so far" in told
    second = engine_for(request_, tmp_path / "cache")
    assert not second.built
    assert same(first, second)
    assert len(library.builds()) == 1
    assert second.path is not None
    case = json.loads(second.path.read_bytes().splitlines()[1])["case"]
    assert case["gpu"] == {"name": "NVIDIA L4", "capability": [8, 9], "driver": [12, 6]}
    assert case["library"] == ["tensorrt_rtx", "1.2.3"]
    assert case["recipe"]["batch"] == [1, 4, 8]


@pytest.mark.parametrize(
    "change",
    [
        {"gpu": replace(GPU, name="NVIDIA T4")},
        {"gpu": replace(GPU, compute_capability=(8, 6))},
        {"gpu": replace(GPU, driver_version=(13, 0))},
        {"gpu": None},
        {"recipe": Recipe()},
        {"recipe": Recipe("float16", (1, 4, 8))},
        {"recipe": Recipe(batch=(1, 4, 8), workspace=1 << 30)},
        {"recipe": Recipe(batch=(1, 4, 8), tf32=False)},
    ],
)
def test_what_it_depends_on(change: dict[str, Any], library: StandIn, request_: Request, tmp_path: Path) -> None:
    engine_for(request_, tmp_path / "cache")
    assert engine_for(replace(request_, **change), tmp_path / "cache").built
    assert not engine_for(request_, tmp_path / "cache").built  # the other one is still there
    assert len(library.builds()) == 2


def test_another_model_and_another_version(
    library: StandIn, request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_for(request_, tmp_path / "cache")
    detector(request_.model, np.zeros((2, 6)), batch="N")
    assert engine_for(request_, tmp_path / "cache").built
    monkeypatch.setattr(library.module, "__version__", "1.3.0")
    assert engine_for(request_, tmp_path / "cache").built


@pytest.mark.parametrize("where", ["another GPU", "another version"])
def test_an_engine_from_another_machine_under_the_right_name_is_not_taken(
    where: str,
    library: StandIn,
    request_: Request,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mine = engine_for(request_, tmp_path / "cache")
    with monkeypatch.context() as patch:
        there = replace(request_, gpu=replace(GPU, name="NVIDIA T4")) if where == "another GPU" else request_
        if where == "another version":
            patch.setattr(library.module, "__version__", "1.1.0")
        other = engine_for(there, tmp_path / "there")
    assert mine.path is not None
    assert other.path is not None
    shutil.copyfile(other.path, mine.path)
    with caplog.at_level(logging.WARNING):
        found = engine_for(request_, tmp_path / "cache")
    assert found.built
    assert same(found, mine)
    assert "is damaged, or of another machine: it is built anew" in caplog.text
    assert not engine_for(request_, tmp_path / "cache").built


@pytest.mark.parametrize("where", [0.0, 0.001, 0.5, 0.9999])
def test_one_bit_or_one_byte_less_is_enough_to_build_anew(where: float, request_: Request, tmp_path: Path) -> None:
    mine = engine_for(request_, tmp_path / "cache")
    assert mine.path is not None
    content = bytearray(mine.path.read_bytes())
    content[int(where * len(content))] ^= 0x10
    whole = mine.path.read_bytes()
    for damaged in (bytes(content), whole[: int(where * len(whole))]):
        mine.path.write_bytes(damaged)
        found = engine_for(request_, tmp_path / "cache")
        assert found.built
        assert same(found, mine)
        assert mine.path.read_bytes().splitlines()[2:] == whole.splitlines()[2:]


def test_one_that_the_library_refuses_is_built_anew(library: StandIn, request_: Request, tmp_path: Path) -> None:
    engine_for(request_, tmp_path / "cache")
    assert engine_for(request_, tmp_path / "cache", fresh=True).built
    assert len(library.builds()) == 2


def test_what_one_build_has_learnt_is_given_to_the_next(request_: Request, tmp_path: Path) -> None:
    from mpipeline.backends.engines.engine_file import LearntFile

    engine_for(request_, tmp_path / "cache")
    engine_for(replace(request_, recipe=Recipe()), tmp_path / "cache")
    timings = LearntFile.of_builds(tmp_path / "cache", request_.surroundings())
    assert timings.load() == b"learnt learnt "
    engine_for(replace(request_, gpu=None), tmp_path / "cache")
    assert timings.load() == b"learnt learnt "


def test_the_librarys_reason_is_told(library: StandIn, request_: Request, tmp_path: Path) -> None:
    library.say("refuse", "no kernel fits")
    with pytest.raises(ModelError, match=r"m\.onnx: TensorRT-RTX 1\.2\.3 makes no engine of it: no kernel fits"):
        engine_for(request_, tmp_path / "cache")
    assert not everything(tmp_path / "cache")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_cannot_be_kept_is_used_all_the_same(
    code: int,
    request_: Request,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        built = engine_for(request_, tmp_path / "cache")
    assert built.built
    assert built.path is None
    assert f"is not kept, so the next start builds it again: [Errno {code}]" in caplog.text
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    assert same(engine_for(request_, tmp_path / "cache"), built)


def test_a_folder_that_cannot_be(request_: Request, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert engine_for(request_, tmp_path / "file" / "cache").built
    assert "engines cannot be kept" in caplog.text
    assert engine_for(request_, None).path is None


def test_tensorrt_itself_needs_a_gpu(request_: Request, tmp_path: Path) -> None:
    library = replace(request_.library, flavour="tensorrt")
    with pytest.raises(BackendError, match="TensorRT builds engines on the GPU that they are for: none was named"):
        engine_for(replace(request_, library=library, gpu=None), tmp_path / "cache")


def test_a_gpu_that_tensorrt_rtx_does_not_support(request_: Request, tmp_path: Path) -> None:
    hopper = replace(GPU, name="NVIDIA H200", compute_capability=(9, 0))
    with pytest.raises(BackendError, match=r"does not support GPUs of compute capability 9\.0: use TensorRT"):
        engine_for(replace(request_, gpu=hopper), tmp_path / "cache")
