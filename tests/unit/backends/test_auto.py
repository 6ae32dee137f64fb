"""`auto`: which backend it takes, what it remembers of that, and that trying one can do no harm."""

from __future__ import annotations

import importlib.util
import logging
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpipeline.backends import auto, onnxruntime, openvino
from mpipeline.backends.auto import AutoBackend
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.race import Race
from mpipeline.clock import ManualClock
from mpipeline.errors import BackendError, ModelError
from mpipeline.tensor import ModelInfo, TensorSpec

F32 = np.dtype(np.float32)
INFO = ModelInfo((TensorSpec("images", (1, 3, 8, 8), F32),), (TensorSpec("mean", (1,), F32),))


@dataclass
class Side:
    """How one of the two behaves, and what it was asked to do."""

    clock: ManualClock
    name: str
    seconds: float = 0.01
    shift: float = 0.0
    refuses: Exception | None = None
    done: list[str] = field(default_factory=list)

    def made(self, options: BackendOptions) -> Side:
        return self

    def open(self) -> ModelInfo:
        self.done.append("open")
        if self.refuses is not None:
            raise self.refuses
        return INFO

    def run(self, inputs: Any) -> dict[str, Any]:
        self.done.append("run")
        self.clock.advance(self.seconds)
        return {"mean": np.array([inputs["images"].mean() + self.shift], np.float32)}

    def close(self) -> None:
        self.done.append("close")


class Bench:
    """An AutoBackend over two sides, on a model file that is none: nobody reads it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = ManualClock()
        self.race = Race(clock, clock.monotonic_ns)
        self.simple, self.rival = Side(clock, "onnxruntime"), Side(clock, "openvino")
        self.model, self.cache = folder / "m.onnx", folder / "cache"
        self.model.write_bytes(b"weights")
        monkeypatch.setattr(onnxruntime, "OnnxRuntimeBackend", self.simple.made)
        monkeypatch.setattr(openvino, "OpenVinoBackend", self.rival.made)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def opened(self, **more: Any) -> AutoBackend:
        """Opened, with nothing that was done before."""
        self.simple.done.clear()
        self.rival.done.clear()
        backend = AutoBackend(
            BackendOptions(**{"target": str(self.model), "device": "cpu", "cache": self.cache, **more}), self.race
        )
        assert backend.open() == INFO
        return backend

    def taken(self, **more: Any) -> str:
        """The name of the side that it takes."""
        backend = self.opened(**more)
        self.simple.done.clear()
        self.rival.done.clear()
        backend.run({"images": np.zeros((1, 3, 8, 8), np.float32)})
        return "+".join(side.name for side in (self.simple, self.rival) if side.done)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("rival", "taken", "why"),
    [
        (
            {"seconds": 0.008},
            "openvino",
            "10.0 ms in ONNX Runtime and 8.0 ms in OpenVINO of processor time, ratio 1.25",
        ),
        ({"seconds": 0.0098}, "onnxruntime", "ratio 1.02"),
        ({"seconds": 0.02}, "onnxruntime", "ratio 0.50"),
        ({"seconds": 0.001, "shift": 0.1}, "onnxruntime", "OpenVINO gives something else, mean differs by up to 0.1"),
        ({"refuses": ModelError("m: cannot")}, "onnxruntime", "OpenVINO could not be tried: m: cannot"),
        ({"refuses": RuntimeError("no plugin")}, "onnxruntime", "OpenVINO could not be tried: no plugin"),
    ],
)
def test_the_faster_one_whose_outputs_are_equal(
    bench: Bench, caplog: pytest.LogCaptureFixture, rival: dict[str, Any], taken: str, why: str
) -> None:
    caplog.set_level(logging.INFO)
    for name, value in rival.items():
        setattr(bench.rival, name, value)
    assert bench.taken() == taken
    assert [record.event for record in caplog.records] == ["backend_trial", "backend_chosen"]  # type: ignore[attr-defined]
    assert why in caplog.messages[-1]
    caplog.clear()
    assert bench.taken() == taken  # and the second time at once, for the same reason
    assert [record.event for record in caplog.records] == ["backend_chosen"]  # type: ignore[attr-defined]
    assert why in caplog.messages[-1]
    bench.opened()
    assert bench.simple.done + bench.rival.done == ["open"]


def test_what_it_depends_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.rival.seconds = 0.005

    def trials() -> int:
        bench.opened()
        return bench.simple.done.count("run")

    assert [bool(trials()) for _ in range(2)] == [True, False]
    bench.model.write_bytes(b"other weights")
    assert [bool(trials()) for _ in range(2)] == [True, False]
    monkeypatch.setattr(auto, "physical_cores", lambda: 77)
    assert [bool(trials()) for _ in range(2)] == [True, False]
    monkeypatch.setattr(auto, "cpu_identity", lambda: "another")
    assert [bool(trials()) for _ in range(2)] == [True, False]
    monkeypatch.setattr(auto, "version_of", lambda name: "9.9")
    assert [bool(trials()) for _ in range(2)] == [True, False]
    for file in bench.cache.glob("*.json"):
        file.write_text("{")
    assert [bool(trials()) for _ in range(2)] == [True, False]


def test_nothing_is_tried_where_it_cannot_matter(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.simple.seconds, bench.rival.seconds = 0.0015, 0.00001
    assert bench.taken() == "onnxruntime"
    assert not bench.rival.done
    assert bench.taken(cache=None) == "onnxruntime"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    bench.simple.seconds = 1
    assert bench.taken(cache=bench.cache / "empty") == "onnxruntime"
    assert not (bench.cache / "empty").exists()


def test_another_precision_is_for_openvino(bench: Bench) -> None:
    assert bench.taken(precision="bfloat16") == "openvino"
    assert not bench.cache.exists()


def test_where_nothing_can_be_kept_nothing_is_tried(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.cache.write_text("a file")
    bench.rival.seconds = 0.001
    assert bench.taken() == "onnxruntime"
    assert "what a trial finds cannot be kept" in caplog.text


def test_one_that_was_chosen_and_fails_now(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.rival.seconds = 0.001
    assert bench.taken() == "openvino"
    bench.rival.refuses = BackendError("it does not load")
    caplog.set_level(logging.INFO)
    assert bench.taken() == "onnxruntime"
    assert caplog.messages == ["ONNX Runtime is taken: it does not load"]


def test_a_wrong_file_is_told_as_ever(bench: Bench) -> None:
    bench.simple.refuses = ModelError("m.onnx: is no model")
    with pytest.raises(ModelError, match="is no model"):
        bench.opened()
    bench.simple.refuses = None
    assert bench.taken() == "onnxruntime"


CRASH = """
import ctypes, sys
from pathlib import Path
from mpipeline.backends import auto, openvino
from mpipeline.backends.backend import BackendOptions

class Crashing:
    precisions = ("float32",)
    def __init__(self, options): pass
    def open(self): ctypes.string_at(0)
    def close(self): pass

openvino.OpenVinoBackend = Crashing
auto._TOO_SHORT_MS = 0
backend = auto.AutoBackend(BackendOptions(sys.argv[1], "cpu", threads=1, cache=Path(sys.argv[2])))
print(backend.open().execution.library)
"""


def test_one_that_ends_the_process_is_tried_twice_and_no_more(tmp_path: Path) -> None:
    from support.onnx_models import mean_of_image

    path = mean_of_image(tmp_path / "m.onnx")
    command = [sys.executable, "-c", CRASH, str(path), str(tmp_path / "cache")]
    ends = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(4)]
    assert [end.returncode for end in ends] == [-signal.SIGSEGV, -signal.SIGSEGV, 0, 0]
    assert ends[2].stdout == ends[3].stdout == "ONNX Runtime\n"
    (decision,) = (tmp_path / "cache").glob("*.json")
    assert "the process has ended each time when OpenVINO was tried" in decision.read_text()
