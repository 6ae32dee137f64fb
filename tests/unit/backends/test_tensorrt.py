"""TensorRT, simulated on a GPU that is simulated: sizes, profiles, types, and what is under way at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.leftovers import wait_until
from support.simulated_tensorrt import DataType, EngineFile
from support.tensorrt_engines import Lab, lab_in, mean_of_images

from mpipeline.errors import BackendError, ConfigError
from mpipeline.tensor import TensorSpec

F16, F32 = np.dtype(np.float16), np.dtype(np.float32)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_in(tmp_path) as made:
        yield made


def images(*levels: float, side: int = 8, dtype: str = "float32") -> np.ndarray:
    return np.stack([np.full((3, side, side), level, dtype) for level in levels])


def test_it_says_what_the_engine_wants_and_how_it_is_executed(lab: Lab) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 8))), streams=2)
    info = backend.open()
    assert info.inputs == (TensorSpec("images", (None, 3, None, None), F32),)
    assert info.outputs == (TensorSpec("mean", (None, 1), F32),)
    assert info.max_batch == 8
    assert str(info.execution) == (
        "TensorRT 10.3.0 infers in the precision it was built in on GPU 0 (Simulated, compute capability 8.7), "
        "2 batches at a time"
    )
    backend.close()


def test_sides_that_all_profiles_agree_on_are_not_open(lab: Lab) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 1), (1, 4), sides=(8, 8))))
    info = backend.open()
    assert info.inputs[0].shape == (None, 3, 8, 8)
    assert info.max_batch == 4
    backend.close()
    fixed = lab.backend(lab.engine(mean_of_images(shape=(2, 3, 8, 8))))
    info = fixed.open()
    assert (info.inputs[0].shape, info.outputs[0].shape, info.max_batch) == ((2, 3, 8, 8), (2, 1), None)
    assert fixed.run({"images": images(1, 2)})["mean"].tolist() == [[1], [2]]
    fixed.close()


@pytest.mark.parametrize(("dtype", "kind"), [("float32", DataType.FLOAT), ("float16", DataType.HALF)])
def test_batches_and_sizes_of_all_kinds(lab: Lab, dtype: str, kind: DataType) -> None:
    with lab.opened(mean_of_images((1, 8), dtype=kind)) as backend:
        for count, side in ((1, 8), (8, 64), (3, 4), (3, 16), (8, 8), (1, 8)):
            found = backend.run({"images": images(*range(count), side=side, dtype=dtype)})["mean"]
            assert found.dtype == dtype
            assert found.ravel().tolist() == list(range(count))


def test_the_smallest_profile_that_fits_is_used(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 1), (1, 4), (4, 16))) as backend:
        for count in (1, 1, 4, 3, 16, 2):
            found = backend.run({"images": images(*range(count))})["mean"]
            assert found.ravel().tolist() == list(range(count))
        assert lab.trt.calls.count("set_optimization_profile_async") == 3  # to 4, to 16, to 4 again
        with pytest.raises(
            BackendError, match=r"built for images \[1, 3, 4, 4\] to \[1, 3, 64, 64\]; or images .*\[16"
        ):
            backend.run({"images": images(*range(17))})
        assert backend.run({"images": images(5)})["mean"].tolist() == [[5]]


def test_any_number_of_inputs_and_outputs(lab: Lab) -> None:
    file = EngineFile(
        {"a": ((2, 3), DataType.FLOAT), "b": ((2,), DataType.INT64)},
        {
            "sum": ((2, 3), DataType.FLOAT),
            "large": ((2, 3), DataType.BOOL),
            "b8": ((2,), DataType.UINT8),
            "nothing": ((0, 4), DataType.INT32),
        },
        lambda given: {
            "sum": given["a"] + given["b"][:, None],
            "large": given["a"] > 2,
            "b8": given["b"],
            "nothing": np.empty((0, 4)),
        },
        lambda _: {"sum": (2, 3), "large": (2, 3), "b8": (2,), "nothing": (0, 4)},
    )
    with lab.opened(file) as backend:
        found = backend.run({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([10, 20])})
        assert list(found) == ["sum", "large", "b8", "nothing"]
        assert found["sum"].tolist() == [[10, 11, 12], [23, 24, 25]]
        assert found["large"].tolist() == [[False] * 3, [True] * 3]
        assert found["b8"].tolist() == [10, 20]
        assert found["nothing"].shape == (0, 4)


def test_inputs_of_any_memory(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 8))) as backend:
        wide = images(0, 1, 2, 3, side=16)
        fixed = wide.copy()
        fixed.flags.writeable = False
        for given in (wide[:, :, ::2, ::2], wide.transpose(0, 1, 3, 2), fixed, wide):
            assert backend.run({"images": given})["mean"].ravel().tolist() == [0, 1, 2, 3]


def test_what_is_made_in_its_own_memory_goes_up_from_there(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 8))) as backend:
        rows = backend.input_memory((8, 3, 8, 8), F32)
        assert not rows.any()
        for start, count in ((0, 8), (2, 3), (7, 1)):
            rows[start : start + count] = images(*range(count))
            assert backend.run({"images": rows[start : start + count]})["mean"].ravel().tolist() == list(range(count))
        others = images(4, 5)
        assert backend.run({"images": others})["mean"].ravel().tolist() == [4, 5]
        sizes = {place.size for place in lab.gpu.alive if getattr(place, "kind", "") == "page-locked"}
        assert rows.nbytes in sizes
        assert max(sizes - {rows.nbytes}) == others.nbytes  # nothing was copied of the rest


def test_an_integrated_gpu_copies_nothing(lab: Lab) -> None:
    lab.gpu.facts = replace(lab.gpu.facts, integrated=True)
    lab.gpu.fails = {"upload": 1, "download": 1}
    with lab.opened(mean_of_images((1, 8))) as backend:
        rows = backend.input_memory((4, 3, 8, 8), F32)
        for count in (2, 8, 1):
            assert backend.run({"images": images(*range(count))})["mean"].ravel().tolist() == list(range(count))
            rows[:2] = images(count, 7)
            assert backend.run({"images": rows[:2]})["mean"].ravel().tolist() == [count, 7]
        assert "device" not in {getattr(one, "kind", "") for one in lab.gpu.alive}


def test_several_batches_are_under_way_at_once(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 8)), streams=2) as backend, ThreadPoolExecutor(2) as pool:
        barrier = threading.Barrier(2)

        def infer(level: int) -> list[float]:
            backend.run({"images": images(level)})
            barrier.wait(30)
            return backend.run({"images": images(level, level)})["mean"].ravel().tolist()

        jobs = [pool.submit(infer, level) for level in (1, 2)]
        assert [job.result(30) for job in jobs] == [[1, 1], [2, 2]]
        lab.gpu.go.clear()
        lab.gpu.most_busy = 0
        jobs = [pool.submit(backend.run, {"images": images(level)}) for level in (3, 4)]
        wait_until(lambda: lab.gpu.most_busy == 2, "two batches in the streams")
        assert not any(job.done() for job in jobs)
        lab.gpu.go.set()
        assert sorted(job.result(30)["mean"].item() for job in jobs) == [3, 4]


def test_no_more_lanes_than_a_gpu_can_use(lab: Lab) -> None:
    backend = lab.backend(lab.engine(mean_of_images((1, 8))), streams=8)
    info = backend.open()
    assert info.execution is not None
    assert info.execution.streams == 3
    assert lab.trt.calls.count("create_execution_context") == 3
    backend.close()


def test_a_thread_more_than_was_said_has_a_lane_too(lab: Lab) -> None:
    with lab.opened(mean_of_images((1, 8))) as backend, ThreadPoolExecutor(1) as pool:
        first = backend.run({"images": images(1)})["mean"]
        assert pool.submit(backend.run, {"images": images(2)}).result(30)["mean"].item() == 2
        assert first.item() == 1


def test_the_lane_of_a_thread_that_has_ended_is_another_s(lab: Lab) -> None:
    """A server may have a thread for each request."""
    with lab.opened(mean_of_images((1, 8))) as backend:
        for level in range(1, 6):
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(backend.run, {"images": images(level)}).result(30)["mean"].item() == level
        assert lab.trt.calls.count("create_execution_context") == 1


def test_metadata_before_the_engine(lab: Lab) -> None:
    path = lab.engine(mean_of_images((1, 8)))
    header = json.dumps({"stride": 32, "names": {"0": "person"}, "task": "detect"}).encode()
    path.write_bytes(len(header).to_bytes(4, "little") + header + path.read_bytes())
    backend = lab.backend(path)
    assert backend.open().metadata == {"stride": "32", "names": '{"0": "person"}', "task": "detect"}
    backend.close()


def test_only_a_gpu(lab: Lab) -> None:
    for device in ("cpu", "cuda:", "gpu", "cuda:x"):
        with pytest.raises(ConfigError, match="device is 'auto', 'cuda' or 'cuda:1' and so on, not"):
            lab.backend(Path("m.engine"), device=device)


def test_the_gpu_that_is_asked_for(lab: Lab) -> None:
    asked = []
    lab.surroundings = replace(lab.surroundings, device=lambda index: asked.append(index) or lab.gpu.facts)
    for device in ("auto", "cuda", "cuda:0", "cuda:3"):
        with lab.opened(mean_of_images((1, 8)), device=device):
            pass
    assert asked == [0, 0, 0, 3]


def test_cuda_graphs_where_the_library_makes_them(lab: Lab) -> None:
    lab.trt.__name__ = "tensorrt_rtx"
    lab.trt.CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
    for refuses, strategy in ((set(), "whole"), ({"create_runtime_config"}, None)):
        lab.trt.refuses = refuses
        with lab.opened(mean_of_images((1, 8))) as backend:
            assert lab.trt.strategy == strategy
            assert backend.run({"images": images(3)})["mean"].item() == 3
    backend = lab.backend(lab.engine(mean_of_images((1, 8))))
    assert str(backend.open().execution).startswith("TensorRT-RTX 10.3.0 infers")
    backend.close()
