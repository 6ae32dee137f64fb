"""The recorder counts what the catalog names and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.metrics.catalog import CATALOG, Metric
from mpipeline.metrics.recorder import Recorder, metric_key, parse_key

DEPTH = Metric("depth", "gauge", "How deep it is.", ("source",))
WITH_DEPTH = {**CATALOG, DEPTH.name: DEPTH}


def test_snapshot_has_a_key_for_each_label_set() -> None:
    recorder = Recorder(WITH_DEPTH)
    recorder.add("frames_dropped", source="gate", reason="expired")
    recorder.add("frames_dropped", 2, reason="expired", source="gate")
    recorder.add("frames_dropped", reason="stale", source="gate")
    recorder.add("batches")
    recorder.add("inference_seconds", 0.25)
    recorder.set("depth", 8, source="gate")
    recorder.set("depth", 4, source="gate")
    assert recorder.snapshot() == {
        "frames_dropped{reason=expired,source=gate}": 3,
        "frames_dropped{reason=stale,source=gate}": 1,
        "batches": 1,
        "inference_seconds": 0.25,
        "depth{source=gate}": 4,
    }


def test_snapshot_is_a_copy() -> None:
    recorder = Recorder()
    recorder.add("batches")
    before = recorder.snapshot()
    recorder.add("batches")
    assert before == {"batches": 1}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("frames_decodet", {}),
        ("batches", {"source": "a"}),
        ("frames_dropped", {"source": "a"}),
        ("frames_inferred", {}),
    ],
)
def test_what_the_catalog_does_not_know_is_an_error(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=name):
        Recorder().add(name, **labels)


def test_kinds_are_not_mixed() -> None:
    recorder = Recorder(WITH_DEPTH)
    recorder.set("depth", 8, source="gate")
    with pytest.raises(ValueError, match="gauge"):
        recorder.add("depth", source="gate")
    with pytest.raises(ValueError, match="counter"):
        recorder.set("batches", 1)


def test_catalog_is_well_formed() -> None:
    for metric in CATALOG.values():
        assert metric.help.endswith("."), metric.name
        assert metric.name.isidentifier()
        assert metric.name == metric.name.lower()
        assert list(metric.labels) == sorted(metric.labels)


@settings(deadline=None)
@given(st.text(), st.text())
def test_keys_can_be_taken_apart_again(reason: str, source: str) -> None:
    labels = {"reason": reason, "source": source}
    assert parse_key(metric_key("frames_dropped", labels)) == ("frames_dropped", labels)


def test_key_without_labels() -> None:
    assert parse_key("batches") == ("batches", {})
