"""docs/operate.md: every command on it does what the page says, taken from its text."""

from __future__ import annotations

import json
import re
import shutil
import signal

from support import media
from support.command import Workplace
from support.pages import block, form, paste, text_of

PAGE = "docs/operate.md"
PEOPLE = """
class Finder:
    def infer(self, frames):
        return [[{"x": 50, "y": 50, "width": 20, "height": 20, "confidence": 0.9, "class": "person"}] for _ in frames]
"""


def command(mark: str) -> str:
    return block(PAGE, f"command: {mark}")


def test_doctor(place: Workplace) -> None:
    asked = paste(place, command("doctor"))
    assert asked.wait() == 0, asked.output
    assert re.search(r"^  ok +ring: a frame went through shared memory$", asked.output, re.MULTILINE)
    page = text_of(PAGE)
    for level in re.findall(r"^  (\w+) ", asked.output, re.MULTILINE):
        assert f"| `{level}` |" in page
    assert paste(place, command("doctor for programs")).wait() == 0
    assert json.loads((place.folder / "doctor.json").read_text())["counts"]["broken"] == 0


def test_probe(place: Workplace) -> None:
    shutil.copy(media.video(), place.folder / "lobby.mp4")
    asked = paste(place, command("probe"))
    assert asked.wait() == 0, asked.log
    assert "video, a file" in asked.output
    assert paste(place, command("probe for programs")).wait() == 0
    assert json.loads((place.folder / "lobby.json").read_text())["codec"] == "h264"


def test_status(place: Workplace) -> None:
    place.write("people.py", PEOPLE)
    place.write("cameras.yaml", block(PAGE, "file: cameras.yaml"))
    run = place.start("run", "cameras.yaml", "--json", environment={"GATE_PASSWORD": "s3cret"})
    run.wait_for("stream_opened", source="north")
    run.wait_for("reconnects", source="gate")
    asked = paste(place, command("status"), up_to_failure=False)
    assert asked.wait() == 75
    _, *shown = form(block(PAGE, "session: status"))
    told = form(asked.output)[-len(shown) :]
    assert told[:-1] == shown[:-1]
    assert told[-1].startswith(shown[-1].removesuffix("no connection to …"))
    assert "source gate is CONNECTING (unreachable): source 'gate': cannot open rtsp://***@" in asked.output
    assert "s3cret" not in asked.output
    assert paste(place, command("alarm")).wait() == 0
    assert (place.folder / "alarms.txt").read_text() == "cameras: code 75\n"
    state = json.loads((place.folder / "state.json").read_text())
    assert state["sources"][0]["fps_out"] > 0
    run.signal(signal.SIGINT)
    assert run.wait() == 0
    [told] = run.events("never_connected")
    assert told["message"].startswith("gate never connected: cannot open rtsp://***@127.0.0.1:9/stream")
