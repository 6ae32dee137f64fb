"""Compiled models that OpenVINO finds again: equal in all they say and give, and never used when they are damaged."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.onnx_models import detector, mean_of_image
from support.onnx_tasks import yolo_model

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.compiled import CompiledFile
from mpipeline.backends.openvino import OpenVinoBackend
from mpipeline.tensor import ModelInfo

IMAGES = np.random.default_rng(5).random((2, 3, 64, 96), np.float32)


class Compilations:
    """How often OpenVINO compiles and how often it takes up what was compiled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import openvino

        self.done: list[str] = []
        for name in ("compile_model", "import_model"):
            monkeypatch.setattr(openvino.Core, name, self._noting(name, getattr(openvino.Core, name)))

    def _noting(self, name: str, method: Any) -> Any:
        def noted(*arguments: Any) -> Any:
            self.done.append(name.partition("_")[0])
            return method(*arguments)

        return noted

    def taken(self) -> str:
        """Those since the last call."""
        done, self.done = self.done, []
        return "+".join(done)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Compilations:
    return Compilations(monkeypatch)


def seen(path: Path, cache: Path | None, **more: Any) -> tuple[ModelInfo, dict[str, Any]]:
    """What a backend says of the file, and what it gives for IMAGES."""
    backend = OpenVinoBackend(BackendOptions(str(path), threads=1, cache=cache, **more))
    info = backend.open()
    outputs = {name: value.copy() for name, value in backend.run({info.inputs[0].name: IMAGES}).items()}
    backend.close()
    return info, outputs


def assert_alike(one: tuple[ModelInfo, dict[str, Any]], other: tuple[ModelInfo, dict[str, Any]]) -> None:
    assert one[0] == other[0]
    assert list(one[1]) == list(other[1])
    for name, value in one[1].items():
        np.testing.assert_array_equal(other[1][name], value)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: yolo_model(path, (96, 64), "segment", masks=32),
        lambda path: detector(path, np.ones((2, 6)), batch="N", size=("H", "W"), metadata={"names": "{0: 'ä\\n'}"}),
        mean_of_image,
    ],
)
def test_what_was_kept_is_no_other_model(make: Any, tmp_path: Path, compilations: Compilations) -> None:
    path = make(tmp_path / "m.onnx")
    compiled = seen(path, tmp_path / "cache")
    assert compilations.taken() == "compile"
    assert_alike(compiled, seen(path, tmp_path / "cache"))
    assert compilations.taken() == "import"
    assert_alike(compiled, seen(path, None))
    assert compilations.taken() == "compile"


@pytest.mark.parametrize("where", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_one_bit_is_enough_to_compile_again(where: float, tmp_path: Path, compilations: Compilations) -> None:
    path = yolo_model(tmp_path / "m.onnx", (96, 64), "segment", masks=32)
    compiled = seen(path, tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    content = bytearray(file.read_bytes())
    content[int(where * len(content))] ^= 0x10
    for damaged in (bytes(content), bytes(content[: len(content) // 2]), b""):
        file.write_bytes(damaged)
        compilations.taken()
        assert_alike(compiled, seen(path, tmp_path / "cache"))
        assert compilations.taken() == "compile"
        assert_alike(compiled, seen(path, tmp_path / "cache"))
        assert compilations.taken() == "import"


def test_what_it_depends_on(tmp_path: Path, compilations: Compilations, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = mean_of_image(tmp_path / "m.onnx"), tmp_path / "cache"
    for more in ({}, {"precision": "bfloat16"}):
        assert seen(path, cache, **more)
        assert compilations.taken() == "compile"
        assert seen(path, cache, **more)
        assert compilations.taken() == "import"
    detector(path, np.ones((2, 6)), batch="N", size=("H", "W"))
    assert seen(path, cache)
    assert compilations.taken() == "compile"
    monkeypatch.setattr("mpipeline.backends.openvino.cpu_identity", lambda: "another")
    assert seen(path, cache)
    assert compilations.taken() == "compile"


def test_weights_elsewhere_are_read_each_time(tmp_path: Path, compilations: Compilations) -> None:
    for value in (1, 2):
        path = detector(tmp_path / "m.onnx", np.full((64, 64), value), size=(64, 96), batch=2, external_data=True)
        assert (seen(path, tmp_path / "cache")[1]["output0"] == value).all()
        assert compilations.taken() == "compile"


def test_where_nothing_can_be_kept(
    tmp_path: Path, compilations: Compilations, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "cache").touch()
    assert seen(mean_of_image(tmp_path / "m.onnx"), tmp_path / "cache")
    assert "the compiled model is not kept" in caplog.text


def test_it_is_taken_up_where_its_last_use_cannot_be_noted(
    tmp_path: Path, compilations: Compilations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is read-only, or another process has removed the file meanwhile."""
    path = mean_of_image(tmp_path / "m.onnx")
    compiled = seen(path, tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refuse)
    compilations.taken()
    assert_alike(compiled, seen(path, tmp_path / "cache"))
    assert compilations.taken() == "import"


def test_one_that_the_library_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    path = mean_of_image(tmp_path / "m.onnx")
    compiled = seen(path, tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise RuntimeError("not of this CPU")

    monkeypatch.setattr(openvino.Core, "import_model", refuse)
    assert_alike(compiled, seen(path, tmp_path / "cache"))


def test_those_that_nobody_uses_go(tmp_path: Path) -> None:
    first = CompiledFile(tmp_path, {"n": 0})
    for n in range(12):
        CompiledFile(tmp_path, {"n": n}).keep({"number": str(n)}, b"\n" * n)
        assert first.load() == ({"number": "0"}, b"")
    assert len(list(tmp_path.iterdir())) == 8
    assert CompiledFile(tmp_path, {"n": 11}).load() == ({"number": "11"}, b"\n" * 11)
    assert CompiledFile(tmp_path, {"n": 2}).load() is None
