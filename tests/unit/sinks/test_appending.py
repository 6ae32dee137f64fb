"""Appending records to a file on a disk that fails, and under a path that somebody takes away."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpipeline.clock import ManualClock
from mpipeline.errors import Reason, SinkError
from mpipeline.sinks.appending import AppendingFile
from mpipeline.sinks.paths import file_error


class Disk:
    """Stands before os.write and os.ftruncate: `room` bytes are left, and with `frozen` nothing can be cut either."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 1 << 30
        self.frozen = False
        self._write: Callable[..., int] = os.write
        self._truncate: Callable[..., Any] = os.ftruncate
        monkeypatch.setattr("mpipeline.sinks.appending.os.write", self.write)
        monkeypatch.setattr("mpipeline.sinks.appending.os.ftruncate", self.truncate)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written

    def truncate(self, descriptor: int, size: int) -> None:
        if self.frozen:
            raise OSError(errno.EIO, "Input/output error")
        self._truncate(descriptor, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize(
    ("code", "retryable", "reason"),
    [
        (errno.ENOSPC, True, Reason.NO_SPACE),
        (errno.EDQUOT, True, Reason.NO_SPACE),
        (errno.EIO, True, Reason.WRITE_FAILED),
        (errno.ENOENT, True, Reason.WRITE_FAILED),
        (errno.EROFS, True, Reason.WRITE_FAILED),
        (errno.ESTALE, True, Reason.WRITE_FAILED),
        (errno.EACCES, False, Reason.WRITE_FAILED),
        (errno.EISDIR, False, Reason.WRITE_FAILED),
        (errno.EFBIG, False, Reason.WRITE_FAILED),
    ],
)
def test_errors_know_whether_they_can_pass(code: int, retryable: bool, reason: Reason) -> None:
    error = file_error("write to", Path("x"), OSError(code, os.strerror(code)))
    assert (error.retryable, error.reason) == (retryable, reason)


def test_other_sink_errors_cannot_pass_unless_they_say_so() -> None:
    assert (SinkError("x").retryable, SinkError("x").reason) == (False, Reason.WRITE_FAILED)


def test_the_same_record_can_be_tried_again(tmp_path: Path, disk: Disk) -> None:
    file = AppendingFile(tmp_path / "f")
    file.append(b"first\n")
    disk.room = 3
    for _ in range(3):
        with pytest.raises(SinkError, match="No space") as caught:
            file.append(b"second\n")
        assert caught.value.retryable
    disk.room = 100
    file.append(b"second\n")
    assert (tmp_path / "f").read_bytes() == b"first\nsecond\n"


def test_a_part_that_cannot_be_taken_back_at_once_is_taken_back_before_the_next_record(
    tmp_path: Path, disk: Disk
) -> None:
    file = AppendingFile(tmp_path / "f")
    file.append(b"first\n")
    disk.room, disk.frozen = 3, True
    with pytest.raises(SinkError, match="No space"):
        file.append(b"second\n")
    assert (tmp_path / "f").read_bytes() == b"first\nsec"
    disk.room = 100
    with pytest.raises(SinkError, match="Input/output"):
        file.append(b"second\n")
    disk.frozen = False
    file.append(b"second\n")
    assert (tmp_path / "f").read_bytes() == b"first\nsecond\n"


def test_remains_that_cannot_be_cut_off_are_not_written_behind(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"whole\nhal")
    disk.frozen = True
    with pytest.raises(SinkError, match="cannot cut off the remains") as caught:
        AppendingFile(path, keep=6)
    assert caught.value.retryable
    disk.frozen = False
    file = AppendingFile(path, keep=6)
    file.append(b"next\n")
    file.close()
    assert path.read_bytes() == b"whole\nnext\n"


def test_a_file_that_somebody_emptied_is_not_filled_with_zeros(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "f"
    file = AppendingFile(path)
    file.append(b"first\n")
    os.truncate(path, 0)  # a log rotation by copying
    disk.room = 3
    with pytest.raises(SinkError):
        file.append(b"second\n")
    assert path.read_bytes() == b""
    assert not file.has_vanished()


def test_whether_the_path_still_leads_there(tmp_path: Path) -> None:
    clock = ManualClock()
    path = tmp_path / "folder" / "f"
    file = AppendingFile(path, clock=clock)
    clock.advance(1)
    assert not file.has_vanished()
    path.rename(tmp_path / "f.1")
    assert not file.has_vanished()  # it looks once a second
    clock.advance(1)
    assert file.has_vanished()

    again = AppendingFile(path, clock=clock)
    again.append(b"x")
    path.unlink()
    path.write_text("another's")
    clock.advance(1)
    assert again.has_vanished()

    third = AppendingFile(path, keep=None, clock=clock)
    path.parent.rename(tmp_path / "elsewhere")
    clock.advance(1)
    assert third.has_vanished()
    AppendingFile(path)  # makes the folder again


def test_after_a_failed_write_it_looks_at_once(tmp_path: Path, disk: Disk) -> None:
    file = AppendingFile(tmp_path / "f", clock=ManualClock())
    (tmp_path / "f").unlink()
    disk.room = 0
    with pytest.raises(SinkError):
        file.append(b"x")
    assert file.has_vanished()


def test_a_device_never_vanishes(tmp_path: Path) -> None:
    clock = ManualClock()
    file = AppendingFile(Path("/dev/null"), clock=clock)
    clock.advance(5)
    file.append(b"x")
    assert not file.has_vanished()
