"""Families and backends joined."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from support.predictions import meta

from mpipeline.backends.backend import BackendOptions
from mpipeline.errors import BackendError, GpuLost
from mpipeline.frame import Frame, FrameFormat, PixelFormat
from mpipeline.models.family import ModelOptions
from mpipeline.testing.fakes import FakeBackend, FakeFamily, FakeFrameBackend
from mpipeline.workers.predictor import FramePredictor, TensorPredictor, Work
from mpipeline.workers.ways import HostWay, rows_of_way


def frame(level: int) -> Frame:
    format = FrameFormat(PixelFormat.GRAY8, 20, 10)
    return Frame(meta(size=(20, 10)), format, (np.full((10, 20), level, np.uint8),))


def joined(max_batch: int, fixed: int | None = None) -> tuple[TensorPredictor, FakeBackend]:
    backend = FakeBackend(BackendOptions("fake"))
    family = FakeFamily(backend.open(), ModelOptions())
    family.batch = fixed
    return of([family], backend, max_batch), backend


def of(families: list[FakeFamily], backend: FakeBackend, max_batch: int) -> TensorPredictor:
    rows = rows_of_way(families[0], max_batch, len(families))
    return TensorPredictor([HostWay(one, backend, rows) for one in families], backend, max_batch, families[0].batch)


@pytest.mark.parametrize(
    ("max_batch", "fixed", "frames", "batches"),
    [(4, None, 3, [3]), (4, None, 4, [4]), (4, 2, 3, [2, 2]), (3, 2, 3, [2, 2]), (1, 4, 1, [4]), (2, 1, 2, [1, 1])],
)
def test_each_frame_gets_its_own_result(max_batch: int, fixed: int | None, frames: int, batches: list[int]) -> None:
    predictor, backend = joined(max_batch, fixed)
    for turn in range(3):
        levels = [10 * turn + 3 * i + 1 for i in range(frames)]
        found = predictor.predict([frame(level) for level in levels])
        assert [one.class_id.tolist() for one in found] == [[level] for level in levels]
        assert found[0].xyxy.tolist() == [[0, 0, 20, 10]]
    assert backend.batches == batches * 3


@pytest.mark.parametrize(
    ("fixed", "frames", "batches"), [(None, 5, [3, 2]), (None, 1, [1]), (1, 5, [1, 1, 1, 1, 1]), (2, 5, [2, 2, 2])]
)
def test_frames_are_shared_out_among_threads(fixed: int | None, frames: int, batches: list[int]) -> None:
    backend = FakeBackend(BackendOptions("fake", streams=2))
    families = [FakeFamily(backend.open(), ModelOptions()) for _ in range(2)]
    for family in families:
        family.batch = fixed
    predictor = of(families, backend, 6)
    for turn in range(20):
        backend.batches.clear()
        levels = [10 * turn + 3 * i + 1 for i in range(frames)]
        found = predictor.predict([frame(level % 256) for level in levels])
        assert [one.class_id.tolist() for one in found] == [[level % 256] for level in levels]
        assert sorted(backend.batches, reverse=True) == batches
    predictor.close()


def test_further_inputs_are_given_for_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(BackendOptions("fake"))
    family = FakeFamily(backend.open(), ModelOptions())
    family.batch = 2
    family.constants = {"sizes": np.array([4, 3], np.int64)}
    given, run = [], backend.run
    monkeypatch.setattr(backend, "run", lambda inputs: (given.append(inputs["sizes"].tolist()), run(inputs))[1])
    of([family], backend, 4).predict([frame(1), frame(2), frame(3)])
    assert given == [[[4, 3]] * 2] * 2


@pytest.mark.parametrize("poison", [1, 4])
def test_a_failure_waits_for_the_other_threads(poison: int) -> None:
    """Who calls gives the pixels back afterwards."""
    backend = FakeBackend(BackendOptions("fake", streams=2))
    families = [FakeFamily(backend.open(), ModelOptions()) for _ in range(2)]
    predictor = of(families, backend, 4)
    backend.poison = frozenset([poison])
    active = []
    later = threading.Event()
    threading.Timer(0.1, later.set).start()
    run = backend.run

    def watched(inputs: Any) -> Any:
        active.append(1)
        found = run(inputs)  # the one that fails is gone before the other has finished
        later.wait(30)
        active.pop()
        return found

    backend.run = watched  # type: ignore[method-assign]
    with pytest.raises(BackendError, match=f"cannot bear level {poison}"):
        predictor.predict([frame(level) for level in (1, 2, 3, 4)])
    assert len(active) == 1  # that of the one that failed
    predictor.close()


def test_work_may_be_begun_while_other_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(BackendOptions("fake", streams=2))
    families = [FakeFamily(backend.open(), ModelOptions()) for _ in range(2)]
    users: dict[int, set[int]] = {}
    for number, family in enumerate(families):
        seen = users.setdefault(number, set())
        preprocess = family.preprocess
        monkeypatch.setattr(
            family, "preprocess", lambda *a, seen=seen, of=preprocess: (seen.add(threading.get_ident()), of(*a))[1]
        )
    predictor = of(families, backend, 4)
    told = threading.Semaphore(0)
    for turn in range(50):
        first, second = 4 * turn + 1, 4 * turn + 3
        works = [predictor.begin([frame(at), frame(at + 1)], told.release) for at in (first, second)]
        found = [one.class_id.tolist() for work in works for one in work.findings()]
        assert found == [[first], [first + 1], [second], [second + 1]]
        assert all(work.is_done() for work in works)
        assert all(told.acquire(timeout=10) for _ in works)
    assert all(len(one) <= 1 for one in users.values())  # no family is used by two threads
    predictor.close()


def test_closing_gives_up_what_has_not_had_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend(BackendOptions("fake", streams=2))
    families = [FakeFamily(backend.open(), ModelOptions()) for _ in range(2)]
    predictor = of(families, backend, 2)
    busy, go_on, run = threading.Semaphore(0), threading.Event(), backend.run

    def slow(inputs: Any) -> Any:
        busy.release()
        assert go_on.wait(30)
        return run(inputs)

    monkeypatch.setattr(backend, "run", slow)
    first, second = predictor.begin([frame(1), frame(2)]), predictor.begin([frame(3), frame(4)])
    assert busy.acquire(timeout=30)
    assert busy.acquire(timeout=30)
    threading.Timer(0.05, go_on.set).start()
    predictor.close()
    assert first.is_done()
    assert second.is_done()
    assert sorted(backend.batches) == [1, 1]


def test_work_keeps_neither_findings_nor_pixels() -> None:
    predictor, _ = joined(4)
    seen = frame(1)
    pixels = weakref.ref(seen.planes[0])
    work = predictor.begin([seen])
    gc.disable()
    try:
        found = weakref.ref(work.findings()[0].xyxy)
        del seen
        assert pixels() is None
        assert found() is None
    finally:
        gc.enable()
    assert work.is_done()


@pytest.mark.parametrize("kind", [BackendError, GpuLost, KeyError])
def test_frames_that_fail_wait_for_no_collection(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the ring in which they lie."""
    predictor, backend = joined(4)

    def fail(_: object) -> Any:
        raise kind("no")

    monkeypatch.setattr(backend, "run", fail)
    seen = frame(1)
    pixels = weakref.ref(seen.planes[0])
    gc.disable()
    try:
        with suppress(BackendError, KeyError):
            predictor.begin([seen]).findings()
        del seen
        assert pixels() is None
    finally:
        gc.enable()


def test_a_gpu_that_is_lost_is_told_before_what_failed_of_it() -> None:
    parts: list[Future[Any]] = [Future() for _ in range(3)]
    parts[0].set_exception(BackendError("no memory"))
    parts[1].set_result([])
    parts[2].set_exception(GpuLost("an illegal memory access"))
    with pytest.raises(GpuLost, match="illegal memory access"):
        Work(parts).findings()
    with pytest.raises(BackendError, match="no memory"):
        Work(parts[:2]).findings()


def test_without_threads_work_is_done_when_it_is_begun() -> None:
    predictor, backend = joined(4)
    backend.poison = frozenset([2])
    assert predictor.begin([frame(1)]).is_done()
    failed = predictor.begin([frame(2)])
    assert failed.is_done()
    with pytest.raises(BackendError, match="cannot bear level 2"):
        failed.findings()


def test_closing_closes_the_backend() -> None:
    predictor, _ = joined(2)
    predictor.close()
    with pytest.raises(BackendError):
        predictor.predict([frame(1)])


def test_frames_as_they_are() -> None:
    predictor = FramePredictor(FakeFrameBackend(BackendOptions("fake")), 8)
    assert [one.class_id.tolist() for one in predictor.predict([frame(5), frame(6)])] == [[5], [6]]
    predictor.close()


def test_a_backend_that_loses_a_frame_is_an_error() -> None:
    backend: Any = FakeFrameBackend(BackendOptions("fake"))
    backend.infer = lambda frames: []
    with pytest.raises(BackendError, match="0 results for 1 frames"):
        FramePredictor(backend, 8).predict([frame(5)])
