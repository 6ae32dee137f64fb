"""What an import costs: no optional library, nothing of the engine room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

OPTIONAL = {"av", "cv2", "onnxruntime", "tensorrt", "pycuda", "openvino", "torch", "onnx", "supervision"}
PROGRAM = "import sys, json; import {module}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"


def loaded_by(module: str) -> set[str]:
    program = PROGRAM.format(module=module)
    # Elsewhere than in the source tree, which may lack the compiled module that the installed package has.
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["mpipeline", "mpipeline.config"])
def test_an_import_loads_no_optional_library(module: str) -> None:
    assert not loaded_by(module) & (OPTIONAL | {"zmq", "rich", "urllib3"})


def test_a_model_that_is_here_is_found_without_http() -> None:
    assert not loaded_by("mpipeline.store.resolve") & (OPTIONAL | {"urllib3", "filelock", "zmq"})


def test_the_package_alone_loads_next_to_nothing() -> None:
    assert not loaded_by("mpipeline") & {"numpy", "pydantic", "yaml", "msgpack"}


@pytest.mark.parametrize("part", ["", ".entities", ".sinks", ".sinks.rendering", ".watchdog"])
def test_the_inference_pipeline_interface_loads_no_optional_library(part: str) -> None:
    assert not loaded_by(f"mpipeline.inference_pipeline{part}") & (OPTIONAL | {"zmq", "rich"})


@pytest.mark.parametrize("group", ["sources", "sinks", "models", "backends"])
def test_a_kind_is_imported_without_its_library(group: str) -> None:
    load = f"[registry.load('{group}', kind) for kind in registry.kinds('{group}')]"
    program = f"mpipeline.{group}; from mpipeline import registry; {load}"
    assert not loaded_by(program) & OPTIONAL
