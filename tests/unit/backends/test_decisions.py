"""What is remembered of trials: decisions, trials that have ended the process, and files that are damaged."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from mpipeline.backends.decisions import Decision, DecisionFile

DECISION = Decision("openvino", "it is faster")


def test_a_decision_is_remembered(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert DecisionFile(folder, "k").recall() is None
    with DecisionFile(folder, "k").trial() as attempts:
        assert attempts == 0
        DecisionFile(folder, "k").decide(DECISION)
    assert DecisionFile(folder, "k").recall() == DECISION
    assert DecisionFile(folder, "other").recall() is None
    assert sorted(os.listdir(folder)) == ["k.json", "lock"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00", b'{"backend": 1, "reason": "x"}', b"[" * 100_000])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k.json").write_bytes(content)
    file = DecisionFile(tmp_path, "k")
    assert file.recall() is None
    with file.trial() as attempts:
        assert attempts == 0
        file.decide(DECISION)
    assert file.recall() == DECISION


def test_a_trial_that_ends_the_process_is_counted(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path, "k")
    for before in range(3):
        child = os.fork()
        if not child:
            with file.trial() as attempts:
                os._exit(attempts)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == before
    assert file.recall() is None


def test_a_trial_that_fails_in_order_is_not(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path, "k")
    for _ in range(3):
        with pytest.raises(ValueError, match="no"), file.trial() as attempts:
            raise ValueError("no")
        assert attempts == 0


def test_one_trial_at_a_time(tmp_path: Path) -> None:
    with (
        DecisionFile(tmp_path, "k").trial(),
        (tmp_path / "lock").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with DecisionFile(tmp_path, "other").trial() as attempts:
        assert attempts == 0


def test_a_fork_made_meanwhile_does_not_go_on_with_it(tmp_path: Path) -> None:
    """A program that opens models itself may fork in another thread, and the fork live for long."""
    reading, writing = os.pipe()
    with DecisionFile(tmp_path, "k").trial():
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        with (tmp_path / "lock").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)


def test_a_full_disk_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"), DecisionFile(tmp_path, "k").trial():
        pass
    assert os.listdir(tmp_path) == ["lock"]


def test_one_that_waited_finds_what_the_other_has_decided(tmp_path: Path) -> None:
    file = DecisionFile(tmp_path, "k")
    (tmp_path / "k.json").write_text(json.dumps({"backend": "openvino", "reason": "it is faster"}))
    with file.trial():
        assert file.recall() == DECISION
    assert file.recall() == DECISION


def test_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), DecisionFile(tmp_path / "file", "k").trial():
        pass
