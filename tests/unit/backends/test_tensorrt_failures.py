"""TensorRT, simulated: whatever fails is told with its reason, costs only itself, and leaves nothing behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.simulated_tensorrt import DataType, Severity, TensorFormat
from support.tensorrt_engines import Lab, lab_in, mean_of_images

from mpipeline.errors import BackendError, ModelError, MpipelineError

IMAGES = np.full((2, 3, 8, 8), 5, np.float32)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_in(tmp_path) as made:
        yield made


def nothing_is_under_way(lab: Lab) -> bool:
    """So that memory of a batch that has failed may be written to again."""
    return not any(stream.work for stream in lab.gpu.streams)


@pytest.mark.parametrize("call", ["Runtime", "deserialize_cuda_engine", "create_execution_context"])
def test_a_call_that_gives_nothing_when_it_is_opened(lab: Lab, call: str) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 4))), streams=2)
    lab.trt.refuses = {call}
    with pytest.raises((BackendError, ModelError), match=rf"model\.engine: .*{call} refuses"):
        backend.open()
    assert lab.gpu.alive == []
    lab.trt.refuses = set()
    backend.open()
    assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]
    backend.close()


@pytest.mark.parametrize(
    "call", ["set_optimization_profile_async", "set_input_shape", "set_tensor_address", "execute_async_v3"]
)
def test_a_call_that_says_no_to_a_batch(lab: Lab, call: str) -> None:
    with lab.opened(mean_of_images((1, 1), (1, 4))) as backend:
        lab.trt.refuses = {call}
        for _ in range(2):
            with pytest.raises(BackendError, match=rf"failed on images \[2, 3, 8, 8\] float32: .*{call} refuses"):
                backend.run({"images": IMAGES})
            assert nothing_is_under_way(lab)
        lab.trt.refuses = set()
        assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]


@pytest.mark.parametrize("call", ["enter", "stream", "event"])
def test_cuda_fails_when_it_is_opened(lab: Lab, call: str) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 4))), streams=2)
    for turn in (1, 2) if call != "enter" else (1,):
        lab.gpu.fails = {call: turn}
        with pytest.raises(BackendError, match=f"{call} failed: simulated"):
            backend.open()
        assert lab.gpu.alive == []
    backend.open()
    assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]
    backend.close()


@pytest.mark.parametrize("call", ["allocate", "allocate_host", "upload", "download"])
def test_cuda_fails_in_a_batch(lab: Lab, call: str) -> None:
    with lab.opened(mean_of_images((1, 4))) as backend:
        for turn in (1, 2) if call.startswith("allocate") else (1,):
            lab.gpu.fails = {call: turn}
            with pytest.raises(BackendError, match=rf"failed on images .*{call} failed: simulated"):
                backend.run({"images": IMAGES})
            assert nothing_is_under_way(lab)
        lab.gpu.fails = {}
        assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]


def test_a_gpu_that_breaks(lab: Lab) -> None:
    """After a bad access of memory nothing works in that process any more; it is left all the same."""
    with lab.opened(mean_of_images((1, 4))) as backend:
        lab.gpu.broken = "an illegal memory access was encountered"
        for _ in range(3):
            with pytest.raises(BackendError, match="illegal memory access"):
                backend.run({"images": IMAGES})


def test_more_memory_than_the_gpu_has(lab: Lab) -> None:
    lab.gpu.facts = replace(lab.gpu.facts, total_bytes=10_000)
    with lab.opened(mean_of_images((1, 4))) as backend:
        with pytest.raises(BackendError, match="out of memory"):
            backend.run({"images": np.zeros((4, 3, 64, 64), np.float32)})
        assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]


def test_wrong_inputs(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 4))) as backend:
        for given, message in (
            ({"images": IMAGES.astype(np.float64)}, r"failed on images \[2, 3, 8, 8\] float64: images is float32"),
            ({"pictures": IMAGES}, "failed on pictures .*: the inputs are images"),
            ({}, "the inputs are images"),
            ({"images": IMAGES[0]}, r"failed on images \[3, 8, 8\] float32: the engine was built for images \[1, 3"),
            ({"images": np.zeros((1, 3, 65, 8), np.float32)}, "the engine was built for"),
        ):
            with pytest.raises(BackendError, match=message):
                backend.run(given)
        assert backend.run({"images": IMAGES})["mean"].ravel().tolist() == [5, 5]


def test_files_that_are_no_engine(lab: Lab) -> None:
    (lab.folder / "empty.engine").touch()
    (lab.folder / "other.engine").write_bytes(b"built by another version" * 100)
    (lab.folder / "directory.engine").mkdir()
    for name, message in {
        "missing.engine": "there is no such model file",
        "empty.engine": "is empty",
        "directory.engine": "is no file",
        "other.engine": "TensorRT does not load the engine: .*version tag does not match; an engine works with the",
    }.items():
        with pytest.raises(ModelError, match=message) as error:
            lab.backend(lab.folder / name).open()
        assert str(lab.folder / name) in str(error.value)


def test_engines_that_cannot_be_fed_or_read(lab: Lab) -> None:
    host = mean_of_images((1, 4))
    host.on_host = frozenset({"images"})
    direct = mean_of_images((1, 4))
    direct.format = TensorFormat.CHW32
    searching = mean_of_images((1, 4))
    searching.sizes = lambda shapes: {"mean": (-1, 1)}
    with pytest.raises(ModelError, match="images tells sizes to the engine"):
        lab.backend(lab.engine(host)).open()
    with pytest.raises(ModelError, match="images does not lie row by row"):
        lab.backend(lab.engine(direct)).open()
    with pytest.raises(ModelError, match="images is of type BF16, which cannot be fed or read here"):
        lab.backend(lab.engine(mean_of_images((1, 4), dtype=DataType.BF16))).open()
    with lab.opened(searching) as backend, pytest.raises(BackendError, match="the size of mean depends on what"):
        backend.run({"images": IMAGES})


def test_where_there_is_no_gpu_tensorrt_is_not_touched(lab: Lab) -> None:
    def no_gpu(index: int) -> object:
        raise BackendError("there is no NVIDIA driver")

    def untouched() -> object:
        raise AssertionError("it would have crashed")

    lab.surroundings = replace(lab.surroundings, device=no_gpu, library=untouched)
    with pytest.raises(BackendError, match="there is no NVIDIA driver"):
        lab.backend(lab.engine(mean_of_images((1, 4)))).open()


def test_what_tensorrt_says_goes_into_the_log(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "mpipeline.inference"), lab.opened(mean_of_images((1, 4))):
        lab.trt.say("Using an engine plan file across different models of devices", Severity.WARNING)
        lab.trt.say("Loaded engine size: 1 MiB", Severity.INFO)
    assert [record.levelname for record in caplog.records if "ngine" in record.message] == ["INFO", "DEBUG"]


def test_used_when_it_is_not_open(lab: Lab) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 4))))
    backend.close()
    for _ in range(2):
        with pytest.raises(MpipelineError, match="was not opened, or is closed"):
            backend.run({"images": IMAGES})
        with pytest.raises(MpipelineError, match="was not opened, or is closed"):
            backend.input_memory((1,), IMAGES.dtype)
        backend.open()
        backend.close()
        backend.close()
