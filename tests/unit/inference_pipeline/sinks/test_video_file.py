"""§5.4: `VideoFileSink`: what can be decoded from its file."""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.films import decode
from support.video_frames import box, detections, frame, grey

from mpipeline.errors import InvalidArgument, SinkError
from mpipeline.inference_pipeline.sinks import VideoFileSink
from mpipeline.sinks.appending import AppendingFile


def record(path: Path, pts: list[float], **options: Any) -> None:
    with VideoFileSink.init(str(path), **options) as sink:
        for number, moment in enumerate(pts, 1):
            sink.on_prediction(detections(box(160, 120, 100, 80)), frame(number, pts=moment))


def duration(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        return float(stream.duration * stream.time_base)


@pytest.mark.parametrize("rate", [10.0, 25.0, 29.97, 60.0])
def test_5_4_the_file_lasts_as_long_as_the_source_whatever_its_rate(tmp_path: Path, rate: float) -> None:
    path = tmp_path / "out.mp4"
    with VideoFileSink.init(video_file_name=str(path)) as sink:
        for number in range(1, 31):
            sink.on_prediction(detections(), frame(number, pts=(number - 1) / rate, fps=rate))
    assert duration(path) == pytest.approx(30 / rate, abs=1 / rate)
    assert len(decode(path)) == 30


def test_5_4_it_is_h264_in_an_ordinary_mp4(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    record(path, [0.0, 0.04, 0.08])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.frames == 3
        assert "mp4" in container.format.name
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_5_4_dropped_frames_and_pauses_leave_their_gap(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [7.0, 7.04, 9.0])
    assert [round(moment, 3) for moment, _ in decode(tmp_path / "out.mp4")] == [0.0, 0.04, 2.0]


def test_5_4_output_fps_gives_each_picture_the_same_time(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [7.0, 7.04, 9.0], output_fps=10)
    assert [round(moment, 3) for moment, _ in decode(tmp_path / "out.mp4")] == [0.0, 0.1, 0.2]
    assert duration(tmp_path / "out.mp4") == pytest.approx(0.3)


def test_5_4_the_picture_is_drawn_and_has_1280_by_720(tmp_path: Path) -> None:
    record(tmp_path / "out.mp4", [0.0])
    ((_, picture),) = decode(tmp_path / "out.mp4")
    assert picture.shape == (720, 1280, 3)
    column = picture[300, 160:1120].astype(int)  # 240 rows are 720 now, with bars of 160 columns
    assert np.abs(column - 90).max() > 60  # the edges of the box
    assert np.abs(picture[360, 600:680].astype(int) - 90).max() < 12
    assert picture[:, :150].max() < 12


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"video_frame_size": (640, 360)}, (640, 360)),
        ({"video_frame_size": (641, 361)}, (642, 362)),
        ({"video_frame_size": None, "display_size": None}, (320, 240)),
        ({"video_frame_size": None}, (1280, 720)),
    ],
)
def test_5_4_the_size_can_be_chosen(tmp_path: Path, options: Any, size: tuple[int, int]) -> None:
    record(tmp_path / "out.mp4", [0.0, 0.1], **options)
    assert decode(tmp_path / "out.mp4")[0][1].shape[1::-1] == size


def test_5_4_a_batch_becomes_a_mosaic_in_the_same_file(tmp_path: Path) -> None:
    with VideoFileSink.init(str(tmp_path / "out.mp4"), display_size=None) as sink:
        for n in range(1, 4):
            frames = [
                frame(n, 0, image=grey(level=40), pts=n / 10),
                frame(n, 1, image=grey(level=160), pts=n / 10),
                None,
            ]
            sink.on_prediction([detections(), detections(), None], frames)
    pictures = decode(tmp_path / "out.mp4")
    assert [round(moment, 2) for moment, _ in pictures] == [0.0, 0.1, 0.2]
    left, right = pictures[0][1][360, 200], pictures[0][1][360, 640]
    assert left == pytest.approx([40] * 3, abs=8)
    assert right == pytest.approx([160] * 3, abs=8)


def test_5_4_an_annotator_and_statistics_can_be_chosen(tmp_path: Path) -> None:
    class White:
        def annotate(self, scene: Any, detections: Any) -> Any:
            return np.full_like(scene, 255)

    record(tmp_path / "out.mp4", [0.0], annotator=White(), display_statistics=True)
    picture = decode(tmp_path / "out.mp4")[0][1].astype(int)
    assert picture[100, 640] == pytest.approx([255] * 3, abs=8)
    green = (picture[:, :, 1] - picture[:, :, 0] > 80) & (picture[:, :, 1] - picture[:, :, 2] > 80)
    assert green[620:720].sum() > 200


def test_5_4_a_file_of_another_suffix_is_an_mp4_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mpipeline"):
        record(tmp_path / "output.avi", [0.0, 0.1])
    assert "let it end in .mp4" in caplog.text
    assert len(decode(tmp_path / "output.avi")) == 2


def test_5_4_what_lay_there_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "out.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 100_000)
    record(path, [0.0, 0.1])
    assert len(decode(path)) == 2


def test_5_4_without_a_picture_there_is_no_file(tmp_path: Path) -> None:
    record(tmp_path / "new" / "out.mp4", [])
    assert list((tmp_path / "new").iterdir()) == []


def test_5_4_a_released_sink_takes_nothing_more(tmp_path: Path) -> None:
    sink = VideoFileSink.init(str(tmp_path / "out.mp4"))
    sink.on_prediction(detections(), frame())
    sink.release()
    sink.release()
    with pytest.raises(SinkError, match=r"finished by release\(\)"):
        sink.on_prediction(detections(), frame(2))
    assert len(decode(tmp_path / "out.mp4")) == 1


def test_5_4_a_forgotten_sink_completes_its_file(tmp_path: Path) -> None:
    sink = VideoFileSink.init(str(tmp_path / "out.mp4"))
    sink.on_prediction(detections(), frame())
    del sink
    gc.collect()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].frames == 1


PROGRAM = """
import os, signal, sys
from support.video_frames import detections, frame
from mpipeline.inference_pipeline.sinks import VideoFileSink
sink = VideoFileSink.init(sys.argv[1])
for number in range(1, 6):
    sink.on_prediction(detections(), frame(number, pts=number / 10))
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "error":
    raise SystemError("a fault of the user's program")
"""


@pytest.mark.parametrize(("how", "code"), [("forgotten", 0), ("error", 1), ("killed", -signal.SIGKILL)])
def test_5_4_the_file_can_be_played_however_the_program_ends(tmp_path: Path, how: str, code: int) -> None:
    path = tmp_path / "out.mp4"
    tests = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), how], cwd=tests, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert [round(moment, 2) for moment, _ in decode(path)] == [0.0, 0.1, 0.2, 0.3, 0.4]
    with av.open(str(path)) as container:  # an ordinary MP4 says how many pictures it has
        assert container.streams.video[0].frames == (0 if how == "killed" else 5)


def test_5_4_a_disk_that_is_full_for_a_while_costs_the_pictures_of_that_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, full = AppendingFile.append, [False]

    def limited(self: AppendingFile, record: bytes) -> None:
        if full[0]:
            raise SinkError("the disk is full", retryable=True)
        append(self, record)

    monkeypatch.setattr(AppendingFile, "append", limited)
    with VideoFileSink.init(str(tmp_path / "out.mp4")) as sink:
        for number in range(1, 9):
            full[0] = number in (3, 4, 5)
            try:
                sink.on_prediction(detections(), frame(number, pts=number / 10))
            except SinkError:
                assert full[0]
    assert [round(moment, 1) for moment, _ in decode(tmp_path / "out.mp4")] == [0.0, 0.1, 0.2, 0.5, 0.6, 0.7]


@pytest.mark.parametrize("fps", [0, -1, 1001])
def test_5_4_a_rate_that_is_none_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(InvalidArgument, match="output_fps"):
        VideoFileSink.init(str(tmp_path / "out.mp4"), output_fps=fps)


def test_5_4_a_path_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot make the folder"):
        VideoFileSink.init(str(tmp_path / "file" / "out.mp4"))


@pytest.mark.parametrize(("quiet", "said"), [(False, "\rWriting frame 1\rWriting frame 2"), (True, "")])
def test_5_4_pictures_are_counted_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, quiet: bool, said: str
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    record(tmp_path / "out.mp4", [0.0, 0.1], quiet=quiet)
    assert capsys.readouterr().err == said
