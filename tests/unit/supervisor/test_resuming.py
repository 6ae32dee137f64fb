"""Where a source begins in a run that is resumed."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.config import RunConfig
from mpipeline.supervisor.plan import make_plan
from mpipeline.supervisor.resuming import Resumption


def made(*overflows: str, enabled: bool = True, over: tuple[str, ...] = ()) -> Resumption:
    """A resumption with sinks s0, s1 … of these overflow policies."""
    config: dict[str, Any] = {
        "sources": [{"name": name, "kind": "synthetic"} for name in "ab"],
        "model": {"target": "m:M"},
        "sinks": [
            {"name": f"s{i}", "kind": "python", "target": f"m:S{i}", "overflow": o} for i, o in enumerate(overflows)
        ],
    }
    plan = make_plan(RunConfig.from_mapping(config))
    return Resumption(plan, lambda worker: worker in over, enabled=enabled)


def test_a_file_begins_behind_what_every_sink_has_that_must_have_all() -> None:
    it = made("auto", "block", "drop_oldest")
    for worker, last in (("sink:s0", 30), ("sink:s1", 20), ("sink:s2", 5)):
        it.note(worker, {"a": last})
    assert it.begin("a", live=False, every_frame=True) == 20


def test_a_sink_that_has_nothing_or_cannot_know_gets_everything() -> None:
    it = made("auto", "auto")
    it.note("sink:s0", {"a": 30})
    it.note("sink:s1", {"b": 7})
    assert it.begin("a", live=False, every_frame=True) == 0


def test_a_sink_that_keeps_nothing_has_no_say() -> None:
    it = made("auto", "auto")
    it.note("sink:s0", {"a": 30})
    it.note("sink:s1", None)
    assert it.begin("a", live=False, every_frame=True) == 30
    alone = made("auto")
    alone.note("sink:s0", None)
    assert alone.begin("a", live=False, every_frame=True) == 0


def test_a_live_source_goes_on_behind_the_last_that_anyone_has() -> None:
    it = made("auto", "drop_newest")
    it.note("sink:s0", {"a": 30})
    it.note("sink:s1", {"a": 44})
    assert it.begin("a", live=True, every_frame=False) == 44
    assert it.begin("b", live=True, every_frame=True) == 0


@pytest.mark.parametrize(("live", "every_frame"), [(True, True), (False, False)])
def test_what_cannot_or_need_not_be_read_again_goes_on(live: bool, every_frame: bool) -> None:
    it = made("auto", "auto")
    it.note("sink:s0", {"a": 30})
    it.note("sink:s1", {"a": 44})
    assert it.begin("a", live, every_frame) == 44


def test_if_no_sink_must_have_all_the_one_with_least_decides() -> None:
    it = made("drop_oldest", "drop_newest")
    it.note("sink:s0", {"a": 30})
    it.note("sink:s1", {"a": 12})
    assert it.begin("a", live=False, every_frame=True) == 12


def test_a_sink_that_has_ended_for_good_is_not_asked() -> None:
    it = made("auto", "auto", over=("sink:s1",))
    it.note("sink:s0", {"a": 30})
    assert it.begin("a", live=False, every_frame=True) == 30


def test_the_first_answer_holds_whatever_the_sinks_write_later() -> None:
    it = made("auto")
    it.note("sink:s0", {"a": 30})
    assert it.begin("a", live=False, every_frame=True) == 30
    it.note("sink:s0", {"a": 99, "b": 50})
    assert it.begin("a", live=False, every_frame=True) == 30
    assert it.begin("b", live=False, every_frame=True) == 0


def test_who_is_waited_for() -> None:
    it = made("auto", "block", "drop_oldest")
    assert it.waits_for("a", live=False, every_frame=True) == ["sink:s0", "sink:s1"]
    for live, every_frame in ((True, True), (True, False), (False, False)):
        assert it.waits_for("a", live, every_frame) == ["sink:s0", "sink:s1", "sink:s2"]
    plain = made("auto", "drop_oldest", enabled=False)
    assert plain.waits_for("a", live=False, every_frame=True) == ["sink:s0"]
    assert plain.waits_for("a", live=True, every_frame=False) == []


def test_if_no_sink_must_have_all_each_is_waited_for() -> None:
    it = made("drop_oldest", "drop_newest")
    assert it.waits_for("a", live=False, every_frame=True) == ["sink:s0", "sink:s1"]
    assert made("drop_oldest", enabled=False).waits_for("a", live=False, every_frame=True) == []


def test_patience_ends_with_those_that_need_not_have_all() -> None:
    it = made("auto", "drop_oldest")
    assert it.waits_for("a", live=True, every_frame=True, patient=False) == ["sink:s0"]
    assert it.waits_for("a", live=True, every_frame=False, patient=False) == []
    assert made("drop_oldest").waits_for("a", live=False, every_frame=True, patient=False) == []


@pytest.mark.parametrize("live", [True, False])
def test_who_has_not_opened_has_no_say(live: bool) -> None:
    it = made("drop_oldest", "drop_newest")
    it.note("sink:s1", {"a": 44})
    assert it.begin("a", live, every_frame=not live) == 44


def test_without_resume_every_source_begins_at_its_beginning() -> None:
    it = made("auto", enabled=False)
    it.note("sink:s0", {"a": 30})
    assert it.begin("a", live=False, every_frame=True) == 0


def test_nonsense_from_a_sink_is_nothing() -> None:
    it = made("auto")
    it.note("sink:s0", {"a": -5, "b": "many"})  # type: ignore[dict-item]
    assert it.begin("a", live=False, every_frame=True) == 0
    assert it.begin("b", live=False, every_frame=True) == 0


@pytest.mark.parametrize("written", [None, 3, ["a"], {"a": -1}, {"a": 2**63}, {"a": "5"}, {5: 5}])
def test_what_a_sink_cannot_have_written_counts_as_nothing(written: object) -> None:
    it = made("auto")
    it.note("sink:s0", written)
    assert it.begin("a", live=False, every_frame=True) == 0
