"""The shipped fakes keep the contracts that the real kinds keep."""

from __future__ import annotations

import numpy as np
import pytest

from mpipeline.backends.backend import Backend, BackendOptions, FrameBackend
from mpipeline.clock import ManualClock
from mpipeline.errors import BackendError, PredictionRejected, Reason, SinkError, SourceError
from mpipeline.frame import Frame, FrameFormat, FrameMeta, PixelFormat, plane_views
from mpipeline.models.family import Family, ModelOptions
from mpipeline.prediction import Prediction
from mpipeline.sinks.sink import Sink
from mpipeline.sources.source import Source
from mpipeline.testing.fakes import (
    FakeBackend,
    FakeFamily,
    FakeFrameBackend,
    FakeSink,
    FakeSinkOptions,
    FakeSource,
    FakeSourceOptions,
    Store,
    level_of,
    seen,
)


def frame(frame_id: int, source: str = "a") -> Frame:
    format = FrameFormat(PixelFormat.GRAY8, 16, 12)
    meta = FrameMeta(source, frame_id, None, 1, 1, 16, 12)
    return Frame(meta, format, (np.full((12, 16), level_of(frame_id), np.uint8),))


def prediction(frame_id: int, source: str = "a") -> Prediction:
    return Prediction(frame(frame_id, source).meta, seen(1, 16, 12))


def test_levels_of_neighbours_differ() -> None:
    levels = [level_of(n) for n in range(1, 221)]
    assert len(set(levels)) == 220
    assert min(levels) >= 16
    assert max(levels) <= 235


def test_a_source_lives_as_the_contract_says() -> None:
    clock = ManualClock()
    source: Source = FakeSource("cam", FakeSourceOptions(frames=3, rate=10, sizes={3: (32, 20)}), clock)
    info = source.open()
    assert (info.live, info.width, info.height, info.rate, info.frame_count) == (False, 16, 16, 10, 3)
    for number in (1, 2, 3):
        clock.advance(1)
        grabbed = source.grab()
        assert grabbed is not None
        assert grabbed.pts == pytest.approx((number - 1) / 10)
        assert grabbed.captured_ns == clock.monotonic_ns()
        assert grabbed.format.width == (32 if number == 3 else 16)
        planes = plane_views(grabbed.format, np.zeros(grabbed.format.payload_bytes(), np.uint8))
        source.retrieve(planes)
        assert set(planes[0].ravel().tolist()) == {level_of(number)}
    assert source.grab() is None
    source.close()
    source.close()


@pytest.mark.parametrize("retryable", [True, False])
def test_a_source_makes_the_trouble_it_is_told_to(retryable: bool) -> None:
    options = FakeSourceOptions(frames=1, fails_with=Reason.TRUNCATED, retryable=retryable)
    source = FakeSource("cam", options)
    source.open()
    source.grab()
    with pytest.raises(SourceError, match="cam") as failed:
        source.grab()
    assert (failed.value.reason, failed.value.retryable) == (Reason.TRUNCATED, retryable)
    with pytest.raises(SourceError):
        FakeSource("cam", FakeSourceOptions(refuses_with=Reason.NOT_FOUND)).open()


def test_family_and_backend_fit_together() -> None:
    backend = FakeBackend(BackendOptions("fake"))
    with pytest.raises(BackendError):
        backend.run({"fake_images": np.zeros((1, 1, 4, 4), np.float32)})
    real: Backend = backend
    info = real.open()
    assert FakeFamily.matches(info)
    family: Family = FakeFamily(info, ModelOptions())
    batch = np.zeros((2, *family.input_shape), family.input_dtype)
    geometries = [family.preprocess(frame(n), batch[n - 1]) for n in (1, 2)]
    found = family.postprocess(real.run({family.input_name: batch}), geometries)
    assert [one.class_id.tolist() for one in found] == [[level_of(1)], [level_of(2)]]
    assert found[0].xyxy.tolist() == [[0, 0, 16, 12]]
    strict = FakeFamily(info, ModelOptions(confidence=0.6))
    assert [len(one) for one in strict.postprocess(real.run({family.input_name: batch}), geometries)] == [0, 0]
    backend.poison = frozenset({level_of(2)})
    with pytest.raises(BackendError, match=str(level_of(2))):
        real.run({family.input_name: batch})
    real.close()
    real.close()


def test_the_frame_backend_says_the_same() -> None:
    backend: FrameBackend = FakeFrameBackend(BackendOptions("fake"))
    backend.open()
    assert [one.class_id.tolist() for one in backend.infer([frame(3)])] == [[level_of(3)]]
    backend.close()
    backend.close()


def test_what_a_sink_has_written_survives_it() -> None:
    store = Store()
    first: Sink = FakeSink("s", FakeSinkOptions(store=store, wants_frames=True))
    assert first.open(resume=False) == {}
    first.write(prediction(1), frame(1))
    first.write(prediction(1, "b"), None)
    first.write(prediction(2), frame(2))
    second = FakeSink("s", FakeSinkOptions(store=store))
    assert second.open(resume=True) == {"a": 2, "b": 1}
    assert [one.level for one in store.written] == [level_of(1), None, level_of(2)]
    forgetful = FakeSink("s", FakeSinkOptions(store=store, remembers=False))
    assert forgetful.open(resume=True) == {}
    forgetful.end("a")
    assert (store.ids("a"), store.ended) == ([1, 2], ["a"])
    assert FakeSink("s", FakeSinkOptions(store=store)).open(resume=False) == {}
    assert store.written == []


def test_a_sink_rejects_and_refuses() -> None:
    sink = FakeSink("s", FakeSinkOptions(rejects=frozenset({2})))
    with pytest.raises(SinkError):
        sink.write(prediction(1), None)
    sink.open(resume=False)
    with pytest.raises(PredictionRejected):
        sink.write(prediction(2), None)
    sink.close()
    sink.close()
    with pytest.raises(SinkError):
        sink.write(prediction(3), None)
