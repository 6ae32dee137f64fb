"""A ring is cut while a batch of its frames is in the model, and a drop finds it out while they are published."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.damaging import damage
from support.inference_bench import Bench

from mpipeline.frame import Frame
from mpipeline.messages import SinkAdded
from mpipeline.prediction import Detections


def test_nobody_waits_for_frames_of_a_ring_that_is_given_up_in_the_middle_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(every_frame=True, bit=2)
    bench.loop.add_sink(SinkAdded("lossy", 1, "drop_oldest", "drop_oldest", 2))
    predict = bench.predictor.predict

    def cut_behind(frames: Sequence[Frame]) -> list[Detections]:
        found = predict(frames)
        damage(bench.ring.descriptor.segment, "emptied")
        return found

    monkeypatch.setattr(bench.predictor, "predict", cut_behind)
    for frame_id in range(1, 7):
        bench.publish(frame_id)
    bench.report()
    bench.loop.step()
    assert bench.predictor.calls == [6]
    assert not bench.loop.rings.sources()
    bench.loop.step()
    assert bench.predictions() == []
    assert bench.loop.is_drained(lossless_only=True)
    bench.close()
