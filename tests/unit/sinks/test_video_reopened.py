"""The video sink when a source goes on after its file was finished: a stopped job is resumed, or it comes back."""

from __future__ import annotations

import errno
import logging
from dataclasses import replace
from pathlib import Path

import av
import pytest
from support.films import decode, frame_ids, sink, write
from support.predictions import meta, prediction

from mpipeline.errors import Reason, SinkError
from mpipeline.sinks.encoder import fragmented
from mpipeline.sinks.finishing import reopen, unfinished
from mpipeline.sinks.fragments import Remains, find_remains

FRAMES = [meta("gate", n, pts=7 + n * n / 90) for n in range(1, 13)]  # the rate changes all the time


def times(path: Path) -> list[tuple[int, int]]:
    """(pts, duration) of every packet, in ticks."""
    with av.open(str(path)) as container:
        return [(each.pts, each.duration) for each in container.demux(video=0) if each.pts is not None]


def nothing() -> None:
    """Nobody wants to know that it goes on."""


def remains_of(path: Path) -> Remains:
    remains = find_remains(path)
    assert remains is not None
    return remains


@pytest.fixture
def undisturbed(tmp_path: Path) -> list[tuple[int, int]]:
    path = tmp_path / "undisturbed.mp4"
    made = sink(path)
    write(made, *FRAMES)
    made.close()
    return times(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_stopped_and_resumed_at_any_frame_it_is_as_if_nothing_had_happened(
    tmp_path: Path, undisturbed: list[tuple[int, int]], codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpipeline.sinks.encoder._best_codec", lambda: codec)
    path = tmp_path / "out" / "gate.mp4"
    for count in range(1, len(FRAMES) + 1):
        made = sink(path, resume=True)
        write(made, *FRAMES[:count])  # it leaves the duplicates out itself
        assert not remains_of(path).finished
        assert frame_ids(path) == list(range(1, count + 1))  # playable while it grows
        made.close()
        assert remains_of(path).finished
        assert remains_of(path).last.frame_id == count
    assert times(path) == undisturbed
    assert frame_ids(path) == list(range(1, len(FRAMES) + 1))
    assert [each.name for each in path.parent.iterdir()] == ["gate.mp4"]


def test_a_source_that_comes_back_after_its_end(tmp_path: Path, undisturbed: list[tuple[int, int]]) -> None:
    path = tmp_path / "out.mp4"
    made = sink(path)
    for begin in (0, 5, 6):
        write(made, *FRAMES[begin:])
        made.end("gate")
    made.close()
    assert times(path) == undisturbed


def test_a_finished_file_stays_untouched_if_nothing_new_comes(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:3])
    first.close()
    content, number = path.read_bytes(), path.stat().st_ino
    made = sink(path, resume=True)
    write(made, *FRAMES[:3])
    made.write(prediction(FRAMES[3]), None)  # without pixels there is nothing to add
    made.end("gate")
    made.close()
    assert made.frames_missing == 1
    assert (path.read_bytes(), path.stat().st_ino) == (content, number)


def test_a_file_that_could_not_be_finished_goes_on_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, finished: Path, pulse: object) -> None:
        raise SinkError("no space")

    path = tmp_path / "gate.mp4"
    made = sink(path)
    write(made, *FRAMES[:3])
    with monkeypatch.context() as patch:
        patch.setattr("mpipeline.sinks.finishing.rewrite", full)
        made.end("gate")
    assert not remains_of(path).finished
    number = path.stat().st_ino
    write(made, *FRAMES[:5])
    assert path.stat().st_ino == number
    made.close()
    assert frame_ids(path) == [1, 2, 3, 4, 5]


def test_a_full_disk_can_be_waited_out(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:3])
    first.close()
    content = path.read_bytes()
    made = sink(path, resume=True)
    for _ in range(2):
        unfinished(path).symlink_to("/dev/full")
        with pytest.raises(SinkError, match="No space") as caught:
            write(made, FRAMES[3])
        assert caught.value.retryable
        assert caught.value.reason == Reason.NO_SPACE
        assert path.read_bytes() == content
        assert [each.name for each in tmp_path.iterdir()] == ["gate.mp4"]
    write(made, *FRAMES[3:5])
    made.close()
    assert frame_ids(path) == [1, 2, 3, 4, 5]


def test_without_room_for_a_copy_none_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:3])
    first.close()
    room = path.stat().st_size - 1

    class Disk:
        f_blocks, f_frsize = 1 << 20, 1

        @property
        def f_bavail(self) -> int:
            return room

    monkeypatch.setattr("mpipeline.sinks.finishing.os.statvfs", lambda _: Disk())
    monkeypatch.setattr("mpipeline.sinks.finishing.fragmented", None)
    made = sink(path, resume=True)
    for _ in range(2):
        with pytest.raises(SinkError, match="the disk is full") as caught:
            write(made, FRAMES[3])
        assert caught.value.retryable
        assert caught.value.reason == Reason.NO_SPACE
    room += 1
    monkeypatch.setattr("mpipeline.sinks.finishing.fragmented", fragmented)
    write(made, FRAMES[3])
    made.close()
    assert frame_ids(path) == [1, 2, 3, 4]


def test_long_copies_say_that_they_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpipeline.sinks.encoder._PULSE_EVERY", 4)
    path, pulses = tmp_path / "gate.mp4", []
    first = sink(path)
    first.pulse = lambda: pulses.append("finished")
    write(first, *FRAMES)
    assert pulses == []
    first.close()
    made = sink(path, resume=True)
    made.pulse = lambda: pulses.append("reopened")
    write(made, *FRAMES, meta("gate", 13, pts=30))
    assert pulses.count("finished") >= 3
    assert pulses.count("reopened") == 3
    made.close()


@pytest.mark.parametrize("when", ["while it is made", "before it is put in place", "behind that"])
def test_killed_at_any_moment_the_file_is_whole_in_one_form(
    tmp_path: Path, undisturbed: list[tuple[int, int]], when: str
) -> None:
    path = tmp_path / "out" / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:5])
    first.close()
    if when == "behind that":
        assert reopen(path, remains_of(path), nothing).fragments == 5
    else:
        made = b"".join(fragmented(path, remains_of(path).last.ticks, nothing))
        unfinished(path).write_bytes(made[: len(made) // 2] if when == "while it is made" else made)
    assert frame_ids(path) == [1, 2, 3, 4, 5]
    second = sink(path, resume=True)
    write(second, *FRAMES)
    second.close()
    assert times(path) == undisturbed
    assert [each.name for each in path.parent.iterdir()] == ["gate.mp4"]


def test_a_finished_file_that_was_taken_away_is_followed_by_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("mpipeline"), "propagate", True)
    path = tmp_path / "gate.mp4"
    made = sink(path)
    write(made, *FRAMES[:3])
    made.end("gate")
    path.rename(tmp_path / "taken.mp4")
    write(made, *FRAMES[2:5])
    made.close()
    assert frame_ids(path) == [4, 5]
    assert decode(path)[0][0] == 0.0
    assert frame_ids(tmp_path / "taken.mp4") == [1, 2, 3]
    assert "going on in a new file" in caplog.text


def test_what_somebody_else_has_put_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    made = sink(path)
    write(made, *FRAMES[:3])
    made.end("gate")
    path.write_bytes(b"cut by hand")
    with pytest.raises(SinkError, match="move it away") as caught:
        write(made, FRAMES[3])
    assert not caught.value.retryable
    made.close()
    assert path.read_bytes() == b"cut by hand"


def test_a_damaged_file_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:3])
    first.close()
    path.write_bytes(path.read_bytes().replace(b"moov", b"voom"))
    made = sink(path, resume=True)
    with pytest.raises(SinkError, match="remove it to start anew") as caught:
        write(made, FRAMES[3])
    assert not caught.value.retryable
    assert [each.name for each in tmp_path.iterdir()] == ["gate.mp4"]


def test_a_file_that_cannot_be_read_to_its_end_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:5])
    first.close()
    content, remains = path.read_bytes(), remains_of(path)
    with pytest.raises(SinkError, match="last picture begins at tick"):
        reopen(path, replace(remains, last=replace(remains.last, ticks=remains.last.ticks + 1)), nothing)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["gate.mp4"]


def test_a_disk_that_cannot_be_read_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise av.error.OSError(errno.EIO, "Input/output error")

    path = tmp_path / "gate.mp4"
    first = sink(path)
    write(first, *FRAMES[:3])
    first.close()
    made = sink(path, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(av, "open", away)
        with pytest.raises(SinkError, match="cannot read") as caught:
            write(made, FRAMES[3])
    assert caught.value.retryable
    write(made, FRAMES[3])
    made.close()
    assert frame_ids(path) == [1, 2, 3, 4]
