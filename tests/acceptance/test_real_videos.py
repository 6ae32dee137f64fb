"""The real command on real videos with real detectors: counts are exact, predictions agree with the reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.agreement import Box, agreement, load_expected
from support.data import DATA, needs_data

from mpipeline.errors import EXIT_DONE, EXIT_SOURCE_FAILED

pytestmark = needs_data

FORMS = {"yolox_nano": ("yolox_nano", "yolox_nano_dyn"), "light_person_detector": ("light_person_detector",)}
REFERENCES = sorted(path.stem for path in (DATA / "expected").glob("*.jsonl"))
CASES = [
    (video, reference, form)
    for video, _, reference in (name.partition(".") for name in REFERENCES)
    for form in FORMS[reference]
]

GOOD = {
    "intel_person-bicycle-car-detection.mp4": 459,
    "udacity_solidWhiteRight.mp4": 221,
    "derived/coco_tiny80_slideshow_640.mp4": 480,
    "derived/retail_1080p30_h264.mp4": 300,
    "derived/retail_10bit_h265.mp4": 30,
    "derived/retail_1frame.mp4": 1,
    "derived/retail_360p15_av1.mp4": 45,
    "derived/retail_360p15_faststart.mp4": 302,
    "derived/retail_360p15_h264.h264": 75,
    "derived/retail_360p15_h264.ts": 75,
    "derived/retail_360p15_mjpeg.avi": 75,
    "derived/retail_360p15_mpeg4.avi": 75,
    "derived/retail_360p15_vp9.webm": 45,
    "derived/retail_360p_bframes_h264.mp4": 75,
    "derived/retail_641x361_444.mp4": 30,
    "derived/retail_720p15_h265.mp4": 150,
    "derived/retail_gray.mp4": 30,
    "derived/retail_odd_642x362_h264.mp4": 30,
    "derived/retail_reschange_640_to_1280.ts": 90,
    "derived/retail_vfr.mp4": 60,
}

# file → (fewest and most frames, exit code)
BROKEN = {
    "empty.mp4": (0, 0, EXIT_SOURCE_FAILED),
    "header_only.mp4": (0, 0, EXIT_SOURCE_FAILED),
    "moov_missing.mp4": (0, 0, EXIT_SOURCE_FAILED),
    "text.mp4": (0, 0, EXIT_SOURCE_FAILED),
    "truncated_faststart.mp4": (150, 150, EXIT_SOURCE_FAILED),
    "bitflip_light.mp4": (302, 302, EXIT_DONE),
    "bitflip_heavy.mp4": (299, 302, EXIT_DONE),
    "bitflip_mjpeg.avi": (71, 75, EXIT_DONE),
    "zero_hole.mp4": (280, 302, EXIT_DONE),
    "bitflip.h264": (75, 75, EXIT_DONE),
    "bitflip.ts": (75, 75, EXIT_DONE),
    "ts_loss_5pct.ts": (72, 75, EXIT_DONE),
    "starts_mid_gop.h264": (1, 60, EXIT_DONE),
}


def run(folder: Path, videos: list[Path], model: str, *more: str) -> tuple[int, str, dict[str, dict[int, list[Box]]]]:
    """Exit code, standard error, and source → frame id → boxes of a run over the videos."""
    out = folder / "predictions.jsonl"
    sources = [{"name": path.name, "uri": str(path)} for path in videos]
    config = {
        "sources": sources,
        "model": {"path": str(DATA / "models" / f"{model}.onnx"), "confidence": 0.3, "iou_threshold": 0.45},
        "sinks": [{"kind": "jsonl", "path": str(out)}],
    }
    if model != "light_person_detector":
        config["model"]["family"] = "yolox"  # type: ignore[index]
    path = folder / "run.yaml"
    path.write_text(json.dumps(config))
    command = [sys.executable, "-m", "mpipeline", "run", str(path), "--name", "t", *more]
    environment = {**os.environ, "MPIPELINE_RUN_ROOT": str(folder / "r")}  # socket paths are short
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    found: dict[str, dict[int, list[Box]]] = {path.name: {} for path in videos}
    for line in out.read_text().splitlines() if out.exists() else []:
        record = json.loads(line)
        frames = found[record["source"]]
        assert record["frame_id"] == max(frames, default=0) + 1, "a frame is missing, doubled, or out of order"
        frames[record["frame_id"]] = [_box(one) for one in record["predictions"]]
    return done.returncode, done.stderr, found


def _box(one: dict[str, float]) -> Box:
    half_width, half_height = one["width"] / 2, one["height"] / 2
    x, y = one["x"], one["y"]
    corners = [x - half_width, y - half_height, x + half_width, y + half_height]
    return [*corners, one["confidence"], one["class_id"]]


@pytest.mark.parametrize(("video", "reference", "form"), CASES)
def test_predictions_agree_with_the_reference(tmp_path: Path, video: str, reference: str, form: str) -> None:
    path = next(p for p in DATA.glob(f"videos/**/{video}.mp4"))
    code, stderr, found = run(tmp_path, [path], form)
    assert code == EXIT_DONE, stderr
    result = agreement(load_expected(DATA / "expected" / f"{video}.{reference}.jsonl"), found[path.name])
    assert result.good(), result


def test_every_good_file_gives_every_frame(tmp_path: Path) -> None:
    """All codecs and containers at once, so that they also share the pipeline."""
    paths = [DATA / "videos" / name for name in GOOD]
    code, stderr, found = run(tmp_path, paths, "light_person_detector")
    assert code == EXIT_DONE, stderr
    assert {name: len(found[Path(name).name]) for name in GOOD} == GOOD


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_ends_as_it_should(tmp_path: Path, name: str) -> None:
    fewest, most, expected_code = BROKEN[name]
    code, stderr, found = run(tmp_path, [DATA / "videos" / "broken" / name], "light_person_detector")
    assert code == expected_code, stderr
    assert fewest <= len(found[name]) <= most
    if expected_code:
        assert name in stderr
