"""Ids for a whole run: from 1 for each source, never twice, across sizes, failures, predecessors, repeated frames."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import BaseModel
from support.findings import single_label
from support.predictions import failure
from support.tracks import boxes, frame

import mpipeline.trackers
from mpipeline.clock import ManualClock
from mpipeline.config.tracker import TrackerSpec
from mpipeline.frame import FrameMeta
from mpipeline.prediction import Detections, Prediction
from mpipeline.workers.tracking import Tracking, seconds_between


class Options(BaseModel):
    """`fails_at`: the frame at which it raises; `answers`: what it gives instead of ids."""

    fails_at: int = 0
    answers: Any = None


class Counting:
    """The first box of each frame is object 0, the second object 1, and so on; the last one is never tracked."""

    Options: ClassVar[type[BaseModel]] = Options
    made: ClassVar[list[Counting]] = []

    def __init__(self, options: Options, rate: float) -> None:
        self.options, self.rate = options, rate
        self.times: list[float] = []
        self.made.append(self)

    def update(self, detections: Detections, frame: FrameMeta, time_s: float) -> npt.NDArray[np.int64]:
        self.times.append(time_s)
        if frame.frame_id == self.options.fails_at:
            raise ValueError("matrix contains invalid numeric entries")
        ids = np.arange(len(detections), dtype=np.int64)
        ids[-1:] = -1
        return ids if self.options.answers is None else np.array(self.options.answers)


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    monkeypatch.setitem(mpipeline.trackers.KINDS, "counting", f"{__name__}:Counting")
    Counting.made.clear()
    return Counting.made


def tracking(*, continues: bool = False, **options: Any) -> Tracking:
    return Tracking(TrackerSpec.from_mapping({"kind": "counting", **options}), ManualClock(), continues=continues)


def ids(found: Tracking, meta: FrameMeta, count: int = 3) -> list[int]:
    given = Prediction(meta, boxes(*[(i, i, i + 9, i + 9) for i in range(count)]))
    tracked = found.tracked(given, every_frame=True)
    assert tracked.frame is meta
    assert tracked.detections is not None
    assert tracked.detections.tracker_id is not None
    assert tracked.detections.xyxy is given.detections.xyxy  # type: ignore[union-attr]
    return tracked.detections.tracker_id.tolist()


def other(meta: FrameMeta, source: str) -> FrameMeta:
    return FrameMeta(source, *[getattr(meta, name) for name in list(FrameMeta.__slots__)[1:]])


def test_ids_count_from_one_for_each_source() -> None:
    found = tracking()
    assert ids(found, frame(1)) == [1, 2, -1]
    assert ids(found, other(frame(1), "b"), 2) == [1, -1]
    assert ids(found, frame(2), 0) == []
    assert ids(found, frame(3)) == [1, 2, -1]


def test_what_has_no_boxes_is_left_as_it_is() -> None:
    found = tracking()
    failed = failure(frame(1))
    assert found.tracked(failed, every_frame=True) is failed
    classified = Prediction.of(frame(2), single_label())
    assert found.tracked(classified, every_frame=True) is classified


def test_a_live_stream_that_begins_late_counts_from_one_too() -> None:
    assert ids(tracking(), frame(4711)) == [1, 2, -1]


def test_behind_a_predecessor_ids_begin_where_it_cannot_have_come() -> None:
    found = tracking(continues=True)
    assert ids(found, frame(58)) == [57_001, 57_002, -1]
    assert ids(found, frame(59)) == [57_001, 57_002, -1]
    assert ids(found, other(frame(1), "b"))[0] == 1


def test_another_size_is_another_scene(counting: list[Counting]) -> None:
    found = tracking()
    assert ids(found, frame(1)) == [1, 2, -1]
    assert ids(found, frame(2, width=1280, height=720)) == [3, 4, -1]
    assert len(counting) == 3  # one to see whether one can be made, and one for each size


def test_a_frame_that_comes_again_is_not_counted_again(counting: list[Counting]) -> None:
    found = tracking()
    assert ids(found, frame(5)) == [1, 2, -1]
    assert ids(found, frame(4)) == ids(found, frame(5)) == [-1, -1, -1]
    assert ids(found, frame(6)) == [1, 2, -1]
    assert len(counting[-1].times) == 2


@pytest.mark.parametrize("wrong", [{"fails_at": 3}, {"answers": [7]}, {"answers": [[1, 2, 3]]}, {"answers": "abc"}])
def test_a_tracker_that_fails_costs_its_tracks_and_no_frame(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    found = tracking(**wrong)
    before = [ids(found, frame(1)), ids(found, frame(2))]
    assert ids(found, frame(3)) == [-1, -1, -1]
    after = ids(found, frame(4))
    found.close()
    assert "tracker 'counting' failed, its tracks are lost" in caplog.text
    if "fails_at" in wrong:
        assert (before, after) == ([[1, 2, -1]] * 2, [3, 4, -1])


def test_a_source_that_has_ended_is_forgotten(counting: list[Counting]) -> None:
    found = tracking()
    ids(found, frame(1))
    found.end("a")
    found.end("never seen")
    ids(found, frame(2))
    assert len(counting) == 3


def test_time_goes_on_with_the_scene(counting: list[Counting]) -> None:
    found = tracking()
    for frame_id in (1, 2, 4, 304):
        ids(found, frame(frame_id, rate=10.0))
    assert counting[-1].times == pytest.approx([0, 0.1, 0.3, 30.3])
    assert counting[-1].rate == 10.0


def test_time_never_stands_still_or_goes_back(counting: list[Counting]) -> None:
    found = tracking()
    for frame_id, pts in enumerate((5.0, 5.0, 1.0, 1.0), 1):
        ids(found, frame(frame_id, pts=pts, captured_ns=0))
    assert (np.diff(counting[-1].times) > 0).all()


NOW = 10_000_000_000  # ns


@pytest.mark.parametrize(
    ("pts", "arrived_s", "every_frame", "expected"),
    [
        pytest.param((4.0, 4.04), 0.5, True, 0.04, id="a file, slowly inferred"),
        pytest.param((4.0, 64.0), 0.01, True, 60.0, id="a film with a hole"),
        pytest.param((None, None), 0.5, True, 0.04, id="a raw file: by the number of frames"),
        pytest.param((4.0, 4.04), 0.06, False, 0.04, id="a live stream, with jitter"),
        pytest.param((4.0, 0.2), 20.0, False, 20.0, id="a camera that reconnects counts from 0"),
        pytest.param((0.1, 0.2), 20.0, False, 20.0, id="or seems to go on"),
        pytest.param((4.0, 3604.0), 0.04, False, 0.04, id="times that jump by an hour"),
        pytest.param((None, None), 20.0, False, 20.0, id="a live stream without times"),
        pytest.param((4.0, 0.0), 0.04, True, 0.04, id="every frame of a camera that reconnects"),
    ],
)
def test_how_much_time_has_passed(
    pts: tuple[float | None, float | None], arrived_s: float, every_frame: bool, expected: float
) -> None:
    before = frame(7, rate=25.0, pts=pts[0], captured_ns=NOW)
    after = frame(8, rate=25.0, pts=pts[1], captured_ns=NOW + int(arrived_s * 1e9))
    assert seconds_between(before, after, every_frame) == pytest.approx(expected)
