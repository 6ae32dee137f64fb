"""docs/configuration.md and docs/troubleshoot.md: their configs and commands, taken from the text, work."""

from __future__ import annotations

import json
import shutil

import numpy as np
import yaml
from support import media, onnx_models, runs
from support.command import Workplace
from support.fleet import CLIP
from support.pages import adapted, block, interrupt, paste
from support.rtsp_server import RtspServer

PAGE = "docs/configuration.md"


def test_its_first_config_is_that_of_the_readme() -> None:
    first, second = (yaml.safe_load(block(page, "file: cameras.yaml")) for page in (PAGE, "README.md"))
    assert first == second


def test_one_thing_is_changed_for_one_run(place: Workplace) -> None:
    (place.folder / "recordings").mkdir()
    shutil.copy(media.video(), place.folder / "recordings" / "shop.mp4")
    faint = np.zeros((84, 85), np.float32)
    faint[0, :6] = 4, 4, 1, 1, 0.9, 0.4  # 0.36: above the 0.3 of the config, below what is set
    onnx_models.detector(place.folder / "yolox_nano.onnx", faint, batch="N")
    place.environment["GATE_PASSWORD"] = "pw"
    with RtspServer({"stream1": [media.video(CLIP)]}, udp=False) as server:
        place.write("cameras.yaml", adapted(block(PAGE, "file: cameras.yaml"), camera=server.port))
        run = paste(place, block(PAGE, "command: overrides"))
        path = place.folder / "other.jsonl"
        run.wait_until(lambda: path.exists() and path.read_text().count('"source":"gate"') > 5, "frames of the camera")
        interrupt(run)
        assert run.wait() == 0, run.log
    found = runs.by_source(path)
    times = [line["pts"] for line in found["gate"] if line["pts"] is not None]
    assert times[-1] - times[0] > (len(times) - 1) * 0.17, "5 a second of 15"
    assert not any(line["predictions"] for line in found["shop"])
    assert not (place.folder / "out" / "predictions.jsonl").exists()


def test_three_things_help_with_every_question(place: Workplace) -> None:
    place.write("cameras.yaml", runs.config(runs.clip("gate", 20)))
    shell = paste(place, block("docs/troubleshoot.md", "command: help"))
    assert shell.wait() == 0, shell.log
    assert shell.output.startswith("cameras: 3 processes")
    events = [json.loads(line)["event"] for line in (place.folder / "run.log").read_text().splitlines()]
    assert "finished" in events
    assert shell.log.count("20 frames in") == 1  # of the third line; that of the second stands in the file
