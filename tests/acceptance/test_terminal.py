"""What a person sees who runs it on a terminal: a pseudo-terminal here, whose text is looked at."""

from __future__ import annotations

import re
import signal
import sys

import psutil
import pytest
from support import runs
from support.command import Command, Workplace

# A program on a terminal of its own, whose text goes to the standard output of who starts it.
ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
TALKING = """
class Talking:
    wants_frames = False

    def write(self, prediction, frame):
        print("seen", prediction.frame.frame_id)
"""
FRAMES = 40


def shown(place: Workplace, *arguments: str, **environment: str) -> Command:
    """The command on a terminal of 100 columns."""
    command = [sys.executable, "-c", ON_A_TERMINAL, sys.executable, "-m", "mpipeline", *arguments]
    return place.start_program(command, {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", **environment})


@pytest.fixture
def talking(place: Workplace) -> Workplace:
    """With a run whose sink prints."""
    place.write("talking.py", TALKING)
    sink = {"kind": "python", "target": "talking:Talking"}
    place.write("run.yaml", runs.config(runs.clip("a", FRAMES), sinks=(sink,), detector="Leisurely"))
    return place


def test_what_a_sink_prints_stands_above_the_table(talking: Workplace) -> None:
    run = shown(talking, "run", "run.yaml")
    assert run.wait() == 0, run.output
    lines = re.findall(r"(?:\x1b\[2K|\n)seen (\d+)(?=\n)", run.output)
    assert lines == [str(n) for n in range(1, FRAMES + 1)], run.output
    assert "run: 40 frames" in run.output


def test_without_a_table_it_is_printed_as_it_is(talking: Workplace) -> None:
    run = shown(talking, "run", "run.yaml", "--quiet")
    assert run.wait() == 0
    assert run.output.splitlines() == [f"seen {n}" for n in range(1, FRAMES + 1)]


def test_top_on_a_terminal_until_ctrl_c(place: Workplace) -> None:
    run = place.run(runs.config(runs.camera("gate")))
    run.wait_for("stream_opened")
    top = shown(place, "top", "run")
    top.wait_until(lambda: "STREAMING" in top.output, "the table")
    for program in psutil.Process(top.pid).children():
        program.send_signal(signal.SIGINT)
    assert top.wait() == 0
    assert "Traceback" not in top.output
    run.signal(signal.SIGINT)
    assert run.wait() == 0
