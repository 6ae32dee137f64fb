"""A model file that is not whole: told before anything starts, so that nothing of an earlier run is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import runs
from support.command import Workplace
from support.model_hub import write_package
from support.onnx_models import detector

OLDER = '{"source":"a","frame_id":1}\n'

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut in half": (lambda content: content[: len(content) // 2], "is cut off"),
    "without its last bytes": (lambda content: content[:-3], "is cut off"),
    "empty": (lambda content: b"", "is empty"),
    "zeros": (lambda content: bytes(len(content)), "is not an ONNX file"),
    "a text": (lambda content: b"version https://git-lfs.github.com/spec/v1\n", "version https://git"),
}


@pytest.fixture
def model(place: Workplace) -> Path:
    return detector(place.folder / "model.onnx", np.zeros((8400, 85), "float32"), size=(640, 640))


def config(path: str) -> dict[str, Any]:
    return {**runs.config(runs.clip("a", 10)), "model": {"path": path}}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_model_that_is_not_whole_is_told_and_nothing_is_started(
    place: Workplace, model: Path, damage: str, command: str
) -> None:
    spoil, words = DAMAGES[damage]
    model.write_bytes(spoil(model.read_bytes()))
    place.write("out.jsonl", OLDER)
    place.write("run.yaml", config("model.onnx"))
    run = place.start(command, "run.yaml")
    assert run.wait() == 78
    for said in ("model.onnx", words, "copy or export it again"):
        assert said in run.log
    assert "Traceback" not in run.log
    assert (place.folder / "out.jsonl").read_text() == OLDER


def test_the_same_in_the_folder_of_a_package(place: Workplace) -> None:
    weights = write_package(place.folder / "package") / "weights.onnx"
    weights.write_bytes(weights.read_bytes()[:1000])
    run = place.run(config("package"))
    assert run.wait() == 78
    assert "package/weights.onnx" in run.log
    assert "is cut off" in run.log
    assert not (place.folder / "out.jsonl").exists()


def test_damage_that_only_the_engine_sees_is_told_by_it(place: Workplace, model: Path) -> None:
    content = bytearray(model.read_bytes())
    at = content.index(b"ReduceMean")
    content[at : at + 10] = b"NoSuchNode"
    model.write_bytes(content)
    run = place.run(config("model.onnx"))
    assert run.wait() == 78
    [failed] = run.events("worker_failed", worker="inference")
    assert "model.onnx: ONNX Runtime cannot load it" in failed["message"]
    assert not run.events("worker_restart")
