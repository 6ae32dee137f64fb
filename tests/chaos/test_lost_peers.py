"""A sink of the user's own whose server is lost and comes back: it is waited for, by itself, and nothing is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from support import runs
from support.command import Command, Workplace
from support.line_server import LineServer

FRAMES = 80
BEFORE = 20
SINK = """
import socket

class Sender:
    wants_frames = False

    def __init__(self, port, connects):
        self.port, self.connects, self.lines = port, connects, None

    def open(self):
        if self.connects == "open":
            self.connect()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=1)
        self.lines = connection.makefile("rw")

    def write(self, prediction, frame):
        if self.lines is None:
            self.connect()
        try:
            self.lines.write(f"{prediction.frame.frame_id}\\n")
            self.lines.flush()
            if self.lines.readline() != "taken\\n":
                raise ConnectionResetError("the server has closed the connection")
        except OSError:
            self.lines = None
            raise
"""


@pytest.fixture(params=["resets", "closes", "falls silent"])
def server(request: pytest.FixtureRequest) -> Iterator[LineServer]:
    with LineServer(BEFORE, request.param) as made:
        yield made


def start(place: Workplace, port: int, *, live: bool = False, connects: str = "write") -> Command:
    place.write("sending.py", SINK)
    options = {"port": port, "connects": connects}
    sending = {"name": "sending", "kind": "python", "target": "sending:Sender", "options": options}
    source: dict[str, Any] = runs.camera("a") if live else runs.clip("a", FRAMES)
    return place.run(runs.config(source, sinks=(sending, runs.JSONL), limits={"stop_timeout": 5}))


def test_a_file_job_waits_for_it_and_loses_nothing(place: Workplace, server: LineServer) -> None:
    run = start(place, server.port)
    [told] = run.wait_for("sink_retrying", sink="sending")
    assert "sending.py:" in told["message"]
    run.wait_for("failed_attempts", sink="sending")
    assert server.received == list(range(1, BEFORE + 1))
    server.come_back()
    assert run.wait() == 0
    # One that had not answered may have got it, and is asked again.
    taken = list(dict.fromkeys(server.received)) if server.manner == "falls silent" else server.received
    assert taken == list(range(1, FRAMES + 1))
    assert runs.frame_ids(place.folder / "out.jsonl") == runs.complete(a=FRAMES)
    assert run.events("sink_recovered", sink="sending")
    assert not run.events("worker_restart")


def test_in_a_live_run_the_other_sink_notices_nothing(place: Workplace, server: LineServer) -> None:
    run = start(place, server.port, live=True)
    run.wait_for("sink_retrying", sink="sending")
    path = place.folder / "out.jsonl"
    before = runs.count_lines(path)
    run.wait_until(lambda: runs.count_lines(path) >= before + 30, "30 lines of the other sink")
    server.come_back()
    run.wait_until(lambda: server.received[-1] > before + 30, "fresh frames at the server that is back")
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    assert all(first <= second for first, second in pairwise(server.received))
    assert not run.events("worker_restart")


def test_a_worker_that_is_killed_meanwhile_waits_for_it_when_it_is_opened_again(place: Workplace) -> None:
    with LineServer(BEFORE, "closes") as server:
        run = start(place, server.port, connects="open")
        run.wait_for("sink_retrying", sink="sending")
        run.kill_worker("sink:sending")
        run.wait_for("worker_restart", worker="sink:sending")
        run.wait_for("sink_retrying", times=2, sink="sending")
        assert "in open" in run.events("sink_retrying", sink="sending")[-1]["message"]
        server.come_back()
        assert run.wait() == 0
        assert list(dict.fromkeys(server.received)) == list(range(1, FRAMES + 1))
    assert len(run.events("worker_restart")) == 1
