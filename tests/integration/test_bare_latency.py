"""The limit of `python -m benchmarks.latency` leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.leftovers import wait_until

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
from benchmarks.latency.contenders import bare, let_flow

with bare({"camera": "rtsp://127.0.0.1:9/none"}, 0.0) as working:
    print(working._process.pid, flush=True)
    let_flow(working, ["camera"], 0.0)
"""


def group(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    given = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=given, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        leader = int(process.stdout.readline())
        wait_until(lambda: len(group(leader)) > 2, "its processes")
        wait_until(lambda: any(tmp_path.rglob("relay")), "its sockets")
        process.send_signal(signal.SIGINT)
        process.wait(20)
    wait_until(lambda: not group(leader), "their end")
    assert not any(tmp_path.iterdir())


def test_its_own_end_is_told(tmp_path: Path) -> None:
    given = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        leader = int(process.stdout.readline())
        os.killpg(leader, signal.SIGKILL)
        told = process.communicate(timeout=60)[1]
    assert "bare_program.py has ended with -9" in told
    assert not any(tmp_path.iterdir())
