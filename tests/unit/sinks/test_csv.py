"""The csv sink: its columns, and what a crash leaves."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.findings import multi_label, single_label
from support.predictions import failure, meta, prediction
from support.sinking import cut_and_resumed

from mpipeline.prediction import Prediction
from mpipeline.sinks.csv import COLUMNS, CsvOptions, CsvSink, rows

TWO = ((1, 2, 3, 4), (5, 6, 7, 8))


def sink(path: Path | str, *, resume: bool = False) -> CsvSink:
    made = CsvSink("table", CsvOptions(path=str(path)))
    made.open(resume)
    return made


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ids(path: Path) -> list[tuple[str, int]]:
    return [(row["source"], int(row["frame_id"])) for row in table(path)]


def test_a_row_has_the_documented_columns(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.csv"
    made = sink(path)
    assert path.read_text() == ",".join(COLUMNS) + "\n"  # before the first frame
    made.write(prediction(meta("gate", 3, size=(1920, 1080)), (10, 20, 30, 60)), None)
    (row,) = table(path)
    assert row.pop("detection_id")
    assert row == {
        "source": "gate",
        "frame_id": "3",
        "model": "",
        "pts": "0.08",
        "captured_at": "2023-11-14T22:13:20.080000Z",
        "frame_width": "1920",
        "frame_height": "1080",
        "error": "",
        "found": "1",
        "class": "cat",
        "class_id": "2",
        "confidence": "0.875",
        "x": "20.0",
        "y": "40.0",
        "width": "20.0",
        "height": "40.0",
    }


def test_every_frame_has_a_row_and_none_looks_like_another_sort(tmp_path: Path) -> None:
    made = sink(tmp_path / "out.csv")
    made.write(prediction(meta("a", 1), *TWO), None)
    made.write(prediction(meta("a", 2)), None)
    made.write(failure(meta("a", 3)), None)
    found = [(row["frame_id"], row["found"], row["class"], row["error"]) for row in table(tmp_path / "out.csv")]
    assert found == [("1", "2", "cat", ""), ("1", "2", "cat", ""), ("2", "0", "", ""), ("3", "", "", "backend_failed")]


def test_a_classification_has_a_row_for_each_class() -> None:
    told = [dict(zip(COLUMNS, row, strict=True)) for row in rows(Prediction.of(meta(), single_label()))]
    assert [(row["class"], row["confidence"], row["x"]) for row in told] == [
        ("cat", 0.8124, None),
        ("dog", 0.125, None),
    ]
    assert len(rows(Prediction.of(meta(), multi_label()))) == 3


def test_names_with_commas_quotes_and_line_ends_survive_a_resumed_run(tmp_path: Path) -> None:
    made, name = sink(tmp_path / "out.csv"), 'a "big",\ncat'
    one = prediction(meta("a", 1), *TWO)
    assert one.detections is not None
    for frame_id in (1, 2):
        frame = meta("a", frame_id)
        found = type(one.detections)(one.detections.xyxy, one.detections.score, one.detections.class_id, (name, name))
        made.write(Prediction.of(frame, found), None)
    again = CsvSink("table", CsvOptions(path=str(tmp_path / "out.csv")))
    assert again.open(resume=True) == {"a": 2}
    assert [row["class"] for row in table(tmp_path / "out.csv")] == [name] * 4


def test_resume_goes_on_behind_the_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    first = sink(path)
    first.write(prediction(meta("a", 1), *TWO), None)
    first.write(prediction(meta("b", 5)), None)
    first.write(prediction(meta("a", 2), *TWO), None)
    first.close()
    text = path.read_text()
    path.write_text(text[: text.rindex("\na,2") + 1])  # only the first row of frame 2 is left
    second = CsvSink("table", CsvOptions(path=str(path)))
    assert second.open(resume=True) == {"a": 1, "b": 5}
    for frame_id in (1, 2):
        second.write(prediction(meta("a", frame_id), *TWO), None)
    second.close()
    assert path.read_text() == text


def test_what_is_not_ours_is_replaced_or_left_alone(tmp_path: Path) -> None:
    (tmp_path / "stranger.csv").write_text("source,frame_id\na,1\n")
    (tmp_path / "out.csv").write_text("source,frame_id\na,1\n")
    sink(tmp_path / "{source}.csv").close()
    assert (tmp_path / "stranger.csv").read_text() == "source,frame_id\na,1\n"
    made = CsvSink("table", CsvOptions(path=str(tmp_path / "out.csv")))
    assert made.open(resume=True) == {}
    assert table(tmp_path / "out.csv") == []


@pytest.mark.parametrize("rubbish", [b'a,2,"', b"\0\0\0\n", b"\xff\xfe\n", b"a,b,c\n", b"a,3" + b"," * 15 + b"\n"])
def test_rubbish_at_the_end_is_cut_off(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "out.csv"
    sink(path).write(prediction(meta("a", 1), *TWO), None)
    whole = path.read_bytes()
    path.write_bytes(whole + rubbish)
    made = CsvSink("table", CsvOptions(path=str(path)))
    found = made.open(resume=True)
    assert path.read_bytes().startswith(whole)
    made.write(prediction(meta("a", 4), *TWO), None)
    assert ids(path)[:2] == [("a", 1)] * 2
    assert ids(path)[-2:] == [("a", 4)] * 2
    assert found["a"] in (1, 3)  # a row without anything but its number is a frame in which nothing was found


@settings(deadline=None)
@given(st.data())
def test_cut_anywhere_and_resumed_every_row_is_there_once(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "out.csv"
    origins = [(source, model) for source in ("a", 'ü, "x"') for model in ("people", "faces")]
    work = [
        replace(prediction(meta(source, n), *(TWO * (n - 1))[: n - 1]), model=model)
        for n in range(1, 5)
        for source, model in origins
    ]
    cut_and_resumed(sink, path, work, data.draw)


def test_a_rotated_file_begins_with_the_names_of_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpipeline.sinks.appending._LOOK_NS", 0)
    path = tmp_path / "out.csv"
    made = sink(path)
    made.write(prediction(meta("a", 1), *TWO), None)
    path.rename(tmp_path / "out.csv.1")
    made.write(prediction(meta("a", 2)), None)
    path.rename(tmp_path / "out.csv.2")
    path.touch()  # by the rotation itself
    made.write(prediction(meta("a", 3)), None)
    assert [ids(tmp_path / name) for name in ("out.csv.1", "out.csv.2", "out.csv")] == [
        [("a", 1), ("a", 1)],
        [("a", 2)],
        [("a", 3)],
    ]
