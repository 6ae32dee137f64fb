"""The examples of docs/sinks.md, taken from its text, do what the page says."""

from __future__ import annotations

import csv
import json
import re
import socket
from pathlib import Path
from typing import Any

import av
import pytest
import yaml
from support import runs
from support.command import Workplace
from support.pages import adapted, block, marked, text_of

from mpipeline.sinks import KINDS

PAGE = "docs/sinks.md"
FRAMES = 25

# Two people, and something like one, then a car, then nothing.
FINDER = """
class Finder:
    names = ("person", "car")

    def infer(self, frames):
        return [self.boxes(frame.meta.frame_id) for frame in frames]

    def boxes(self, frame_id):
        if frame_id > 20:
            return []
        found = [(0, 0.9), (0, 0.7), (0, 0.5)] if frame_id <= 10 else [(1, 0.8)]
        box = {"y": 20, "width": 16, "height": 16}
        return [{**box, "x": 16 * i + 8, "class_id": c, "confidence": s} for i, (c, s) in enumerate(found)]
"""


def config(*examples: str, **ports: int) -> dict[str, Any]:
    """A file of 25 frames through these examples, whose receivers listen at these ports."""
    sinks = []
    for example in examples:
        sinks += yaml.safe_load(adapted(block(PAGE, f"example: {example}"), **ports))["sinks"]
    return {"sources": [runs.clip("lobby", FRAMES)], "model": {"target": "finder:Finder"}, "sinks": sinks}


def ids(path: Path) -> list[int]:
    return [json.loads(line)["frame_id"] for line in path.read_text().splitlines()]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_kind_has_a_section_and_an_example() -> None:
    text = text_of(PAGE)
    for kind in KINDS:
        assert f"\n## {kind}\n" in text or f"[`{kind}`](brokers.md" in text, kind
        assert kind in marked(PAGE, "example") or f"[`{kind}`](brokers.md" in text, kind


def test_the_examples_of_all_kinds(place: Workplace) -> None:
    place.write("finder.py", FINDER)
    place.write("counting.py", block(PAGE, "module: counting.py"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        kinds = ("jsonl", "csv", "console", "video", "images", "udp", "python")
        run = place.run(config(*kinds, datagrams=receiver.getsockname()[1]))
        assert run.wait() == 0, run.log
        datagrams = [json.loads(receiver.recv(70_000)) for _ in range(FRAMES)]
    out = place.folder / "out"
    assert ids(out / "predictions.jsonl") == list(range(1, FRAMES + 1))
    text = (out / "lobby.csv").read_text()
    assert text.splitlines()[0] == block(PAGE, "columns").strip()
    assert len(rows(out / "lobby.csv")) == 10 * 3 + 10 + 5
    form = re.compile(r"lobby frames? \d+(-\d+ \(\d+\))?: (up to )?(\d+ \w+(, \d+ \w+)*|nothing)")
    assert all(form.fullmatch(line) for line in [block(PAGE, "lines").strip(), *run.output.splitlines()]), run.output
    assert run.output
    with av.open(str(out / "lobby.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == FRAMES
    pictures = sorted(path.name for path in (out / "people").iterdir())
    assert pictures == [block(PAGE, "pictures").strip(), "lobby-00000001-2of2-person.jpg"]
    assert [one["inference_metadata"]["frame_id"] for one in datagrams] == list(range(1, FRAMES + 1))
    assert datagrams[0]["inference_metadata"]["source_id"] == "lobby"
    counts = [line.split() for line in (out / "people.txt").read_text().splitlines()]
    assert counts == [["lobby", str(n), "3" if n <= 10 else "0"] for n in range(1, FRAMES + 1)]
    [left_out] = run.events("predictions_filtered")
    assert (left_out["worker"], left_out["count"]) == ("sink:images", FRAMES - 10)


def test_the_example_of_the_filter(place: Workplace) -> None:
    place.write("finder.py", FINDER)
    run = place.run(config("filter"))
    assert run.wait() == 0, run.log
    out = place.folder / "out"
    assert ids(out / "all.jsonl") == list(range(1, FRAMES + 1))
    people = rows(out / "people.csv")
    assert [int(row["frame_id"]) for row in people] == [n for n in range(1, 11) for _ in range(2)]
    whole = [json.loads(line)["predictions"] for line in (out / "all.jsonl").read_text().splitlines()]
    expected = [found[i]["detection_id"] for found in whole[:10] for i in range(2)]
    assert [row["detection_id"] for row in people] == expected
    assert ids(out / "changes.jsonl") == [1, 11]
    assert ids(out / "sometimes.jsonl") == [1, 11, 21]
    told = {event["worker"]: event["count"] for event in run.events("predictions_filtered")}
    assert told == {"sink:csv": 15, "sink:jsonl-2": 23, "sink:jsonl-3": 22}


@pytest.mark.parametrize("example", sorted(marked(PAGE, "example")))
def test_every_example_is_a_mapping_with_sinks(example: str) -> None:
    assert list(yaml.safe_load(block(PAGE, f"example: {example}"))) == ["sinks"]
