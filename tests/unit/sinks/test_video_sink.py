"""The video sink: what can be decoded from its file, at the end and after a crash at any byte."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from pydantic import ValidationError
from support.films import decode, frame_ids, sink, write
from support.predictions import failure, meta, picture, prediction

from mpipeline.errors import SinkError
from mpipeline.frame import Frame
from mpipeline.sinks.encoder import Encoder
from mpipeline.sinks.fragments import find_remains
from mpipeline.sinks.video import VideoOptions, VideoSink


def test_every_frame_is_there_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "gate.mp4"
    made = sink(tmp_path / "deep" / "{source}.mp4")
    times = [3.0, 3.04, 3.5, 3.501, 9.0]
    write(made, *(meta("gate", n, pts=pts) for n, pts in enumerate(times, 1)))
    made.end("gate")
    made.close()
    made.close()
    assert [round(moment, 4) for moment, _ in decode(path)] == [0.0, 0.04, 0.5, 0.501, 6.0]
    assert frame_ids(path) == [1, 2, 3, 4, 5]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.frames == 5  # an ordinary MP4 with an index
    assert [each.name for each in path.parent.iterdir()] == ["gate.mp4"]


def test_playable_at_any_moment(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4")
    for n in range(1, 6):
        write(made, meta("gate", n))
        assert frame_ids(tmp_path / "x.mp4") == list(range(1, n + 1))


def test_detections_and_failures_are_drawn(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4", crf=10, labels=False)
    size = (160, 120)
    made.write(prediction(meta("g", 1, size=size), (40, 30, 120, 90)), picture(meta("g", 1, size=size)))
    made.write(failure(meta("g", 2, size=size)), picture(meta("g", 2, size=size)))
    write(made, meta("g", 3, size=size))
    made.close()
    boxed, failed, empty = (image.astype(int) for _, image in decode(tmp_path / "x.mp4"))
    assert np.ptp(boxed[30, 50:110], axis=1).mean() > 60  # a coloured line on grey
    assert np.ptp(boxed[60, 60:100]) < 10
    assert np.ptp(failed[119, 20:140], axis=1).mean() > 60
    assert np.ptp(empty) < 10


def test_colours_survive(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4", crf=5)
    colors = [(200, 40, 30), (30, 200, 60), (40, 30, 210), (240, 240, 240), (10, 10, 10)]
    for n, color in enumerate(colors, 1):
        image = np.full((64, 64, 3), color, np.uint8)
        made.write(prediction(meta("g", n, size=(64, 64))), Frame.from_bgr(meta("g", n), image))
    made.close()
    for color, (_, image) in zip(colors, decode(tmp_path / "x.mp4"), strict=True):
        assert image.mean(axis=(0, 1)) == pytest.approx(color, abs=6)


@pytest.mark.parametrize("size", [(641, 361), (33, 48), (48, 33)])
def test_odd_sizes_are_rounded_up(tmp_path: Path, size: tuple[int, int]) -> None:
    made = sink(tmp_path / "x.mp4")
    write(made, meta("g", 1, size=size))
    made.close()
    (_, image), *_ = decode(tmp_path / "x.mp4")
    assert image.shape[:2] == (size[1] + size[1] % 2, size[0] + size[0] % 2)


def test_another_resolution_is_scaled_into_the_first(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4")
    write(made, meta("g", 5, size=(64, 48)), meta("g", 6, size=(128, 48)), meta("g", 7, size=(32, 24)))
    made.close()
    first, wide, small = (image for _, image in decode(tmp_path / "x.mp4"))
    assert first.shape == wide.shape == small.shape == (48, 64, 3)
    assert wide[24].mean() == pytest.approx(60, abs=8)
    assert wide[3].mean() < 12
    assert small.mean() == pytest.approx(70, abs=8)


def test_a_frame_without_pixels_is_counted_and_leaves_its_time(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4")
    write(made, meta("g", 1))
    made.write(prediction(meta("g", 2)), None)
    write(made, meta("g", 3))
    made.close()
    assert made.frames_missing == 1
    assert [moment for moment, _ in decode(tmp_path / "x.mp4")] == [0.0, 0.08]


def test_a_source_without_any_pixels_leaves_no_file(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4")
    made.write(prediction(meta("g", 1)), None)
    made.end("g")
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_a_fixed_rate(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4", rate=10)
    write(made, *(meta("g", n) for n in (1, 50, 99)))
    made.close()
    assert [moment for moment, _ in decode(tmp_path / "x.mp4")] == pytest.approx([0.0, 0.1, 0.2])


def test_two_sources_need_two_files(tmp_path: Path) -> None:
    made = sink(tmp_path / "x.mp4")
    write(made, meta("a", 1))
    with pytest.raises(SinkError, match=r"put \{source\} into the path"):
        write(made, meta("b", 1))
    other = sink(tmp_path / "{source}.mp4")
    write(other, meta("a", 1), meta("b", 1), meta("a", 2))
    other.close()
    assert frame_ids(tmp_path / "a.mp4") == [1, 2]
    assert frame_ids(tmp_path / "b.mp4") == [1]


def test_cut_anywhere_and_resumed_every_frame_is_there_once(tmp_path: Path) -> None:
    """Like a kill at any byte: the tail is lost, and all that is not known to be written comes again."""
    frames = [meta("g", n, pts=5 + n * n / 100) for n in range(1, 9)]
    path = tmp_path / "g.mp4"
    write(sink(tmp_path / "{source}.mp4"), *frames[:6])
    whole = path.read_bytes()
    for size in np.linspace(0, len(whole), 12, dtype=int).tolist():
        path.write_bytes(whole[:size])
        (tmp_path / ".g.mp4.unfinished").touch()
        second = VideoSink("annotated", VideoOptions(path=str(tmp_path / "{source}.mp4"), preset="ultrafast"))
        written = second.open(resume=True).get("g", 0)
        assert written <= 6
        write(second, *frames)  # it leaves the duplicates out itself
        second.close()
        assert frame_ids(path) == list(range(1, 9))
        assert [moment for moment, _ in decode(path)] == pytest.approx(
            [frame.pts - frames[0].pts for frame in frames if frame.pts and frames[0].pts], abs=1e-4
        )
        assert [each.name for each in tmp_path.iterdir()] == ["g.mp4"]


def test_resume_without_new_frames_finishes_the_file(tmp_path: Path) -> None:
    write(sink(tmp_path / "x.mp4"), meta("g", 1), meta("g", 2))
    second = sink(tmp_path / "x.mp4", resume=True)
    second.close()
    assert frame_ids(tmp_path / "x.mp4") == [1, 2]
    remains = find_remains(tmp_path / "x.mp4")
    assert remains is not None
    assert remains.finished


def test_a_finished_source_is_known_after_a_crash(tmp_path: Path) -> None:
    first = sink(tmp_path / "{source}.mp4")
    write(first, meta("a", 1), meta("a", 2), meta("b", 1))
    first.end("a")
    second = VideoSink("annotated", VideoOptions(path=str(tmp_path / "{source}.mp4")))
    assert second.open(resume=True) == {"a": 2, "b": 1}
    write(second, meta("a", 2), meta("b", 2))
    second.close()
    assert frame_ids(tmp_path / "a.mp4") == [1, 2]
    assert frame_ids(tmp_path / "b.mp4") == [1, 2]


def test_without_resume_older_output_is_replaced_and_strangers_stay(tmp_path: Path) -> None:
    stranger = tmp_path / "holiday.mp4"
    stranger.write_bytes(b"not ours")
    first = sink(tmp_path / "{source}.mp4")
    write(first, meta("a", 1), meta("b", 1))
    first.end("a")
    assert sink(tmp_path / "{source}.mp4").open(resume=False) == {}
    assert list(tmp_path.iterdir()) == [stranger]


def test_no_room_to_rewrite_leaves_the_fragmented_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, finished: Path, pulse: object) -> None:
        finished.write_bytes(b"half")
        raise SinkError("no space")

    monkeypatch.setattr("mpipeline.sinks.finishing.rewrite", full)
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    made = sink(tmp_path / "x.mp4")
    write(made, meta("g", 1), meta("g", 2))
    made.close()
    assert frame_ids(tmp_path / "x.mp4") == [1, 2]
    assert [each.name for each in tmp_path.iterdir()] == ["x.mp4"]
    assert "stays a fragmented MP4" in caplog.text


def test_options(tmp_path: Path) -> None:
    assert VideoOptions(path="out/{source}").path == "out/{source}.mp4"
    for wrong in ({"path": "x.avi"}, {"path": "{x}.mp4"}, {"path": "x", "crf": 99}, {"path": "x", "quality": 1}):
        with pytest.raises(ValidationError):
            VideoOptions(**wrong)  # type: ignore[arg-type]
    made = VideoSink("annotated", VideoOptions(path=str(tmp_path / "x"), preset="warp"))
    made.open(resume=False)
    with pytest.raises(SinkError, match="preset 'warp'"):
        write(made, meta("g", 1))


def test_mpeg4_where_there_is_no_x264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpipeline.sinks.encoder._best_codec", lambda: "mpeg4")
    made = sink(tmp_path / "x.mp4")
    write(made, *(replace(meta("g", n), rate=30000 / 1001) for n in (1, 2, 3)))
    assert frame_ids(tmp_path / "x.mp4") == [1, 2, 3]
    made.close()
    assert frame_ids(tmp_path / "x.mp4") == [1, 2, 3]


def test_encoder_answers_every_picture_at_once() -> None:
    encoder = Encoder(64, 48, 25.0, 23, "veryfast")
    keys = [encoder.encode(np.zeros((48, 64, 3), np.uint8), n * 2400)[1] for n in range(51)]
    encoder.close()
    assert [n for n, key in enumerate(keys) if key] == [0, 50]
