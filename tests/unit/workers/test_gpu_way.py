"""Frames of rings through a simulated GPU: what is found, and when their slots are given back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gpu_bench import GpuBench, expected, kinds
from support.inference_bench import FORMAT
from support.leftovers import wait_until
from support.plain_kernels import PlainKernels
from support.tensorrt_engines import Lab, lab_in

from mpipeline.errors import GpuLost
from mpipeline.messages import RingRetired
from mpipeline.ring.reader import RingReader
from mpipeline.testing.fakes import level_of
from mpipeline.workers.journal import Journal

Make = Callable[..., GpuBench]


@pytest.fixture
def lab(tmp_path: Path, plain_kernels: PlainKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab_in(tmp_path, plain_kernels.by_name, monkeypatch) as made:
        yield made


@pytest.fixture
def bench_of(lab: Lab) -> Iterator[Make]:
    """Makes benches, which are closed at the end."""
    with ExitStack() as made:

        def make(every_frame: bool, **more: Any) -> GpuBench:
            bench = GpuBench(lab, every_frame, **more)
            made.callback(bench.close)
            return bench

        yield make
        lab.gpu.go.set()


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("streams", [1, 2])
def test_what_is_found(lab: Lab, bench_of: Make, integrated: bool, streams: int) -> None:
    lab.gpu.facts = replace(lab.gpu.facts, integrated=integrated)
    bench = bench_of(every_frame=True, streams=streams)
    for ids in ((1,), (2, 3, 4), (5, 6), (7, 8, 9, 10)):
        bench.infer(*ids)
    assert bench.levels() == expected(*range(1, 11))
    assert kinds(lab).count("registered") == 1


def test_the_planes_go_up_from_the_slot(lab: Lab, bench_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(every_frame=True)
    bench.infer(1)
    uploaded, upload = [], lab.gpu.upload
    ring = RingReader(bench.ring.descriptor, 3).memory
    monkeypatch.setattr(lab.gpu, "upload", lambda to, one, stream: (uploaded.append(one), upload(to, one, stream)))
    downloaded, download = [], lab.gpu.download
    monkeypatch.setattr(lab.gpu, "download", lambda to, *rest: (downloaded.append(to.nbytes), download(to, *rest)))
    bench.infer(2, 3)
    frames = [one for one in uploaded if one.nbytes == FORMAT.payload_bytes()]
    assert len(frames) == 2
    registered = [one for one in lab.gpu.alive if one.kind == "registered"]
    assert all(np.shares_memory(one, registered[0].array) for one in frames)
    assert not registered[0].array.flags.writeable
    assert registered[0].array.nbytes == ring.nbytes
    assert len(downloaded) == 1  # the boxes; neither the output, nor the one that nobody reads


@pytest.mark.parametrize("integrated", [False, True])
def test_a_slot_is_given_back_as_soon_as_its_frame_is_up(lab: Lab, bench_of: Make, integrated: bool) -> None:
    """What is written there then does not reach the model."""
    lab.gpu.facts = replace(lab.gpu.facts, integrated=integrated)
    bench = bench_of(every_frame=False, slots=1)
    free: list[bool] = []
    bench.model.looks = lambda: free.append(bench.spoil())
    for frame_id in (1, 2, 3):
        bench.infer(frame_id)
    assert free == [True] * 3
    assert bench.levels() == expected(1, 2, 3)


@pytest.mark.parametrize("integrated", [False, True])
def test_a_slot_that_the_gpu_reads_itself_is_kept_until_it_has(lab: Lab, bench_of: Make, integrated: bool) -> None:
    """What is copied is written to as soon as it is up; what is not, not before the kernel has read it."""
    lab.gpu.facts = replace(lab.gpu.facts, integrated=integrated)
    kernel, free = lab.gpu.kernels["preprocess_f32"], []

    def late(*given: object) -> object:
        free.append(bench.spoil())
        return kernel(*given)

    lab.gpu.kernels["preprocess_f32"] = late
    bench = bench_of(every_frame=False, slots=1)
    for frame_id in (1, 2, 3):
        bench.infer(frame_id)
    assert free == [not integrated] * 3
    assert bench.levels() == expected(1, 2, 3)


@pytest.mark.parametrize(("every_frame", "bit"), [(True, -1), (False, 1)], ids=["owed", "wanted by a sink"])
def test_a_slot_is_kept_that_somebody_else_needs(lab: Lab, bench_of: Make, every_frame: bool, bit: int) -> None:
    bench = bench_of(every_frame, slots=1, bit=bit)
    free: list[bool] = []
    bench.model.looks = lambda: free.append(bench.spoil())
    bench.infer(1)
    assert free == [False]
    assert bench.levels() == expected(1)


@pytest.mark.parametrize("reason", ["limit", "refused", "cannot"])
def test_a_ring_that_is_not_page_locked_is_copied(
    lab: Lab, bench_of: Make, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    if reason == "cannot":
        lab.gpu.facts = replace(lab.gpu.facts, registers=False)
    elif reason == "refused":
        lab.gpu.fails["register"] = 1
    with caplog.at_level(logging.INFO, "mpipeline.inference"):
        bench = bench_of(every_frame=True, page_locked_mb=0 if reason == "limit" else 1)
    said = {
        "limit": "of the 0 MB that model.page_locked_mb allows",
        "refused": "register failed",
        "cannot": "page-locks no memory",
    }
    assert "is not page-locked for the GPU, its frames are copied once more: " in caplog.text
    assert said[reason] in caplog.text
    for ids in ((1,), (2, 3, 4)):
        bench.infer(*ids)
    assert bench.levels() == expected(1, 2, 3, 4)
    assert "registered" not in kinds(lab)


def test_a_copied_frame_of_a_live_source_is_given_back_too(lab: Lab, bench_of: Make) -> None:
    bench = bench_of(every_frame=False, slots=1, page_locked_mb=0)
    free: list[bool] = []
    bench.model.looks = lambda: free.append(bench.spoil())
    bench.infer(1)
    assert free == [True]


def test_a_ring_that_is_retired_stays_until_its_frames_are_up(lab: Lab, bench_of: Make) -> None:
    bench = bench_of(every_frame=True, streams=2)
    bench.infer(1)
    lab.gpu.go.clear()
    bench.publish(2)
    bench.loop.step()
    wait_until(lambda: any(stream.work for stream in lab.gpu.streams), "the frame is on its way")
    bench.loop.rings.obey(RingRetired(bench.ring.descriptor.segment), 0)
    assert kinds(lab).count("registered") == 1
    lab.gpu.go.set()
    wait_until(lambda: "registered" not in kinds(lab), "the ring is ordinary memory")


def test_a_ring_is_page_locked_again_when_it_comes_again(lab: Lab, bench_of: Make) -> None:
    bench = bench_of(every_frame=True)
    bench.infer(1)
    bench.loop.close()
    bench.begin()
    bench.report()
    bench.infer(2)
    assert bench.levels()[2] == level_of(2)
    assert kinds(lab).count("registered") == 1


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_batch_that_is_refused_is_tried_again(lab: Lab, bench_of: Make, every_frame: bool) -> None:
    bench = bench_of(every_frame)
    bench.infer(1)
    lab.trt.refuses.add("execute_async_v3")
    bench.infer(2)
    lab.trt.refuses.clear()
    bench.infer(3)
    assert bench.levels() == expected(1, 3)
    assert "execute_async_v3 refuses" in bench.failures()[2]


@pytest.mark.parametrize("every_frame", [True, False])
def test_a_gpu_that_breaks_ends_the_worker(lab: Lab, bench_of: Make, tmp_path: Path, every_frame: bool) -> None:
    """And the next one finds in the journal what was in the model; what is still in the ring is inferred again."""
    bench = bench_of(every_frame)
    bench.loop.close()
    path = str(tmp_path / "journal")
    bench.begin(Journal(path))
    bench.report()
    bench.infer(1)

    def fail() -> None:
        lab.gpu.broken = "an illegal memory access was encountered"

    bench.model.looks = fail
    bench.publish(2)
    with pytest.raises(GpuLost, match="illegal memory access"):
        bench.loop.step()
    bench.loop.close()
    lab.gpu.broken, bench.model.looks = "", lambda: None
    journal = Journal(path, blamed=True, incarnation=2)
    assert journal.deaths("a", 2) == 1
    bench.begin(journal)
    bench.report()
    bench.loop.step()
    bench.report()
    assert bench.levels() == expected(*([2] if every_frame else []))
    assert bench.reasons() == ({} if every_frame else {"crashed": 1})


@pytest.mark.parametrize("every_frame", [True, False])
def test_two_whole_batches_are_under_way(lab: Lab, bench_of: Make, every_frame: bool) -> None:
    bench = bench_of(every_frame, streams=2)
    bench.infer(1)
    lab.gpu.go.clear()
    for frame_id in (2, 3, 4):
        bench.publish(frame_id)
        bench.loop.step()
    wait_until(lambda: sum(bool(stream.work) for stream in lab.gpu.streams) == 2, "two batches")
    assert len(bench.predictions()) == 1
    lab.gpu.go.set()
    wait_until(lambda: (bench.loop.step(), bench.loop.progress == 4)[1], "the frames are through")
    assert bench.levels() == expected(1, 2, 3, 4)
    assert bench.model.batches == [1, 1, 1, 1]
    bench.report()
    bench.infer(5, 6, 7) if every_frame else bench.infer(5)
    assert bench.model.batches[4:] == ([3] if every_frame else [1])


def test_a_live_frame_that_does_not_come_up_is_inferred_by_the_next_worker(
    lab: Lab, bench_of: Make, tmp_path: Path
) -> None:
    bench = bench_of(every_frame=False)
    bench.infer(1)
    lab.gpu.broken = "an illegal memory access was encountered"
    bench.publish(2)
    with pytest.raises(GpuLost, match="illegal memory access"):
        bench.loop.step()
    bench.loop.close()
    lab.gpu.broken = ""
    bench.begin()
    bench.report()
    bench.loop.step()
    bench.report()
    assert bench.levels() == expected(2)
    assert bench.reasons() == {}
