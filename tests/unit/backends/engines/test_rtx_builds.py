"""TensorRT-RTX, which builds without a GPU, takes what this project makes: every family, in every precision."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from support.engine_cases import EXPORTS, real_models

from mpipeline.backends.engines.apart import build_apart
from mpipeline.backends.engines.builder import Built
from mpipeline.backends.engines.errand import Errand
from mpipeline.backends.engines.recipe import PRECISIONS, EnginePrecision, Recipe
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import ModelError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None,
    reason="TensorRT-RTX is not installed: pip install 'mpipeline[tensorrt-rtx]'",
)
TESTS = Path(__file__).resolve().parents[3]

Results = dict[tuple[str, EnginePrecision], dict[str, Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What became of every case; all in one process, as loading the library takes longer than most of them."""
    done = subprocess.run(
        [sys.executable, "-m", "support.engine_cases", str(tmp_path_factory.mktemp("engines"))],
        cwd=tmp_path_factory.mktemp("elsewhere"),  # the source tree lacks the compiled module
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {(line["name"], line["precision"]): line for line in lines}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", [*EXPORTS, *(path.stem for path in real_models())])
def test_it_becomes_an_engine(name: str, precision: EnginePrecision, results: Results) -> None:
    told = results[name, precision]
    assert not told["error"]
    assert told["bytes"] > 1000
    assert told["inputs"]


def built(model: Path, recipe: Recipe, capability: tuple[int, int] | None = None) -> Built:
    return build_apart(Errand(model, recipe, "tensorrt_rtx", None, capability), b"", lambda stage: None)


def test_a_gpu_that_is_named(tmp_path: Path) -> None:
    ours = built(MODEL_PATH, Recipe(), (8, 6))
    assert ours.plan != built(MODEL_PATH, Recipe(), (8, 9)).plan
    assert "names" in ours.metadata


def test_the_parser_says_which_nodes_it_does_not_take(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    nodes = [
        helper.make_node("Strange", ["x"], ["a"], name="first", domain="com.example"),
        helper.make_node("Stranger", ["a"], ["y"], name="second", domain="com.example"),
    ]
    graph = helper.make_graph(nodes, "g", [image], [result])
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("com.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), str(tmp_path / "m.onnx"))
    with pytest.raises(ModelError) as caught:
        built(tmp_path / "m.onnx", Recipe())
    told = str(caught.value).splitlines()
    assert told[0].startswith(f"{tmp_path / 'm.onnx'}: TensorRT-RTX ")
    assert told[0].endswith("does not take this model:")
    assert any("'first' (Strange)" in line for line in told[1:]), told
    assert any("'second' (Stranger)" in line for line in told[1:]), told
