"""`mpipeline models`: what it prints and with which code it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from support import onnx_models
from support.model_hub import write_legacy_package

from mpipeline.cli import main
from mpipeline.cli.download_bar import Bar, download_bar
from mpipeline.store.progress import LoggedProgress


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL_CACHE_DIR", str(tmp_path))
    for name in ("ROBOFLOW_API_KEY", "API_KEY", "OFFLINE_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_list(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert f"there are no models in {cache}" in capsys.readouterr().out
    write_legacy_package(cache / "coco" / "3")
    write_legacy_package(cache / "depth" / "1", project_task_type="depth-estimation")
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split() == ["coco/3", "yolov8n-640", "object-detection", "yolov8n", "64x64", "0.0", "legacy", "yes"]
    assert shown[2].split()[-1] == "no"
    assert main(["models", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == ["coco/3", "depth/1"]
    assert "depth-estimation" in rows[1]["problem"]


def test_the_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--aliases"]) == 0
    assert "yolov8n-640  coco/3" in capsys.readouterr().out.splitlines()
    assert main(["models", "list", "--aliases", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["yolo11n-640"] == "coco/25"


def test_a_model_is_described(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_legacy_package(cache / "coco" / "3")
    assert main(["models", "inspect", "yolov8n-640"]) == 0
    shown = capsys.readouterr().out
    assert "pad 114.0, resize letterbox" in shown
    assert "ball, box, cone" in shown
    assert main(["models", "inspect", str(cache / "coco" / "3" / "weights.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preprocessing"] == "as the family does"


def test_a_plain_file_is_described_with_what_it_lacks(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nameless = onnx_models.detector(cache / "nameless.onnx", np.zeros((84, 8), np.float32))
    assert main(["models", "inspect", str(nameless)]) == 0
    shown = capsys.readouterr().out
    assert "family         yolox" in shown
    assert "names: [" in shown


def test_a_file_of_no_family_shows_its_tensors_and_the_line_that_is_missing(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = onnx_models.detector(cache / "strange.onnx", np.zeros((3, 7), np.float32))
    assert main(["models", "inspect", str(strange)]) == 78
    told = capsys.readouterr()
    assert "inputs         images [1, 3, 64, 64] float32" in told.out
    assert "family: …   # detr|" in told.out
    assert "does not show of which family" in told.err


def test_what_is_not_here_is_not_fetched_by_inspect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "inspect", "coco/3"]) == 78
    assert "mpipeline models pull coco/3" in capsys.readouterr().err


def test_pull_goes_on_after_a_failure(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_legacy_package(cache / "coco" / "3")
    assert main(["models", "pull", "coco/4", "coco/3", "--quiet"]) == 78
    done = capsys.readouterr()
    assert "coco/3: was here" in done.out
    assert "'coco/4' is not in the cache" in done.err


def test_help_tells_of_cache_key_and_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--help"])
    shown = capsys.readouterr().out
    for word in ("MODEL_CACHE_DIR", "ROBOFLOW_API_KEY", "OFFLINE_MODE", "78", "pull", "list", "inspect"):
        assert word in shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    with download_bar(io.StringIO()) as progress:
        assert isinstance(progress, LoggedProgress)
    terminal = Terminal()
    with download_bar(terminal, enabled=False) as progress:
        assert isinstance(progress, LoggedProgress)
    with download_bar(terminal) as progress:
        assert isinstance(progress, Bar)
        progress.begin("weights.onnx", 100, 0)
        progress.advance(100)
        progress.end()
        progress.end()
    assert "weights.onnx" in terminal.getvalue()
