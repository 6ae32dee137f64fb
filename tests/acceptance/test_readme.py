"""The README's examples, taken from its text, work when pasted."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest
import yaml
from support.command import Workplace

README = Path(__file__).resolve().parents[2] / "README.md"


def block(mark: str) -> str:
    """The code block that follows `<!-- mark -->` in the README."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"the README has no block {mark!r}"
    return found[1]


def config(**source: object) -> dict[str, object]:
    """A synthetic camera and a quick detector that finds one person in each frame."""
    return {
        "sources": [{"name": "cam", "kind": "synthetic", "width": 160, "height": 120, "shapes": 2, **source}],
        "model": {"target": "people:Finder"},
    }


PEOPLE = """
class Finder:
    names = ("person",)

    def infer(self, frames):
        return [[{"x": 50, "y": 50, "width": 20, "height": 20, "confidence": 0.9, "class_id": 0}] for _ in frames]
"""


def test_the_custom_sink(place: Workplace) -> None:
    place.write("counting.py", block("example: counting.py"))
    place.write("people.py", PEOPLE)
    sink = {"kind": "python", "target": "counting:Counting"}
    command = place.run({**config(count=25), "sinks": [sink]})
    assert command.wait() == 0, command.log
    rows = (place.folder / "people.csv").read_text().splitlines()
    assert rows == [f"cam,{frame_id},1" for frame_id in range(1, 26)]


def test_the_attached_program(place: Workplace) -> None:
    place.write("watching.py", block("example: watching.py"))
    place.write("people.py", PEOPLE)
    sink = {"kind": "jsonl", "path": "out.jsonl"}
    run = place.run({**config(realtime=True, rate=20), "sinks": [sink]}, name="cameras")
    run.wait_for("stream_opened")
    program = place.start_program([sys.executable, "watching.py", "cameras"])
    program.wait_until(lambda: "brightness" in program.output and "('person', 0.9" in program.output, "predictions")
    run.signal(signal.SIGINT)
    assert run.wait() == 0, run.log
    assert program.wait() == 0, program.log


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_two_commands_are_what_ci_runs(name: str) -> None:
    script = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert f"readme_command {name}" in script
    assert block(f"command: {name}").strip()


def test_every_config_in_the_readme_is_a_mapping() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    assert all(isinstance(yaml.safe_load(text), dict) for text in blocks)
