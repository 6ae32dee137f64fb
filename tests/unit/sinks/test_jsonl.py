"""The jsonl sink: the fields of a line, and what a crash leaves."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.findings import embedding, multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, meta, prediction
from support.sinking import cut_and_resumed

from mpipeline.errors import SinkError
from mpipeline.prediction import Prediction
from mpipeline.sinks.jsonl import JsonlOptions, JsonlSink
from mpipeline.sinks.record import record


def sink(path: Path | str, *, resume: bool = False) -> JsonlSink:
    made = JsonlSink("out", JsonlOptions(path=str(path)))
    made.open(resume)
    return made


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path: Path) -> list[tuple[str, int]]:
    return [(line["source"], line["frame_id"]) for line in lines(path)]


def test_a_line_has_the_documented_fields(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.jsonl"
    made = sink(path)
    made.write(prediction(meta("gate", 3, size=(1920, 1080)), (10, 20, 30, 60)), None)
    (line,) = lines(path)  # before `close`: it is in the kernel's hands
    (row,) = line.pop("predictions")
    assert line == {
        "source": "gate",
        "frame_id": 3,
        "pts": 0.08,
        "captured_at": "2023-11-14T22:13:20.080000Z",
        "width": 1920,
        "height": 1080,
    }
    assert row.pop("detection_id")
    assert row == {"x": 20, "y": 40, "width": 20, "height": 40, "confidence": 0.875, "class": "cat", "class_id": 2}


def test_nothing_found_is_an_empty_list_and_a_failure_is_none_at_all() -> None:
    assert record(prediction(meta()))["predictions"] == []
    line = record(failure(meta()))
    assert "predictions" not in line
    assert line["error"] == {"reason": "backend_failed", "message": "the engine fell over"}


def test_every_sort_of_findings_has_its_fields() -> None:
    frame = meta("gate", 3, size=(128, 96))
    masked, _, empty = record(Prediction.of(frame, with_masks(128, 96)))["predictions"]
    assert masked["mask_format"] == "polygon"
    assert masked["points"][0].keys() == {"x", "y"}
    assert empty["points"] == []
    (person,) = record(Prediction.of(frame, with_keypoints()))["predictions"]
    assert person["keypoints"][0] == {"x": 50, "y": 20, "confidence": 0.9, "class_id": 0, "class": "nose"}
    line = record(Prediction.of(frame, single_label()))
    assert (line["top"], line["confidence"]) == ("cat", 0.8124)
    assert [entry["class"] for entry in line["predictions"]] == ["cat", "dog"]
    line = record(Prediction.of(frame, embedding()))
    assert line["embedding"] == [0.6, 0.0, -0.8]
    assert "predictions" not in line
    line = record(Prediction.of(frame, multi_label()))
    assert line["predicted_classes"] == ["dark", "wet"]
    assert list(line["predictions"]) == ["dark", "cold", "wet"]
    assert list(line)[:2] == ["source", "frame_id"]
    assert "image" not in line


def test_corrupt_frames_say_so_and_others_do_not() -> None:
    assert record(prediction(meta(corrupt=True)))["corrupt"] is True
    assert "corrupt" not in record(prediction(meta()))


def test_unknown_pts_is_null() -> None:
    frame = meta()
    without = type(frame)(frame.source, 1, None, 0, 0, 4, 4)
    assert record(prediction(without))["pts"] is None


def test_a_file_per_source(tmp_path: Path) -> None:
    made = sink(tmp_path / "{source}.jsonl")
    for source in ("a", "b/c"):
        made.write(prediction(meta(source, 1)), None)
    made.end("a")
    made.write(prediction(meta("a", 2)), None)  # comes again after its end
    made.close()
    assert ids(tmp_path / "a.jsonl") == [("a", 1), ("a", 2)]
    assert ids(tmp_path / "b_c.jsonl") == [("b/c", 1)]
    with pytest.raises(SinkError, match="rename one of them"):
        made.write(prediction(meta("b c", 1)), None)


@pytest.mark.parametrize("name", ["out.jsonl", "{source}.jsonl"])
def test_without_resume_older_output_is_replaced(tmp_path: Path, name: str) -> None:
    stranger = tmp_path / "stranger.jsonl"
    stranger.write_text('{"not": "ours"}\n')
    first = sink(tmp_path / name)
    first.write(prediction(meta("gate", 7)), None)
    first.close()
    second = JsonlSink("out", JsonlOptions(path=str(tmp_path / name)))
    assert second.open(resume=False) == {}
    third = JsonlSink("out", JsonlOptions(path=str(tmp_path / name)))
    assert third.open(resume=True) == {}  # what the first has written is not taken for the second's work
    third.write(prediction(meta("gate", 1)), None)
    assert ids(tmp_path / name.format(source="gate")) == [("gate", 1)]
    assert stranger.read_text() == '{"not": "ours"}\n'


def test_resume_goes_on_behind_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    first = sink(path)
    for source, frame_id in [("early", 1), ("early", 2), ("a", 1), ('q"uo\\te', 1), ("a", 2), ("b", 5)]:
        first.write(prediction(meta(source, frame_id), (1, 2, 3, 4)), None)
    with path.open("ab") as file:
        file.write(b'{"source":"a","frame_id":3,"pts":0.08,"predi')
    second = JsonlSink("out", JsonlOptions(path=str(path)))
    assert second.open(resume=True) == {"early": 2, "a": 2, 'q"uo\\te': 1, "b": 5}
    for frame_id in (1, 2, 3):
        second.write(prediction(meta("a", frame_id)), None)
    second.close()
    assert ids(path)[-3:] == [("a", 2), ("b", 5), ("a", 3)]
    assert len(lines(path)) == 7


def test_resume_with_a_file_per_source(tmp_path: Path) -> None:
    first = sink(tmp_path / "{source}.jsonl")
    for source in ("a", "b"):
        first.write(prediction(meta(source, 1)), None)
    with (tmp_path / "b.jsonl").open("ab") as file:
        file.write(b'{"sou')
    (tmp_path / "c.jsonl").write_bytes(b'{"source":"c","frame')
    second = JsonlSink("out", JsonlOptions(path=str(tmp_path / "{source}.jsonl")))
    assert second.open(resume=True) == {"a": 1, "b": 1}
    for source in ("b", "c"):
        second.write(prediction(meta(source, 2)), None)
    second.close()
    assert ids(tmp_path / "b.jsonl") == [("b", 1), ("b", 2)]
    assert ids(tmp_path / "c.jsonl") == [("c", 2)]


def test_resume_where_nothing_is(tmp_path: Path) -> None:
    assert JsonlSink("out", JsonlOptions(path=str(tmp_path / "x.jsonl"))).open(resume=True) == {}


def test_a_whole_line_of_rubbish_at_the_end_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sink(path).write(prediction(meta("a", 1)), None)
    with path.open("ab") as file:
        file.write(b'{"source":"a","frame_id":2,\0\0\0\0\n')
    assert JsonlSink("out", JsonlOptions(path=str(path))).open(resume=True) == {"a": 1}
    assert ids(path) == [("a", 1)]


@settings(deadline=None)
@given(st.data())
def test_cut_anywhere_and_resumed_every_line_is_there_once(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "out.jsonl"
    work = [prediction(meta(source, n), (1, 2, 3, 4)) for n in range(1, 5) for source in ("a", "ü")]
    cut_and_resumed(sink, path, work, data.draw)


def test_goes_on_in_a_new_file_when_its_own_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "logs" / "out.jsonl"
    made = sink(path)
    made.write(prediction(meta("a", 1)), None)
    made.write(prediction(meta("b", 1)), None)
    path.rename(tmp_path / "out.jsonl.1")
    monkeypatch.setattr("mpipeline.sinks.appending._LOOK_NS", 0)
    made._files._files[path]._next_look_ns = 0
    made.write(prediction(meta("a", 2)), None)
    made.write(prediction(meta("c", 1)), None)
    assert ids(tmp_path / "out.jsonl.1") == [("a", 1), ("b", 1)]
    assert ids(path) == [("a", 2), ("c", 1)]
    shutil.rmtree(path.parent)
    made.write(prediction(meta("a", 3)), None)
    path.write_text('{"from": "another"}\n')
    made.write(prediction(meta("a", 4)), None)
    path.unlink()
    made.write(prediction(meta("a", 5)), None)
    assert ids(path) == [("a", 5)]


def test_a_new_file_that_cannot_be_made_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "logs" / "out.jsonl"
    made = sink(path)
    made.write(prediction(meta("a", 1)), None)
    shutil.rmtree(path.parent)
    made._files._files[path]._next_look_ns = 0

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mpipeline.sinks.appending.os.open", full)
        for _ in range(2):
            with pytest.raises(SinkError, match="No space") as caught:
                made.write(prediction(meta("a", 2)), None)
            assert caught.value.retryable
    made.write(prediction(meta("a", 2)), None)
    assert ids(path) == [("a", 2)]
