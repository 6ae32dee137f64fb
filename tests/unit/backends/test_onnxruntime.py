"""ONNX Runtime reports nothing to its maker, unless the user wants it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.onnx_models import mean_of_image

from mpipeline.backends.telemetry import ONNXRUNTIME_TELEMETRY, keep_onnxruntime_silent

LOAD = """
import sys
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.onnxruntime import OnnxRuntimeBackend
OnnxRuntimeBackend(BackendOptions(sys.argv[1], threads=1)).open()
"""
_SILENT_AS_WELL = ("CI", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME", ONNXRUNTIME_TELEMETRY)


def test_it_keeps_no_id_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in _SILENT_AS_WELL}
    model = mean_of_image(tmp_path / "m.onnx")
    program = [sys.executable, "-c", LOAD, str(model)]
    subprocess.run(program, env={**environment, "HOME": str(home)}, check=True, timeout=120)
    assert not list(home.rglob("*"))


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ONNXRUNTIME_TELEMETRY, "0")
    keep_onnxruntime_silent()
    assert os.environ[ONNXRUNTIME_TELEMETRY] == "0"
