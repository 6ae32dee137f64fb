"""Run directories: one run a name, private, swept when dead."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mpipeline.errors import ConfigError, RunExists, RunNotFound
from mpipeline.transport import run_directory
from mpipeline.transport.run_directory import Endpoints, RunDirectory, find, root_of, runs, sweep


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_directory, "_PATIENCE_S", 0.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def abandon(root: Path, name: str) -> None:
    """Leaves behind what a killed supervisor leaves."""
    (root / name).mkdir(parents=True)
    (root / name / "control.sock").touch()
    (root / f"{name}.lock").touch()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_private_and_gone_afterwards(root: Path) -> None:
    made = RunDirectory(root, "gate")
    assert (mode(root), mode(root / "gate"), mode(root / "gate.lock")) == (0o700, 0o700, 0o600)
    assert runs(root) == ["gate"]
    made.close()
    made.close()
    assert list(root.iterdir()) == []


def test_private_whatever_the_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        made = RunDirectory(root, "gate")
    finally:
        os.umask(before)
    assert (mode(root), mode(root / "gate"), mode(root / "gate.lock")) == (0o700, 0o700, 0o600)
    made.close()


def test_a_root_that_was_there_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    made = RunDirectory(tmp_path, "gate")
    assert (mode(tmp_path), mode(tmp_path / "gate")) == (0o755, 0o700)
    made.close()


def test_a_second_run_of_the_name_is_refused_and_disturbs_nothing(root: Path) -> None:
    first = RunDirectory(root, "gate")
    (first.folder / "control.sock").touch()
    with pytest.raises(RunExists, match="'gate'"):
        RunDirectory(root, "gate")
    assert (first.folder / "control.sock").exists()
    other = RunDirectory(root, "yard")
    assert runs(root) == ["gate", "yard"]
    first.close()
    RunDirectory(root, "gate").close()
    other.close()


def test_a_dead_run_of_the_name_is_replaced(root: Path) -> None:
    abandon(root, "gate")
    assert runs(root) == []
    made = RunDirectory(root, "gate")
    assert list(made.folder.iterdir()) == []
    made.close()


def test_sweep_removes_the_dead_and_only_them(root: Path) -> None:
    abandon(root, "dead")
    abandon(root, "dead.too")
    alive = RunDirectory(root, "alive")
    assert sweep(root) == ["dead", "dead.too"]
    assert sorted(path.name for path in root.iterdir()) == ["alive", "alive.lock"]
    assert sweep(root) == []
    alive.close()
    assert sweep(root / "nowhere") == []


def test_find(root: Path) -> None:
    with pytest.raises(RunNotFound, match="alive: none"):
        find(root, "gate")
    made = RunDirectory(root, "gate.v2")
    assert find(root, "gate.v2") == made.endpoints
    assert root_of(made.endpoints.control) == root
    with pytest.raises(RunNotFound, match=r"alive: gate\.v2"):
        find(root, "gate")
    made.close()


def test_too_long_a_path_says_what_to_do(root: Path) -> None:
    with pytest.raises(ConfigError, match="MPIPELINE_RUN_ROOT"):
        RunDirectory(root, "x" * 100)
    assert not root.exists()


def test_the_longest_path_that_fits(tmp_path: Path) -> None:
    room = 107 - len(str(tmp_path / "predictions.sock").encode()) - 1
    if room < 1:
        pytest.fail(f"the test's own folder is too long: {tmp_path}")
    RunDirectory(tmp_path, "n" * room).close()
    with pytest.raises(ConfigError):
        RunDirectory(tmp_path, "n" * (room + 1))


def test_a_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot make the run directory"):
        RunDirectory(tmp_path / "file" / "root", "gate")


def test_who_only_looks_or_sweeps_does_not_make_a_start_fail(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_directory, "_PATIENCE_S", 60.0)
    abandon(root, "gate")
    looking = os.open(root / "gate.lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(RunDirectory, root, "gate")
        assert not starting.done()
        os.close(looking)
        starting.result(timeout=60).close()


def test_of_many_that_start_at_once_one_wins(root: Path) -> None:
    abandon(root, "gate")
    barrier = threading.Barrier(8)
    won: list[RunDirectory] = []

    def start(number: int) -> None:
        barrier.wait()
        try:
            won.append(RunDirectory(root, "gate"))
        except RunExists:
            if number % 2:
                sweep(root)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    assert len(won) == 1
    assert won[0].folder.is_dir()
    assert runs(root) == ["gate"]
    won[0].close()


def test_a_name_changes_hands_without_two_owners(root: Path) -> None:
    """Threads take the name, check that they are alone, and give it back; sweeps come in between."""
    inside = 0
    rounds = [0]

    def work(number: int) -> None:
        nonlocal inside
        for _ in range(40):
            if number == 0:
                sweep(root)
                continue
            try:
                made = RunDirectory(root, "gate")
            except RunExists:
                continue
            inside += 1
            assert inside == 1
            assert made.folder.is_dir()
            rounds[0] += 1
            inside -= 1
            made.close()

    root.mkdir()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    assert rounds[0] > 0


def test_a_later_run_of_the_same_name_is_another_incarnation(tmp_path: Path) -> None:
    assert run_directory.incarnation(tmp_path, "a") == (0, 0)
    first = RunDirectory(tmp_path, "a")
    known = run_directory.incarnation(tmp_path, "a")
    assert known != (0, 0)
    first.close()
    second = RunDirectory(tmp_path, "a")
    assert run_directory.incarnation(tmp_path, "a") not in ((0, 0), known)
    second.close()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_root_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(ConfigError, match="can be written by others: set MPIPELINE_RUN_ROOT"):
        RunDirectory(root, "a")


def test_a_sticky_root_such_as_tmp_is_taken(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o1777)
    (root / "b").write_text("in the way")
    with pytest.raises(ConfigError, match="is not of a run"):
        RunDirectory(root, "b")
    RunDirectory(root, "a").close()


def test_a_root_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory(tmp_path, "a").close()
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    if tmp_path.stat().st_uid != 0:
        with pytest.raises(ConfigError, match="belongs to somebody else"):
            RunDirectory(tmp_path, "a")
    tmp_path.chmod(0o702)
    with pytest.raises(ConfigError):
        RunDirectory(tmp_path, "a")
    tmp_path.chmod(0o700)


def test_what_others_keep_in_the_root_stays(root: Path) -> None:
    abandon(root, "dead")
    (root / "poetry.lock").write_text("# of a package tool")
    (root / "poetry").mkdir()
    (root / "data.lock").touch()
    (root / "data").mkdir()
    (root / "data" / "precious.csv").touch()
    (root / "alone.lock").touch()
    RunDirectory(root, "half").close()
    (root / "half.lock").write_text("mpipeline run\n")
    (root / "folder.lock").mkdir()
    assert sweep(root) == ["dead", "half"]
    left = ["alone.lock", "data", "data.lock", "folder.lock", "poetry", "poetry.lock"]
    assert sorted(path.name for path in root.iterdir()) == left
    assert (root / "data" / "precious.csv").exists()


@pytest.mark.parametrize("name", ["poetry", "data", "link"])
def test_a_name_that_others_have_taken_is_refused(root: Path, name: str) -> None:
    root.mkdir(mode=0o700)
    (root / "poetry.lock").write_text("# of a package tool")
    (root / "data").mkdir()
    (root / "data" / "precious.csv").touch()
    (root / "link").symlink_to(root / "data")
    with pytest.raises(ConfigError, match="is not of a run"):
        RunDirectory(root, name)
    assert (root / "data" / "precious.csv").exists()
    assert (root / "poetry.lock").read_text()


def test_what_was_removed_is_made_again(root: Path) -> None:
    made = RunDirectory(root, "gate")
    assert not made.restore()
    shutil.rmtree(root)
    assert runs(root) == []
    assert made.restore()
    assert (mode(root / "gate"), mode(root / "gate.lock")) == (0o700, 0o600)
    assert runs(root) == ["gate"]
    assert not made.restore()
    with pytest.raises(RunExists):
        RunDirectory(root, "gate")
    made.close()
    assert list(root.iterdir()) == []


def test_a_name_that_another_run_has_taken_meanwhile_is_left_to_it(root: Path) -> None:
    made = RunDirectory(root, "gate")
    (root / "gate.lock").unlink()
    other = RunDirectory(root, "gate")
    (root / "gate" / "control.sock").touch()
    with pytest.raises(RunExists):
        made.restore()
    made.close()
    assert (root / "gate" / "control.sock").exists()
    assert runs(root) == ["gate"]
    other.close()


def test_each_model_has_addresses_of_its_own_and_the_first_those_of_a_run_with_one(tmp_path: Path) -> None:
    ends = Endpoints(tmp_path)
    assert ends.of_model(0) == ends
    assert [ends.frames, ends.of_model(3).frames] == [f"ipc://{tmp_path}/frames{n}.sock" for n in ("", "-3")]
    assert ends.of_model(3).predictions == f"ipc://{tmp_path}/predictions-3.sock"
    assert ends.of_model(3).journal == f"{tmp_path}/inference-3.journal"
    assert ends.of_model(3).control == ends.control
