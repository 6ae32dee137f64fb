"""Two models on four sources, real videos among them, with tracking, into three sinks, from one config."""

from __future__ import annotations

import csv
from collections import Counter

import av
import pytest
from support import runs
from support.command import Workplace
from support.data import DATA, needs_data
from support.tracks import of_lines

REAL = {"lane": ("udacity_test_video_720p.mp4", 38), "shop": ("derived/retail_360p15_h264.mp4", 302)}
COUNT = 150

pytestmark = needs_data
pytest.importorskip("trackers", reason="needs the library: pip install --no-deps 'trackers>=2.6,<3'")


def test_all_of_it_at_once(place: Workplace) -> None:
    drawn = [runs.clip(name, COUNT, width=320, height=240, models=["truth", "people"]) for name in ("yard", "hall")]
    real = [
        {"name": name, "uri": str(DATA / "videos" / file), "models": ["people"]} for name, (file, _) in REAL.items()
    ]
    people = {"path": str(DATA / "models" / "light_person_detector.onnx"), "family": "yolox", "names": ["person"]}
    run = place.run(
        {
            "sources": [*drawn, *real],
            "models": {"truth": {"target": "support.tracks:Truth"}, "people": people},
            "tracker": {"kind": "bytetrack", "track_activation_threshold": 0.4, "high_conf_det_threshold": 0.4},
            "sinks": [
                {"kind": "jsonl", "path": "out.jsonl"},
                {"kind": "csv", "path": "people.csv", "models": ["people"]},
                {"kind": "video", "path": "{source}.mp4", "models": ["truth"]},
            ],
        }
    )
    assert run.wait() == 0, run.log
    counts = {"yard": COUNT, "hall": COUNT} | {name: frames for name, (_, frames) in REAL.items()}
    found = runs.by_origin(place.folder / "out.jsonl")
    assert {origin: [line["frame_id"] for line in lines] for origin, lines in found.items()} == {
        f"{source}:{model}": list(range(1, counts[source] + 1))
        for source in counts
        for model in ("truth", "people")
        if model == "people" or source not in REAL
    }
    for source in ("yard", "hall"):  # whose truth is known: six objects, six numbers, none ever changed
        followed = of_lines(found[f"{source}:truth"])
        assert (followed.objects, followed.ids, followed.switches) == (6, 6, 0)
        with av.open(str(place.folder / f"{source}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == COUNT
    shown = Counter(row["tracker_id"] for line in found["shop:people"] for row in line["predictions"])
    named = sum(count for number, count in shown.items() if number is not None)
    assert named > shown.total() / 2  # people who stay are followed, and most detections are of such
    assert len(shown) - 1 < named / 5
    told = {event["source"]: event for event in run.events("source_finished")}
    for (
        source,
        count,
    ) in counts.items():  # written once, whoever reads it, and no picture is made but the one to draw on
        line = found[f"{source}:people"][0]
        pixels = line["width"] * line["height"] * count
        assert told[source]["bytes_written"] == pixels * 3 // 2  # I420
        assert told[source].get("bytes_copied", 0) == (0 if source in REAL else pixels * 3)
    with (place.folder / "people.csv").open(newline="") as rows:
        assert {row["source"] for row in csv.DictReader(rows)} == set(counts)
