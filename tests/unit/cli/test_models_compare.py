"""`mpipeline models compare`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.media import VideoSpec, video
from support.onnx_tasks import classifier, yolo_model

from mpipeline.cli import main


@pytest.fixture
def detector(tmp_path: Path) -> str:
    return str(yolo_model(tmp_path / "m.onnx", (96, 64), "detect"))


@pytest.fixture
def clip() -> str:
    return str(video(VideoSpec(frames=30)))


def test_another_backend(detector: str, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["models", "compare", detector, clip, "--frames", "6", "--set", "model.confidence=0.25"]
    assert main([*arguments, "--set", "model.backend=onnxruntime", "--backend", "openvino"]) == 0
    told = capsys.readouterr().out
    first, second, frames, *_, verdict = told.splitlines()
    assert first.startswith("ONNX Runtime ")
    assert first.endswith(" ms a frame")
    assert second.startswith("OpenVINO ")
    assert frames.startswith("frames 6, detections ")
    assert "boxes overlap by 1.0000 (median IoU)" in told
    assert "near the threshold, 0.25 to 0.3" in told
    assert verdict.endswith("times as fast and finds the same.")


def test_figures_for_programs(detector: str, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "compare", detector, clip, "--precision", "bfloat16", "--frames", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["first"]["precision"] == "float32"
    assert told["second"]["library"] == "OpenVINO"
    assert told["frames"] == 3
    assert told["speed"] > 0


def test_a_classifier(tmp_path: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(classifier(tmp_path / "c.onnx", (64, 64)))
    assert main(["models", "compare", path, clip, "--backend", "openvino", "--frames", "2"]) == 0
    told = capsys.readouterr().out
    assert "frames 2, of the same class 2" in told
    assert "it takes 0 of 2 frames for another class." in told


def test_nothing_found(detector: str, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["models", "compare", detector, clip, "--backend", "openvino", "--frames", "2"]
    assert main([*arguments, "--set", "model.confidence=1"]) == 0
    assert "neither has found anything" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what the model is to be compared with: --precision bfloat16, or --backend NAME"),
        (["--precision", "int4"], "precision: expected one of float32, bfloat16, float16, got 'int4'"),
        (["--precision", "bfloat16", "--backend", "onnxruntime"], "has no bfloat16; it is for auto and openvino"),
        (["--backend", "openvinn"], "did you mean 'openvino'?"),
        (["--backend", "openvino", "--frames", "0"], "--frames: expected a number from 1 on, got 0"),
    ],
)
def test_what_is_refused(
    arguments: list[str], said: str, detector: str, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "compare", detector, clip, *arguments]) == 78
    assert said in capsys.readouterr().err


def test_files_that_are_not_there(detector: str, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "compare", detector, "absent.mp4", "--backend", "openvino"]) == 78
    assert "absent.mp4" in capsys.readouterr().err
    assert main(["models", "compare", "absent.onnx", clip, "--backend", "openvino"]) == 78
    assert "absent.onnx" in capsys.readouterr().err
    assert main(["models", "compare", "my.module:infer", clip, "--backend", "openvino"]) == 78
    assert "only model files are compared" in capsys.readouterr().err
