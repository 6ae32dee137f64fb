"""The README's examples, taken from its text, work when pasted."""

from __future__ import annotations

import shutil

import av
import numpy as np
import pytest
import yaml
from support import media, onnx_models, runs
from support.command import Workplace
from support.fleet import CLIP
from support.model_hub import small_detector
from support.pages import ROOT, adapted, block, blocks, interrupt, paste, shortened
from support.rtsp_program import RtspProgram

PAGE = "README.md"
FRAMES = 30  # of `media.video()`


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


def test_videos_and_a_model_on_the_command_line(place: Workplace) -> None:
    for name in ("lobby", "yard"):
        shutil.copy(media.video(), place.folder / f"{name}.mp4")
    small_detector(place.folder / "people.onnx")
    command = paste(place, block(PAGE, "command: run"))
    assert command.wait() == 0, command.log
    assert runs.frame_ids(place.folder / "out" / "predictions.jsonl") == runs.complete(lobby=FRAMES, yard=FRAMES)
    for name in ("lobby", "yard"):
        with av.open(str(place.folder / "out" / f"{name}.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) == FRAMES


@pytest.fixture
def cameras(place: Workplace) -> Workplace:
    """The config of the README with what it names: a YOLOX that sees one person, a recording."""
    (place.folder / "recordings").mkdir()
    shutil.copy(media.video(), place.folder / "recordings" / "shop.mp4")
    answer = np.zeros((84, 5 + 80), np.float32)  # the anchors of 64 x 64
    answer[0, :6] = 4, 4, 1, 1, 0.9, 0.9
    onnx_models.detector(place.folder / "yolox_nano.onnx", answer, batch="N")
    place.environment["GATE_PASSWORD"] = "s3/cr@t"
    return place


def test_a_config_is_checked_and_run_and_a_program_attaches(cameras: Workplace) -> None:
    with RtspProgram({"stream1": [media.video(CLIP)]}, user="viewer", password="s3/cr@t") as camera:
        cameras.write("cameras.yaml", adapted(block(PAGE, "file: cameras.yaml"), camera=camera.port))
        cameras.write("watching.py", block(PAGE, "example: watching.py"))
        run = paste(cameras, block(PAGE, "command: check and run"))
        lines = cameras.folder / "out" / "predictions.jsonl"
        run.wait_until(lambda: lines.exists() and '"source":"gate"' in lines.read_text(), "frames of the camera")
        program = paste(cameras, block(PAGE, "command: watching"))
        program.wait_until(lambda: "brightness" in program.output and "gate " in program.output, "predictions")
        interrupt(run)
        assert run.wait() == 0, run.log
        assert program.wait() == 0, program.log
        assert "cr@t" not in run.output + run.log
        chaos = paste(cameras, shortened(block(PAGE, "command: chaos")))
        assert chaos.wait() == 0, chaos.log + chaos.output
    assert run.output.startswith("cameras: 5 processes")
    assert runs.frame_ids(lines)["shop"] == list(range(1, FRAMES + 1))
    assert "('person', 0.81" in program.output
    assert chaos.output.splitlines()[-1] == "no fault"


def test_the_custom_sink(place: Workplace) -> None:
    place.write("counting.py", block(PAGE, "example: counting.py"))
    place.write("people.py", PEOPLE)
    sink = {"kind": "python", "target": "counting:Counting"}
    command = place.run({**config(count=25), "sinks": [sink]})
    assert command.wait() == 0, command.log
    rows = (place.folder / "people.csv").read_text().splitlines()
    assert rows == [f"cam,{frame_id},1" for frame_id in range(1, 26)]


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_two_commands_are_what_ci_runs(name: str) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"readme_command {name}" in script
    assert block(PAGE, f"command: {name}").strip()


def test_every_config_in_the_readme_is_a_mapping() -> None:
    texts = [one.text for one in blocks(PAGE) if one.language == "yaml"]
    assert texts
    assert all(isinstance(yaml.safe_load(text), dict) for text in texts)
