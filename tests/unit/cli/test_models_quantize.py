"""`mpipeline models quantize`: which convolutions become 8 bit, what is written, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.media import VideoSpec, video
from support.onnx_models import behind_convolutions
from support.onnx_tasks import yolo_model

from mpipeline.cli import main
from mpipeline.hosted.quantization import eight_bit_convolutions

LIMITS = ["--set", "model.confidence=0.25", "--frames", "4"]


@pytest.fixture
def clip() -> str:
    return str(video(VideoSpec(frames=30)))


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """A detector behind four convolutions that change nothing, two of which become 8 bit."""
    return behind_convolutions(yolo_model(tmp_path / "m.onnx", (96, 64), "detect"))


def quantized(detector: Path, clip: str, *more: str) -> int:
    return main(["models", "quantize", str(detector), clip, *LIMITS, *more])


def test_first_last_and_single_ones_stay(detector: Path) -> None:
    assert eight_bit_convolutions(onnx.load(str(detector))) == ["inner1", "inner2"]


def test_it_is_written_and_says_what_it_is(detector: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    detector.with_suffix(".yaml").write_text("max_detections: 7\n")
    assert quantized(detector, clip, "--most-changed", "50") == 0
    told = capsys.readouterr().out
    made = detector.with_suffix(".int8.onnx")
    assert told.startswith("2 convolutions are 8 bit")
    assert told.splitlines()[-1] == f"Written: {made}. In a config: model: {{path: {made}, backend: openvino}}"
    model = onnx.load(str(made))
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in model.graph.node}
    assert {entry.key: entry.value for entry in model.metadata_props}["task"] == "detect"
    assert made.with_suffix(".yaml").read_text() == "max_detections: 7\n"
    assert sorted(path.name for path in detector.parent.iterdir()) == ["m.int8.onnx", "m.int8.yaml", "m.onnx", "m.yaml"]


def test_figures_for_programs(detector: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        quantized(detector, clip, "--most-changed", "50", "--json", "--out", str(detector.parent / "small.onnx")) == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["convolutions"] == 2
    assert 0 <= told["changed_percent"] <= 50


def test_too_much_that_changes_is_refused(detector: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantized(detector, clip, "--most-changed", "-1") == 78
    assert "nothing was written (--most-changed allows more)" in capsys.readouterr().err
    assert [path.name for path in detector.parent.iterdir()] == ["m.onnx"]


def test_a_model_that_finds_nothing_proves_nothing(
    detector: Path, clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantized(detector, clip, "--set", "model.confidence=1") == 78
    assert "100.0 % of what it finds differ" in capsys.readouterr().err


def test_what_is_there_already_stays(detector: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    detector.with_suffix(".int8.onnx").write_text("mine")
    assert quantized(detector, clip) == 78
    assert "is there already" in capsys.readouterr().err
    assert detector.with_suffix(".int8.onnx").read_text() == "mine"
    assert quantized(detector, clip, "--force", "--most-changed", "50") == 0
    assert detector.with_suffix(".int8.onnx").stat().st_size > 100


def test_a_model_without_inner_convolutions(tmp_path: Path, clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantized(yolo_model(tmp_path / "m.onnx", (96, 64), "detect"), clip) == 78
    assert "has no convolution that could be 8 bit" in capsys.readouterr().err


@pytest.mark.parametrize(("out", "told"), [("nowhere/m.onnx", "in a folder that exists"), ("m.bin", "ends in .onnx")])
def test_a_place_that_does_not_do(
    detector: Path, clip: str, out: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantized(detector, clip, "--out", str(detector.parent / out)) == 78
    assert told in capsys.readouterr().err


def test_without_the_library(
    detector: Path, clip: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert quantized(detector, clip) == 78
    assert "pip install 'mpipeline[quantize]'" in capsys.readouterr().err


def test_the_form_that_tensorrt_takes(detector: Path, clip: str) -> None:
    assert quantized(detector, clip, "--most-changed", "50", "--symmetric") == 0
    model = onnx.load(str(detector.with_suffix(".int8.onnx")))
    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    zeros = [
        values[node.input[2]] for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert zeros
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
