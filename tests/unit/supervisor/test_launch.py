"""A worker's process: it is a group of its own that is signalled and reaped as a whole."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import psutil
from support.leftovers import wait_until

from mpipeline.supervisor.launch import WorkerProcess, watched

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=sys.stderr, flush=True)
child.wait()
"""


def launch(program: str) -> WorkerProcess:
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    return watched(process)


def ended(worker: WorkerProcess) -> bool:
    return bool(select.select([worker.pidfd], [], [], 0)[0])


def test_its_end_is_seen_and_its_code_collected() -> None:
    worker = launch("raise SystemExit(65)")
    wait_until(lambda: ended(worker), "its end")
    worker.kill(signal.SIGTERM)  # too late, and harmless
    assert worker.reap() == 65
    worker.close()


def test_what_it_has_started_does_not_outlive_it() -> None:
    worker = launch(PARENT)
    select.select([worker.stderr_fd], [], [])
    grandchild = int(os.read(worker.stderr_fd, 100))
    worker.kill(signal.SIGKILL)
    assert worker.reap() == -signal.SIGKILL
    worker.close()
    wait_until(lambda: not psutil.pid_exists(grandchild) or is_zombie(grandchild), "the end of its child")


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
