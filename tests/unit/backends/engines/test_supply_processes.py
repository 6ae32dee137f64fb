"""Engines and several processes: built once, a dead holder blocks nobody, a full disk leaves nothing wrong."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import StandIn
from support.leftovers import wait_until
from support.namespaces import MountSpace
from support.onnx_models import detector

from mpipeline.backends.engines import pulse
from mpipeline.backends.engines.apart import build_apart
from mpipeline.backends.engines.engine_file import Request
from mpipeline.backends.engines.errand import Errand
from mpipeline.backends.engines.names import TENSORRT_RTX
from mpipeline.backends.engines.recipe import Recipe
from mpipeline.backends.engines.supply import engine_for
from mpipeline.errors import BackendError, ModelError


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(tmp_path / "library", monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return detector(tmp_path / "m.onnx", np.ones((2, 6)), batch="N")


@pytest.fixture
def request_(library: StandIn, model: Path) -> Request:
    return Request(model, Recipe(), library.library, None)


def told(program: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """What it prints, and its log."""
    out, log = program.communicate(timeout=60)
    assert program.returncode == 0, log
    return json.loads(out), log


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_two_at_once_build_once(library: StandIn, model: Path, tmp_path: Path) -> None:
    library.say("hold")
    first = library.program(model, tmp_path / "cache")
    library.wait_for_builds(1)
    second = library.program(model, tmp_path / "cache")
    assert second.stderr is not None
    assert second.stderr.readline().startswith("waits")
    library.unsay("hold")
    one, other = told(first)[0], told(second)[0]
    assert (one["built"], other["built"]) == (True, False)
    assert one["digest"] == other["digest"]
    assert len(library.builds()) == 1


def test_a_killed_build_blocks_nobody_and_leaves_nothing(library: StandIn, model: Path, tmp_path: Path) -> None:
    library.say("hold")
    first = library.program(model, tmp_path / "cache")
    library.wait_for_builds(1)
    second = library.program(model, tmp_path / "cache")
    assert second.stderr is not None
    assert second.stderr.readline().startswith("waits")
    first.kill()
    first.communicate()
    library.wait_for_builds(2)  # the second has the lock
    library.unsay("hold")
    assert told(second)[0]["built"]
    library.wait_for_the_end_of_builds()
    assert files(tmp_path / "cache") == [".engine", ".lock", ".timings"]


def test_the_process_that_builds_is_killed(library: StandIn, model: Path, tmp_path: Path) -> None:
    """The kernel does that, when memory is short."""
    library.say("hold")
    program = library.program(model, tmp_path / "cache")
    library.wait_for_builds(1)
    subprocess.run(["kill", "-KILL", str(library.builds()[0])], check=True)
    _, log = program.communicate(timeout=60)
    assert program.returncode != 0
    assert "was killed by SIGKILL, which is a fault in the library, or too little memory" in log
    assert files(tmp_path / "cache") == [".lock"]


def test_a_full_disk_costs_the_next_build_and_nothing_else(library: StandIn, model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with MountSpace({cache: "size=128k"}) as space:
        one, log = told(library.program(model, cache, space.command(tmp_path)))
        assert one == {"built": True, "kept": False, "digest": one["digest"]}
        assert "engine_not_kept" in log
        assert "No space left on device" in log
        inside = space.path(cache)
        wait_until(lambda: files(inside) == [".lock"], "a folder without half files", lambda: str(files(inside)))
        space.remount(cache, "size=4m")
        other, _ = told(library.program(model, cache, space.command(tmp_path)))
        assert other == {**one, "kept": True}
        assert not told(library.program(model, cache, space.command(tmp_path)))[0]["built"]


def test_a_crash_of_the_library_is_an_error(library: StandIn, request_: Request, tmp_path: Path) -> None:
    library.say("crash")
    with pytest.raises(BackendError, match=r"m\.onnx: the process that built the engine was killed by SIGSEGV"):
        engine_for(request_, tmp_path / "cache")
    library.unsay("crash")
    assert engine_for(request_, tmp_path / "cache").built


def test_a_build_that_hangs_is_ended(
    library: StandIn, request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpipeline.backends.engines.apart._BEAT_S", 0.01)
    monkeypatch.setattr(pulse, "PATIENCE", 200)
    monkeypatch.setattr(pulse, "_LEAST_S", 0.01)  # a process that starts uses that, even beside others
    library.say("hang")
    with pytest.raises(BackendError, match=r"m\.onnx: the process that builds .* hangs, .*stage: building.*nvidia-smi"):
        engine_for(request_, tmp_path / "cache")
    library.wait_for_the_end_of_builds()
    assert files(tmp_path / "cache") == [".lock"]


def test_who_waits_no_longer_ends_the_build(library: StandIn, request_: Request, tmp_path: Path) -> None:
    library.say("hold")

    def tell(_: str) -> None:
        if library.builds():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine_for(request_, tmp_path / "cache", tell)
    library.wait_for_the_end_of_builds()
    assert files(tmp_path / "cache") == [".lock"]


def test_the_reasons_of_the_process_are_told_as_they_are(library: StandIn, request_: Request, tmp_path: Path) -> None:
    library.say("refuse", "no kernel fits")
    with pytest.raises(ModelError, match="makes no engine of it: no kernel fits"):
        engine_for(request_, tmp_path / "cache")


DRIVER = """
int cuInit(int flags) { return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return number == 1 ? 0 : 101; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &cuInit; return device == 1 ? 0 : 201; }
int cuCtxSetCurrent(void *context) { return context ? 0 : 201; }
"""


def test_the_gpu_that_is_meant_is_the_current_one(library: StandIn, model: Path, tmp_path: Path) -> None:
    (tmp_path / "driver.c").write_text(DRIVER)
    driver = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", str(driver), str(tmp_path / "driver.c")], check=True)
    errand = Errand(model, Recipe(), TENSORRT_RTX, 1, None, str(driver))
    assert build_apart(errand, b"", lambda stage: None).plan
    with pytest.raises(BackendError, match="GPU 3 cannot be used: CUDA errors 0, 101"):
        build_apart(replace(errand, gpu=3), b"", lambda stage: None)
