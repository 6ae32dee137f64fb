"""A model on a simulated GPU whose making fails, or that is closed, or adjusted: nothing stays behind on the GPU."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.onnx_engines import engine_of
from support.onnx_tasks import yolo_model
from support.photos import framed
from support.pictures import scene
from support.plain_kernels import PlainKernels
from support.tensorrt_engines import Lab, lab_in

from mpipeline.config.schema import ModelSpec
from mpipeline.errors import BackendError, ModelError
from mpipeline.frame import Frame
from mpipeline.hosted.model import Model
from mpipeline.models.package import ModelPackage
from mpipeline.store.resolve import ResolvedModel
from mpipeline.workers.loading import open_predictor

SIZE = (96, 64)


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Whoever has it leaves nothing on the GPU, and no thread."""
    with lab_in(tmp_path, plain_kernels.by_name, monkeypatch) as made:
        yield made
    assert not [thread for thread in threading.enumerate() if thread.name == "gpu"]


@pytest.fixture
def spec(lab: Lab) -> ModelSpec:
    file, _ = engine_of(yolo_model(lab.folder / "model.onnx", SIZE, "detect"), 4)
    path = lab.engine(file)
    return ModelSpec.from_mapping({"path": str(path), "backend": "tensorrt", "family": "yolo", "confidence": 0.3})


def hosted(spec: ModelSpec) -> Model:
    assert spec.path is not None
    return Model(spec, ResolvedModel(spec.path, ModelPackage(spec.path), "path"))


def calls_to_make(lab: Lab, spec: ModelSpec, *names: str) -> list[tuple[str, int]]:
    """Every call of these names that making the model takes, by its number."""
    counted = dict.fromkeys(names, 0)
    inner = lab.gpu._call
    lab.gpu._call = lambda name, **more: (counted.update({name: counted.get(name, 0) + 1}), inner(name, **more))  # type: ignore[method-assign]
    open_predictor(spec, 4, at_once=2)[0].close()
    del lab.gpu._call  # type: ignore[attr-defined]
    return [(name, number) for name in names for number in range(1, counted[name] + 1)]


def test_no_memory_at_any_place(lab: Lab, spec: ModelSpec) -> None:
    places = calls_to_make(lab, spec, "allocate", "allocate_host", "stream")
    assert len(places) >= 6
    for name, number in places:
        lab.gpu.fails[name] = number
        with pytest.raises(BackendError, match=f"{name} failed: simulated"):
            open_predictor(spec, 4, at_once=2)
        assert lab.gpu.alive == []


def test_no_memory_for_boxes(lab: Lab, spec: ModelSpec) -> None:
    """They are found on the GPU from the second batch on, if there is room for that then."""
    predictor, _ = open_predictor(spec, 4)
    frames = [framed(scene(320, 240))]
    predictor.predict(frames)
    before = lab.gpu.alive.copy()
    predictor.close()
    for name in ("allocate", "allocate_host"):
        for number in range(1, 20):
            predictor, _ = open_predictor(spec, 4)
            lab.gpu.fails[name] = number
            found = []
            while not found:
                try:
                    found = list(predictor.predict(frames))
                except BackendError as error:
                    assert f"{name} failed" in str(error)  # noqa: PT017 - the next time there is room
            assert len(lab.gpu.alive) == len(before)
            predictor.close()
            if lab.gpu.fails.pop(name, None) is not None:
                break
        else:
            pytest.fail("every number of allocations was one too few")


def test_a_family_that_does_not_fit_closes_the_backend(lab: Lab, spec: ModelSpec) -> None:
    with pytest.raises(ModelError):
        open_predictor(spec.model_copy(update={"family": "yunet"}), 4)
    with pytest.raises(ModelError):
        hosted(spec.model_copy(update={"classes": ["nothing of that name"]}))


def test_a_gpu_that_does_not_take_the_kernels(
    lab: Lab, spec: ModelSpec, plain_kernels: PlainKernels, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is older than they are infers all the same."""
    frames = [framed(scene(320, 240, seed)) for seed in range(3)]
    predictor, _ = open_predictor(spec, 4)
    predictor.predict(frames)
    expected = predictor.predict(frames)
    predictor.close()
    plain_kernels.launched.clear()
    lab.gpu.fails["module"] = 1
    with caplog.at_level(logging.WARNING, "mpipeline.inference"):
        predictor, _ = open_predictor(spec, 4)
    assert "on the processor: the GPU does not take the kernels: module failed: simulated" in caplog.text
    found = predictor.predict(frames)
    assert predictor.rings is None
    predictor.close()
    assert plain_kernels.launched == []
    for one, other in zip(found, expected, strict=True):
        assert len(one) == len(other) > 0
        np.testing.assert_allclose(one.score, other.score, atol=1e-6)


def test_closed_twice_and_used_behind_it(lab: Lab, spec: ModelSpec) -> None:
    model = hosted(spec)
    model.infer(scene(320, 240))
    model.close()
    model.close()
    with pytest.raises(BackendError, match="closed"):
        model.infer(scene(320, 240))


def test_a_model_whose_options_change_with_each_call_takes_no_more_memory(lab: Lab, spec: ModelSpec) -> None:
    with hosted(spec) as model:
        model.infer(scene(320, 240))
        before = sorted(one.kind for one in lab.gpu.alive)
        for confidence in (0.2, 0.5, 0.4, 0.3):
            model.infer(scene(320, 240), confidence=confidence)
        assert sorted(one.kind for one in lab.gpu.alive).count("module") == before.count("module") == 1
        assert len(lab.gpu.alive) <= len(before)


def test_a_model_that_has_a_thread_for_each_call_takes_no_more_memory(lab: Lab, spec: ModelSpec) -> None:
    with hosted(spec) as model:
        for _ in range(5):
            with ThreadPoolExecutor(1) as pool:
                (found,) = pool.submit(model.infer, scene(320, 240)).result(30)
                assert found["predictions"]
        assert lab.trt.calls.count("create_execution_context") == 1


@pytest.mark.parametrize("call", ["execute_async_v3", "launch", "download"])
def test_a_batch_that_does_not_get_into_the_gpu_gives_no_frame_back(lab: Lab, spec: ModelSpec, call: str) -> None:
    """Though copies of its frames were under way already: each is to be tried alone."""
    predictor, _ = open_predictor(spec, 4)
    given_back: list[Frame] = []
    frames = [framed(scene(320, 240, seed)) for seed in range(2)]
    predictor.begin(frames, None, given_back.extend).findings()
    assert given_back == frames
    given_back.clear()
    lab.trt.refuses.add(call)
    lab.gpu.fails[call] = 1
    with pytest.raises(BackendError, match=call):
        predictor.begin(frames, None, given_back.extend).findings()
    assert given_back == []
    predictor.close()


def test_no_place_is_kept_here_for_an_output_that_stays_there(lab: Lab, spec: ModelSpec) -> None:
    """Page-locked memory is dear. The first batch's output comes down."""
    predictor, _ = open_predictor(spec, 4)
    (output,) = engine_of(lab.folder / "model.onnx", 4)[0].outputs.values()
    size = 4 * output[0][1] * output[0][2]
    for places in (1, 0):
        predictor.predict([framed(scene(320, 240))])
        here = [one.size for one in lab.gpu.alive if one.kind == "page-locked"]
        assert here.count(size) == places
    predictor.close()
