"""docs/operate.md: every command on it does what the page says, taken from its text."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

from support import media
from support.command import Command, Workplace

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
PEOPLE = """
class Finder:
    def infer(self, frames):
        return [[{"x": 50, "y": 50, "width": 20, "height": 20, "confidence": 0.9, "class": "person"}] for _ in frames]
"""


def block(mark: str) -> str:
    """The code block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block {mark!r}"
    return found[1]


def paste(place: Workplace, mark: str) -> Command:
    """What a shell makes of the block, with `mpipeline` found as it is after the installation."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return place.start_program(["sh", "-c", block(f"command: {mark}")], {"PATH": path})


def test_doctor(place: Workplace) -> None:
    asked = paste(place, "doctor")
    assert asked.wait() == 0, asked.output
    assert re.search(r"^  ok +ring: a frame went through shared memory$", asked.output, re.MULTILINE)
    for level in re.findall(r"^  (\w+) ", asked.output, re.MULTILINE):
        assert f"| `{level}` |" in PAGE
    assert paste(place, "doctor for programs").wait() == 0
    assert json.loads((place.folder / "doctor.json").read_text())["counts"]["broken"] == 0


def test_probe(place: Workplace) -> None:
    shutil.copy(media.video(), place.folder / "lobby.mp4")
    asked = paste(place, "probe")
    assert asked.wait() == 0, asked.log
    assert "video, a file" in asked.output
    assert paste(place, "probe for programs").wait() == 0
    assert json.loads((place.folder / "lobby.json").read_text())["codec"] == "h264"


def test_status(place: Workplace) -> None:
    place.write("people.py", PEOPLE)
    place.write("cameras.yaml", block("file: cameras.yaml"))
    run = place.start("run", "cameras.yaml", "--json", environment={"GATE_PASSWORD": "s3cret"})
    run.wait_for("stream_opened", source="north")
    run.wait_for("reconnects", source="gate")
    asked = paste(place, "status")
    assert asked.wait() == 75
    heads = [line.split() for line in PAGE.splitlines() if re.match(r"(source|sink|process) .*(state)", line)]
    assert len(heads) == 3
    told = [line.split() for line in asked.output.splitlines()]
    assert all(head in told for head in heads)
    assert "source gate is CONNECTING (unreachable): source 'gate': cannot open rtsp://***@" in asked.output
    assert "s3cret" not in asked.output
    assert paste(place, "alarm").wait() == 0
    assert (place.folder / "alarms.txt").read_text() == "cameras: code 75\n"
    state = json.loads((place.folder / "state.json").read_text())
    assert state["sources"][0]["fps_out"] > 0
    run.signal(signal.SIGINT)
    assert run.wait() == 0
