"""The video sink on a disk that is full for a while, under a path that is taken away, and left to a successor."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.films import decode, frame_ids, sink, write
from support.predictions import meta

from mpipeline.errors import SinkError
from mpipeline.frame import FrameMeta
from mpipeline.sinks.fragments import find_remains
from mpipeline.sinks.video import VideoOptions, VideoSink


class Disk:
    """Stands before os.write; while `full`, half of what comes is written and then there is no space."""

    def __init__(self) -> None:
        self.full = False
        self._halves = 0
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.full:
            return self._write(descriptor, data)
        self._halves += 1
        if self._halves % 2:
            return self._write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr("mpipeline.sinks.appending.os.write", made.write)
    return made


def fail(made: VideoSink, disk: Disk, frame: FrameMeta, times: int = 2) -> None:
    disk.full = True
    for _ in range(times):
        with pytest.raises(SinkError, match="No space") as caught:
            write(made, frame)
        assert caught.value.retryable
    disk.full = False


def test_pictures_that_cannot_be_written_at_once_are_there_at_last(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "gate.mp4"
    made = sink(path)
    for n in range(1, 21):
        if n in (1, 2, 9, 20):  # the head of the file among them
            fail(made, disk, meta("gate", n))
        write(made, meta("gate", n))
    remains = find_remains(path)
    assert remains is not None
    assert (remains.last.frame_id, remains.fragments) == (20, 20)
    made.close()
    assert frame_ids(path) == list(range(1, 21))
    assert [round(moment, 4) for moment, _ in decode(path)] == [round(n * 0.04, 4) for n in range(20)]


def test_a_picture_that_is_never_written_is_left_out_and_its_file_finished(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "gate.mp4"
    made = sink(path)
    write(made, meta("gate", 1), meta("gate", 2))
    fail(made, disk, meta("gate", 3))
    disk.full = True
    with pytest.raises(SinkError, match="No space"):
        made.end("gate")
    made.close()
    made.close()
    assert frame_ids(path) == [1, 2]


def test_a_picture_that_waits_comes_before_the_next_and_before_the_end(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "{source}.mp4"
    made = sink(path)
    for source in "ab":
        write(made, meta(source, 1))
        fail(made, disk, meta(source, 2))
    write(made, meta("a", 3))
    made.end("b")
    made.close()
    assert frame_ids(tmp_path / "a.mp4") == [1, 2, 3]
    assert frame_ids(tmp_path / "b.mp4") == [1, 2]


@pytest.mark.parametrize("action", ["rename", "remove"])
def test_goes_on_in_a_new_file_when_its_own_is_taken_away(tmp_path: Path, action: str) -> None:
    path = tmp_path / "out" / "gate.mp4"
    made = sink(path)
    write(made, meta("gate", 1), meta("gate", 2))
    path.rename(tmp_path / "old.mp4")
    if action == "remove":
        path.parent.rmdir()
    track = made._tracks["gate"]
    assert track.file is not None
    track.file._next_look_ns = 0  # a second later
    write(made, meta("gate", 2), meta("gate", 3), meta("gate", 4))
    made.close()
    assert frame_ids(path) == [3, 4]
    assert frame_ids(tmp_path / "old.mp4") == [1, 2]


def test_abandoned_files_grow_on_under_a_successor(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, meta("gate", 1), meta("gate", 2))
    first.abandon()
    second = VideoSink("annotated", VideoOptions(path=str(path), preset="ultrafast"))
    assert second.open(resume=True) == {"gate": 2}
    write(second, meta("gate", 3))
    second.close()
    assert frame_ids(path) == [1, 2, 3]
