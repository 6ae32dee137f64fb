"""What the doctor says of GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.simulated_gpu import FACTS

from mpipeline.cuda import probe
from mpipeline.doctor import installation
from mpipeline.doctor.finding import Finding, Level
from mpipeline.doctor.gpu import gpu
from mpipeline.errors import BackendError, NoDevice


def told(monkeypatch: pytest.MonkeyPatch, *found: object) -> list[Finding]:
    def devices() -> object:
        if isinstance(found[0], Exception):
            raise found[0]
        return found

    monkeypatch.setattr(probe, "devices", devices)
    return list(gpu("gpu"))


def test_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    orin = replace(FACTS, index=1, name="Orin", integrated=True, total_bytes=8 << 30, registers=False)
    first, second = told(monkeypatch, FACTS, orin)
    assert (first.name, first.level) == ("cuda:0", Level.OK)
    assert first.text == "GPU 0 (Simulated, compute capability 8.7), 1.0 GiB, driver for CUDA 12.6"
    assert second.text.startswith("GPU 1 (Orin, compute capability 8.7), 8.0 GiB shared with the processor, driver")
    assert second.text.endswith("frames are copied twice: it does not page-lock memory that exists")


def test_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, NoDevice("there is no driver; install it")) == [
        Finding("gpu", "nvidia", Level.MISSING, "there is no driver", "install it")
    ]
    assert told(monkeypatch, BackendError("the driver does not start: unknown; restart"))[0].level is Level.WARNING


def test_the_two_packages_of_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnxruntime-gpu": "1.31.1"}
    real = installation._version
    monkeypatch.setattr(
        installation, "_version", lambda name: versions.get(name) if name.startswith("onnxruntime") else real(name)
    )
    found = {one.name: one for one in installation.installation("installation")}
    assert found["libraries"].level is Level.OK
    assert "onnxruntime" not in found
    versions["onnxruntime"] = "1.32.0"
    one = {one.name: one for one in installation.installation("installation")}["onnxruntime"]
    assert (one.level, one.text) == (Level.WARNING, "onnxruntime and onnxruntime-gpu overwrite each other's files")
    assert one.remedy == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    versions.clear()
    assert {one.name: one for one in installation.installation("installation")}["libraries"].level is Level.BROKEN
