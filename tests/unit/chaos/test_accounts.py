"""Accounts: every way in which an output can be wrong is told apart, and a right one has no trouble."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mpipeline.chaos.accounts import Flow, compare, read_lines, read_rows


def line(frame_id: int, x: float = 1.0, source: str = "gate") -> dict[str, Any]:
    return {"source": source, "frame_id": frame_id, "predictions": [{"x": x, "class": "cat"}]}


def lines(*ids: int) -> list[dict[str, Any]]:
    return [line(frame_id) for frame_id in ids]


def test_an_equal_output_has_no_trouble() -> None:
    assert compare(lines(1, 2, 3), lines(1, 2, 3)).troubles(exact=True) == []


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        ((1, 3), {"lost": [2]}),
        ((1, 2, 2, 3), {"duplicated": [2]}),
        ((1, 3, 2), {"out_of_order": [2]}),
        ((1, 2, 3, 4), {"unknown": [4]}),
        ((2, 2, 1), {"lost": [3], "duplicated": [2], "out_of_order": [1]}),
        ((), {"lost": [1, 2, 3]}),
    ],
)
def test_each_trouble_is_told(found: tuple[int, ...], kinds: dict[str, list[int]]) -> None:
    account = compare(lines(1, 2, 3), lines(*found))
    assert {kind: getattr(account, kind) for kind, _ in account.troubles(exact=True)} == kinds


def test_a_sink_that_promises_at_least_once_may_repeat() -> None:
    assert compare(lines(1, 2, 3), lines(1, 2, 1, 2, 3)).troubles(exact=False) == []
    assert compare(lines(1, 2, 3), lines(1, 2, 1, 2)).troubles(exact=False) == [("lost", "frame 3")]


def test_a_changed_line_shows_where_it_differs() -> None:
    account = compare([line(1), line(2)], [line(1), line(2, x=1.25)])
    assert account.changed == [2]
    assert account.difference == "predictions[0].x was 1.0, is 1.25"


def test_another_number_of_an_object_is_no_change() -> None:
    """A killed inference process gives new ones."""
    one, other = line(1), line(1)
    one["predictions"][0]["tracker_id"], other["predictions"][0]["tracker_id"] = 7, None
    assert compare([one], [other]).troubles(exact=True) == []
    other["predictions"][0]["x"] = 2.0
    assert compare([one], [other]).changed == [1]


@pytest.mark.parametrize(
    "found",
    [
        {"source": "gate", "frame_id": 1, "error": {"reason": "x"}},
        {"source": "gate", "frame_id": 1, "predictions": []},
        {"source": "gate", "frame_id": 1, "predictions": [{"x": 1.0, "class": "dog"}]},
    ],
)
def test_another_content_is_a_change_with_any_tolerance(found: dict[str, Any]) -> None:
    assert compare([line(1)], [found], tolerance=0.5).changed == [1]


def test_numbers_may_differ_by_the_tolerance() -> None:
    assert compare([line(1, 100.0)], [line(1, 100.05)], tolerance=0.001).changed == []
    assert compare([line(1, 100.0)], [line(1, 101.0)], tolerance=0.001).changed == [1]
    assert compare([line(1, 100.0)], [line(1, 100.05)]).changed == [1]


def test_many_lost_frames_are_told_in_one_line() -> None:
    [(kind, told)] = compare(lines(*range(1, 21)), []).troubles(exact=True)
    assert (kind, told) == ("lost", "frame 1, 2, 3, 4, 5 and 15 more")


def test_lines_are_read_by_source_without_the_time_of_capture() -> None:
    records = [{**line(1), "captured_at": "now"}, line(1, source="yard"), line(2)]
    raw = [json.dumps(record).encode() + b"\n" for record in records]
    written = read_lines([*raw, b'{"source": "gate", "fra', b"[]\n", b'{"source": "gate"}\n'])
    assert written.sources == {"gate": lines(1, 2), "yard": [line(1, source="yard")]}
    assert written.unreadable == 3


def test_a_flow_counts_gaps_and_what_is_missing_in_them() -> None:
    flow = Flow()
    for frame_id in (5, 6, 9, 10, 15):
        flow.note(frame_id, failure=frame_id == 9)
    assert (flow.frames, flow.first, flow.last, flow.gaps, flow.missing, flow.failures) == (5, 5, 15, 2, 6, 1)
    assert flow.frames + flow.missing == flow.last - flow.first + 1


def test_a_flow_that_repeats_or_steps_back_says_so() -> None:
    flow = Flow()
    for frame_id in (1, 2, 2, 1, 3):
        flow.note(frame_id)
    assert (flow.duplicated, flow.out_of_order, flow.missing) == (1, 1, 0)


def test_rows_of_a_table_are_put_together_by_frame_without_the_time_of_capture() -> None:
    head = "source,frame_id,captured_at,class,x\n"
    one = read_rows([head, "a,1,now,cat,1.5\n", "a,1,now,dog,2\n", "b,1,now,,\n", "a,2,now,cat,3\n"])
    assert one.sources["a"][0] == {
        "source": "a",
        "frame_id": 1,
        "rows": [{"class": "cat", "x": 1.5}, {"class": "dog", "x": 2.0}],
    }
    other = read_rows([head, "b,1,then,,\n", "a,1,then,cat,1.5\n", "a,1,then,dog,2\n", "nonsense\n"])
    assert other.unreadable == 1
    assert compare(one.sources["b"], other.sources["b"]).troubles(exact=True) == []
    assert [kind for kind, _ in compare(one.sources["a"], other.sources["a"]).troubles(exact=True)] == ["lost"]


def test_lines_of_several_models_are_counted_apart() -> None:
    lines = [{"source": "a", "frame_id": 1, "model": model} for model in ("people", "faces")]
    written = read_lines(json.dumps(line).encode() for line in lines)
    assert list(written.sources) == ["a:people", "a:faces"]
    rows = read_rows(["source,frame_id,model\n", "a,1,people\n", "a,1,faces\n", "a,1,faces\n"])
    assert {origin: [len(frame["rows"]) for frame in frames] for origin, frames in rows.sources.items()} == {
        "a:people": [1],
        "a:faces": [2],
    }
