"""Many reconnects of one decoder: memory, threads and open files stay what they are.

`MPIPELINE_CHAOS_RECONNECTS` says how many against a server that refuses; a tenth of it against a stream that breaks.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import media
from support.rtsp_server import RtspServer

RECONNECTS = int(os.environ.get("MPIPELINE_CHAOS_RECONNECTS", "300"))
ALLOWED_MB = 8.0  # what allocators and caches may still take after the first third; a leak per reconnect is no constant
TESTS = Path(__file__).parents[1]
CLIP = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=5)

Figures = list[dict[str, float]]


@contextlib.contextmanager
def slamming_server() -> Iterator[int]:
    """A port that accepts and closes at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.is_set():
                with contextlib.suppress(OSError):
                    listener.accept()[0].close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            is_over.set()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
            thread.join()


def reconnecting(address: str, count: int, server: RtspServer | None, log: Path) -> Figures:
    """Runs the program of `support.reconnecting`, and breaks its stream whenever it flows."""
    command = [sys.executable, "-m", "support.reconnecting", address, str(count)]
    figures = []
    with log.open("w") as errors:
        program = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert program.stdout is not None
            for line in program.stdout:
                if line.startswith("{"):
                    figures.append(json.loads(line))
                elif server is not None:
                    server.call("drop")
            assert program.wait() == 0, log.read_text()[-2000:]
        finally:
            program.kill()
            program.wait()
    return figures


def assert_flat(figures: Figures, count: int) -> None:
    """Nothing has grown since the first third."""
    print(figures[0], *figures[len(figures) // 3 :: max(1, len(figures) // 8)], figures[-1], sep="\n")
    assert figures[-1]["losses"] == count
    settled, last = figures[len(figures) // 3], figures[-1]
    assert last["files"] <= max(each["files"] for each in figures[: len(figures) // 3 + 1])
    assert last["threads"] <= max(each["threads"] for each in figures[: len(figures) // 3 + 1])
    assert last["rss_mb"] - settled["rss_mb"] < ALLOWED_MB


@pytest.mark.timeout(max(300, RECONNECTS))
def test_a_port_that_accepts_and_closes_costs_nothing(tmp_path: Path) -> None:
    with slamming_server() as port:
        figures = reconnecting(f"rtsp://127.0.0.1:{port}/gate", RECONNECTS, None, tmp_path / "log")
    assert_flat(figures, RECONNECTS)


@pytest.mark.timeout(max(300, RECONNECTS))
def test_a_stream_that_breaks_off_costs_nothing(tmp_path: Path) -> None:
    count = max(1, RECONNECTS // 10)
    with RtspServer({"gate": [media.video(CLIP)]}, udp=False) as server:
        figures = reconnecting(server.url("gate"), count, server, tmp_path / "log")
    assert_flat(figures, count)
