"""ONNX Runtime on a GPU: whether it is there is told by a session, and not by what was compiled in.

The library is the real one, whose sessions say that they are where they were asked to be.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from support.onnx_models import mean_of_image
from support.simulated_gpu import FACTS

from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
from mpipeline.cuda import probe
from mpipeline.errors import BackendError, NoDevice
from mpipeline.tensor import ModelInfo

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
IMAGES = {"images": np.full((2, 3, 4, 4), 3, np.float32)}


class Installed:
    """An ONNX Runtime with `compiled` providers, of which those in `working` come up."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, compiled: list[str], working: list[str], says: str = ""
    ) -> None:
        self.asked: list[Any] = []
        real = onnxruntime.InferenceSession

        def session(path: str, options: Any, providers: list[Any], enable_fallback: int) -> Any:
            self.asked.append(providers)
            made = real(path, options, providers=[CPU])
            names = [one if isinstance(one, str) else one[0] for one in providers]
            made.get_providers = lambda: [name for name in names if name in working]
            return made

        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: compiled)
        monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print(says), raising=False)
        monkeypatch.setattr(probe, "device", lambda index: FACTS)


def opened(path: Path, **options: Any) -> tuple[OnnxRuntimeBackend, ModelInfo]:
    backend = OnnxRuntimeBackend(BackendOptions(str(path), **options))
    return backend, backend.open()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return mean_of_image(tmp_path / "m.onnx")


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_where_it_comes_up(path: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    installed = Installed(monkeypatch, [CUDA, CPU], [CUDA, CPU])
    backend, info = opened(path, device=device, streams=8)
    assert installed.asked == [[(CUDA, {"device_id": "0", "use_tf32": "0"}), CPU]]
    assert str(info.execution).endswith(
        "infers in float32 on GPU 0 (Simulated, compute capability 8.7), 3 batches at a time"
    )
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [3, 3]


@pytest.mark.parametrize(
    ("compiled", "working", "says", "message"),
    [
        ([CPU], [CPU], "", "is made for CPUs alone; it needs the package onnxruntime-gpu in place of onnxruntime"),
        (
            [CUDA, CPU],
            [CPU],
            "Failed to load libcudart.so.13\nPlease follow",
            "does not come up on GPU 0 .*: Failed to load",
        ),
    ],
)
def test_where_it_does_not(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    compiled: list[str],
    working: list[str],
    says: str,
    message: str,
) -> None:
    Installed(monkeypatch, compiled, working, says)
    with pytest.raises(BackendError, match=message):
        opened(path, device="cuda")
    with caplog.at_level(logging.INFO, "mpipeline.inference"):
        backend, info = opened(path, device="auto", threads=1)
    assert "GPU 0 (Simulated, compute capability 8.7) is not used" in caplog.text
    assert info.execution is not None
    assert info.execution.device == "the CPU"
    assert backend.run(IMAGES)["mean"].ravel().tolist() == [3, 3]
    assert capfd.readouterr() == ("", "")


def test_without_a_gpu(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def none(index: int) -> object:
        raise NoDevice("there is no NVIDIA driver")

    Installed(monkeypatch, [CUDA, CPU], [CUDA, CPU])
    monkeypatch.setattr(probe, "device", none)
    with pytest.raises(NoDevice, match="no NVIDIA driver"):
        opened(path, device="cuda:1")
    for device in ("auto", "cpu"):
        assert opened(path, device=device)[1].execution.device == "the CPU"  # type: ignore[union-attr]
    assert not caplog.records


def test_the_cpu_where_it_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Installed(monkeypatch, [CUDA, CPU], [CUDA, CPU])
    opened(path, device="cpu")
    assert installed.asked == [[CPU]]
