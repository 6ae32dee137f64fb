"""Backends on the GPU of this machine: they give what ONNX Runtime gives on the CPU, in batches of any number."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gpus import real_gpu

from mpipeline import registry
from mpipeline.backends.backend import BackendOptions
from mpipeline.demo import MODEL_PATH
from mpipeline.errors import MpipelineError
from mpipeline.tensor import TensorSpec

MOST = 4


@pytest.fixture(scope="module", params=["tensorrt", "onnxruntime", "auto"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    real_gpu()
    cache = tmp_path_factory.mktemp("cache")
    options = BackendOptions(str(MODEL_PATH), "cuda", cache=cache, streams=2, batch=MOST)
    made = registry.load("backends", request.param)(options)
    try:
        made.open()
    except MpipelineError as error:
        pytest.skip(f"{request.param} does not execute a model on this GPU: {error}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def processor() -> Iterator[Any]:
    made = registry.load("backends", "onnxruntime")(BackendOptions(str(MODEL_PATH), "cpu"))
    made.spec = made.open().inputs[0]
    yield made
    made.close()


def inputs_of(spec: TensorSpec, rows: int, seed: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(seed)
    sides = [side or 320 for side in spec.shape[1:]]
    return {spec.name: noise.random((rows, *sides), np.float32).astype(spec.dtype)}


def assert_alike(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape
        assert found[name].dtype == wanted.dtype
        np.testing.assert_allclose(found[name], wanted, rtol=2e-2, atol=2e-2)


def test_batches(backend: Any, processor: Any) -> None:
    for rows in (1, MOST, 2, 1):
        given = inputs_of(processor.spec, rows, rows)
        assert_alike(backend.run(given), processor.run(given))


def test_several_at_once(backend: Any, processor: Any) -> None:
    givens = [inputs_of(processor.spec, 2, seed) for seed in range(20)]
    expected = [{name: value.copy() for name, value in processor.run(given).items()} for given in givens]

    def infer(number: int) -> dict[str, np.ndarray]:
        return {name: value.copy() for name, value in backend.run(givens[number]).items()}

    with ThreadPoolExecutor(2) as pool:
        for found, wanted in zip(pool.map(infer, range(20)), expected, strict=True):
            assert_alike(found, wanted)


def test_memory_of_its_own(backend: Any, processor: Any) -> None:
    if not hasattr(backend, "input_memory"):
        pytest.skip("it takes any memory")
    for seed in range(3):
        given = inputs_of(processor.spec, MOST, seed)
        ((name, value),) = given.items()
        rows = backend.input_memory(value.shape, value.dtype)
        rows[:] = value
        assert_alike(backend.run({name: rows[1:3]}), processor.run({name: value[1:3]}))


def test_a_model_in_half_precision(tmp_path: Path, processor: Any) -> None:
    real_gpu()
    backend = registry.load("backends", "tensorrt")(
        BackendOptions(str(MODEL_PATH), cache=tmp_path, precision="float16", batch=MOST)
    )
    try:
        backend.open()
    except MpipelineError as error:
        pytest.skip(f"tensorrt does not execute a model on this GPU: {error}")
    given = inputs_of(processor.spec, 2, 1)
    found, expected = backend.run(given), processor.run(given)
    for name, wanted in expected.items():
        assert found[name].shape == wanted.shape
        assert np.abs(found[name] - wanted).mean() < 0.05 * max(1.0, np.abs(wanted).mean())
    backend.close()
