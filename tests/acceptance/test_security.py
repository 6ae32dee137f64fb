"""Passwords of cameras are seen nowhere; a run's files are its user's alone; foreign bytes do not disturb it."""

from __future__ import annotations

import contextlib
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from support import foreign, media, runs
from support.command import Command, Workplace
from support.rtsp_server import RtspServer

WORDS = ("Alpha7", "Bravo8", "Charlie9", "Delta0", "Echo1")  # a leak of any part shows one of them
PASSWORD = "Alpha7@Bravo8/Charlie9:Delta0?#%&\"'é Echo1"
CLIP = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10)
LOUD, TEXT = ["--json", "--log-level", "debug"], ["--log-level", "debug"]
ENVIRONMENT = {"CAMERA_PASSWORD": PASSWORD}


@pytest.fixture
def server() -> Iterator[RtspServer]:
    cameras = {"gate": [media.video(CLIP)], "yard": [media.video(CLIP)]}
    with RtspServer(cameras, user="viewer", password=PASSWORD, udp=False) as running:
        yield running


def sources(server: RtspServer, port: int = 0) -> list[dict[str, Any]]:
    """One camera with the password in its address, one with the name of a variable."""
    where = f"{server.host}:{port or server.port}"
    written = f"rtsp://viewer:{quote(PASSWORD, safe='')}@{where}/gate"
    named = f"rtsp://viewer:${{CAMERA_PASSWORD}}@{where}/yard"
    more = {"connect_timeout": 5, "read_timeout": 2}
    return [{"name": "gate", "uri": written, **more}, {"name": "yard", "uri": named, **more}]


def files_under(folder: Path) -> str:
    """The names and contents of all files there."""
    texts = []
    for path in folder.rglob("*"):
        texts.append(str(path))
        with contextlib.suppress(OSError):
            if path.is_file():
                texts.append(path.read_bytes().decode(errors="replace"))
    return "\n".join(texts)


def command_lines(run: Command) -> str:
    """Those of the run and of everything that it has started."""
    lines = []
    for process in (psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return "\n".join(lines)


def assert_nothing_seen(*texts: str) -> None:
    for text in texts:
        for word in WORDS:
            found = text.find(word)
            assert found < 0, f"{word} in …{text[max(0, found - 300) : found + 100]}…"


def look_everywhere(place: Workplace, run: Command) -> None:
    """While it runs: processes and the run directory; then ends it and looks at what it has left."""
    assert_nothing_seen(command_lines(run), files_under(place.run_root))
    run.signal(signal.SIGINT)
    run.wait()
    output = place.folder / "out.jsonl"
    assert_nothing_seen(run.log, run.output, output.read_text() if output.exists() else "")


def start(place: Workplace, config: dict[str, Any], *arguments: str) -> Command:
    place.write("run.yaml", config)
    return place.start("run", "run.yaml", *arguments, environment=ENVIRONMENT)


def wait_for_frames(run: Command, path: Path, *names: str) -> None:
    def flows() -> bool:
        text = path.read_text() if path.exists() else ""
        return all(text.count(f'{{"source":"{name}"') >= 5 for name in names)

    run.wait_until(flows, f"frames of {names}")


@pytest.mark.parametrize("log", [LOUD, TEXT], ids=["json", "text"])
def test_no_password_is_seen_of_cameras_that_work(place: Workplace, server: RtspServer, log: list[str]) -> None:
    run = start(place, runs.config(*sources(server)), *log)
    wait_for_frames(run, place.folder / "out.jsonl", "gate", "yard")
    look_everywhere(place, run)


@pytest.mark.parametrize(
    ("fault", "log"),
    [("unreachable", LOUD), ("unreachable", TEXT), ("refused", LOUD), ("missing", TEXT), ("slams", LOUD)],
)
def test_no_password_is_seen_of_cameras_with_a_fault(
    place: Workplace, server: RtspServer, fault: str, log: list[str]
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        if fault == "refused":
            server.access.password = "another"
        elif fault == "missing":
            server.call("status", code=404)
        elif fault == "slams":
            server.call("refuse", on=1)
        port = reserved.getsockname()[1] if fault == "unreachable" else 0
        run = start(place, runs.config(*sources(server, port)), *log)
        for name in ("gate", "yard"):
            run.wait_until(lambda name=name: f"{name}: " in run.log and "next try" in run.log, "a failure in words")
        look_everywhere(place, run)


@pytest.mark.parametrize(("number", "log"), [(signal.SIGSEGV, LOUD), (signal.SIGABRT, ["--json"])])
def test_no_password_is_seen_when_a_decoder_crashes(
    place: Workplace, server: RtspServer, number: signal.Signals, log: list[str]
) -> None:
    run = start(place, runs.config(*sources(server)), *log)
    wait_for_frames(run, place.folder / "out.jsonl", "gate", "yard")
    for name in ("decoder:gate", "decoder:yard"):
        victim = run.worker(name)
        victim.send_signal(number)
        run.wait_for("worker_restart", worker=name)
        run.worker(name, other_than=victim.pid)
    look_everywhere(place, run)


@pytest.mark.parametrize("is_reachable", [True, False])
def test_no_password_is_seen_by_a_program_that_watches(
    place: Workplace, server: RtspServer, is_reachable: bool
) -> None:
    place.write("run.yaml", runs.config(*sources(server, 0 if is_reachable else 9)))
    command = [sys.executable, "-m", "support.watching", "run.yaml", "status.txt"]
    program = place.start_program(command, ENVIRONMENT)
    seen = place.folder / "status.txt"
    sign = "STREAMING" if is_reachable else "unreachable"
    program.wait_until(lambda: seen.exists() and seen.read_text().count(sign) >= 4, f"a status with {sign}")
    (place.folder / "stop").touch()
    program.wait()
    assert_nothing_seen(seen.read_text(), program.log, program.output)


@pytest.mark.parametrize(
    ("command", "variable"), [("run", "${CAMERA_PASSWORD}"), ("check", quote(PASSWORD, safe=""))], ids=["run", "check"]
)
def test_no_password_is_seen_in_the_complaint_about_a_config(place: Workplace, command: str, variable: str) -> None:
    uri = f"rtsp://viewer:{variable}@127.0.0.1/gate"
    for name, wrong in (
        ("key", {"uri": uri, "nonsense": 1}),
        ("kind", {"uri": uri, "kind": "nonsense"}),
        ("scheme", {"uri": uri.replace("rtsp", "nonsense")}),
        ("place", {"name": uri}),
    ):
        place.write(f"{name}.yaml", runs.config(wrong))
        refused = place.start(command, f"{name}.yaml", environment=ENVIRONMENT)
        assert refused.wait() == 78, refused.log
        assert refused.log
        assert_nothing_seen(refused.log, refused.output)


@pytest.mark.parametrize("umask", ["022", "000"])
def test_what_a_run_makes_is_its_users_alone(place: Workplace, umask: str) -> None:
    place.write("run.yaml", runs.config(runs.camera("cam")))
    root = place.run_root / "fresh"
    script = f'umask {umask}; exec "$0" -m mpipeline run run.yaml --json'
    run = place.start_program(["sh", "-c", script, sys.executable], {"MPIPELINE_RUN_ROOT": str(root)})
    run.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") >= 5, "5 lines")
    paths = [root, *root.rglob("*"), *(Path("/dev/shm") / name for name in run.segments())]
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in paths}
    assert kinds == {stat.S_IFDIR, stat.S_IFREG, stat.S_IFSOCK}
    for path in paths:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path} {mode:o}"
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    root.rmdir()  # empty: even the lock file is gone


def test_foreign_bytes_on_the_sockets_do_not_disturb_a_run(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    run = place.run(runs.config(runs.clip("a", 150), runs.camera("cam"), detector="Held"))
    run.wait_until(lambda: runs.count_lines(path) >= 10, "10 lines")
    workers = sorted(process.pid for process in run.workers())
    folder = place.run_root / "run"
    silent = foreign.silent_connections(folder, 5)
    for _ in range(2):
        assert foreign.send_everything(folder) > 100
    lines = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= lines + 10, "10 more lines")
    assert sorted(process.pid for process in run.workers()) == workers
    for connection in silent:
        connection.close()
    (place.folder / "go").touch()
    run.wait_until(lambda: path.read_text().count('{"source":"a"') == 150, "the end of the file")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert runs.frame_ids(path)["a"] == list(range(1, 151))
    for event in ("worker_restart", "worker_crashed", "worker_failed", "worker_fatal"):
        assert not run.events(event)
    assert "Traceback" not in run.log
