"""`mpipeline check` prints the plan and starts nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.simulated_gpu import FACTS

from mpipeline.cli import main
from mpipeline.cuda import probe
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import NoDevice
from mpipeline.supervisor.child import Child

CONFIG = """
sources:
  - {name: made, kind: synthetic, width: 320, height: 200, count: 5}
  - {name: gate, uri: "rtsp://viewer:hunter2@10.0.0.1/x"}
model: {target: "m:Model"}
sinks:
  - {name: lines, kind: jsonl, path: out.jsonl}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def start(*_: object) -> None:
        raise AssertionError("check started a worker")

    monkeypatch.setattr(Child, "spawn", start)
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_prints_the_plan(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config)]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line.strip()}
    assert "320x200" in lines["made"]
    assert "every_frame" in lines["made"]
    assert "1920x1080 (assumed)" in lines["gate"]
    assert "latest" in lines["gate"]
    assert "block / drop_oldest" in lines["lines"]
    assert "m:Model" in lines["model"]
    assert "MiB of" in lines["shared"]
    assert "hunter2" not in said


def test_overrides_count(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", str(config), "--set", "sources.made.width=640", "--name", "night"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "640x200" in said
    assert "night" in said


def test_an_unreadable_file_is_named_in_full_and_is_65(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "[old]" / "broken.mp4"  # brackets are markup to the library that prints
    broken.parent.mkdir()
    broken.write_text("no video")
    config.write_text(CONFIG.replace("rtsp://viewer:hunter2@10.0.0.1/x", str(broken)))
    assert main(["check", str(config)]) == 65
    said = capsys.readouterr().out
    assert "cannot be read" in said
    assert "[old]" in said


def test_too_small_a_shm_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpipeline.cli.check.available_bytes", lambda: 1 << 20)
    main(["check", str(config)])
    assert "--shm-size" in capsys.readouterr().out


def test_it_says_how_much_shared_memory_a_container_needs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", str(config)])
    found = re.search(r"shared memory (\d+) MiB of .*; a container needs --shm-size=(\d+)m", capsys.readouterr().out)
    assert found
    largest = 6 * 1920 * 1080 * 3 // 2 >> 20  # the camera's ring, once more for a change of its size
    assert largest <= int(found[2]) - int(found[1]) <= largest + 3


def test_several_devices_and_the_sources_of_each(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(config), "--set", "model.device=[cuda:0, cuda:1]"]) == 0
    said = capsys.readouterr().out
    assert "m:Model  backend python  device cuda:0 cuda:1\n  cuda:0: gate\n  cuda:1: made\n" in said


def test_a_device_that_the_backend_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(MODEL_PATH.read_bytes())
    path = tmp_path / "c.yaml"
    path.write_text(
        f"sources: [{{kind: synthetic}}]\nmodel: {{path: {tmp_path}/m.onnx, backend: openvino, device: npu}}\n"
        "sinks: [{kind: console}]\n"
    )
    assert main(["check", str(path)]) == 78
    assert "not 'npu'" in capsys.readouterr().err


@pytest.fixture
def model(config: Path, tmp_path: Path) -> str:
    (tmp_path / "m.onnx").write_bytes(MODEL_PATH.read_bytes())
    config.write_text(CONFIG.replace('target: "m:Model"', f"path: {tmp_path}/m.onnx"))
    return str(config)


@pytest.mark.parametrize("asked", ["model.device=auto", "model.device=cuda:0", "model.backend=tensorrt"])
def test_the_gpu_and_what_is_page_locked_for_it(
    model: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probe, "device", lambda index: FACTS)
    assert main(["check", model, "--set", asked]) == 0
    said = capsys.readouterr().out
    assert "  GPU 0 (Simulated, compute capability 8.7)\n" in said
    found = re.search(r"  in TensorRT (\d+) MiB of rings are page-locked, of 4096 allowed\n", said)
    assert found
    assert f"shared memory {found[1]} MiB" in said
    assert "model.page_locked_mb" not in said
    assert main(["check", model, "--set", asked, "--set", "model.page_locked_mb=1"]) == 0
    assert "model.page_locked_mb is less than that" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_told_where_one_is_asked_for(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(index: int) -> None:
        raise NoDevice(f"there is no GPU {index}")

    monkeypatch.setattr(probe, "device", none)
    assert main(["check", model, "--set", "model.device=cuda:3"]) == 0
    assert "there is no GPU 3" in capsys.readouterr().out
    for other in ("model.device=auto", "model.device=cpu", "model.backend=onnxruntime"):
        assert main(["check", model, "--set", other]) == 0
        assert "GPU" not in capsys.readouterr().out
