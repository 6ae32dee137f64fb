"""`mpipeline chaos` as users call it: it finds nothing where nothing is wrong, and what is wrong where something is."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support import media, runs
from support.command import Command, Workplace
from support.rtsp_server import RtspServer

LONGEST_S = 840  # the watchdog; a quiet machine needs a small part of it

pytestmark = pytest.mark.timeout(900)
FILM = media.VideoSpec(width=64, height=48, frames=90, gop=25, b_frames=2)
BROADCAST = media.VideoSpec(suffix=".ts", width=64, height=48, frames=75, gop=15)
PHONE = media.VideoSpec(width=96, height=64, frames=60, gop=12, variable_rate=True)
CAMERA = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10)


def films() -> list[dict[str, Any]]:
    """Short videos of several kinds, one of them with B-frames, one in a stream's container, one of variable rate."""
    specs = {"film": FILM, "broadcast": BROADCAST, "phone": PHONE}
    return [{"name": name, "uri": str(media.video(spec))} for name, spec in specs.items()]


def strike(place: Workplace, config: dict[str, Any], *arguments: str) -> Command:
    place.write("run.yaml", config)
    return place.start("chaos", "run.yaml", "--json", "report.json", *arguments)


def report_of(place: Workplace, run: Command) -> dict[str, Any]:
    """What the command has found, once it has ended."""
    run.process.wait(LONGEST_S)
    path = place.folder / "report.json"
    assert path.exists(), run.log[-4000:]
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def assert_clean(run: Command, report: dict[str, Any]) -> None:
    assert report["faults"] == []
    assert run.process.returncode == 0, run.log[-4000:]
    assert not any(report["left_behind"].values())
    assert "no fault" in run.output


def own_files(folder: Path) -> set[str]:
    """What lies in the folder besides the test's own files."""
    return {path.name for path in folder.iterdir()} - {"run.yaml", "report.json", "stdout-0", "stderr-0"}


def test_a_hundred_kills_cost_file_jobs_nothing(place: Workplace) -> None:
    each = {"name": "each", "kind": "jsonl", "path": "each/{source}.jsonl"}
    video = {"name": "video", "kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}
    config = runs.config(*films(), runs.clip("clip", 150), sinks=(each, video), detector="Leisurely")
    run = strike(place, config, "--kills", "100", "--seed", "3", "--every", "0.3", "--per-job", "25")
    report = report_of(place, run)
    assert_clean(run, report)
    assert report["strikes_delivered"] == 100
    assert report["jobs"] >= 4
    assert report["frames"] == report["jobs"] * (90 + 75 + 60 + 150)
    assert {row["role"] for row in report["roles"]} == {"decoder", "inference", "sink"}
    assert own_files(place.folder) == set(), "the user's own outputs are not touched"


def test_frozen_workers_cost_file_jobs_nothing(place: Workplace) -> None:
    config = runs.config(*films(), detector="Leisurely")
    run = strike(place, config, "--kills", "6", "--freeze", "1", "--every", "0.3", "--per-job", "3")
    report = report_of(place, run)
    assert_clean(run, report)
    assert all(one["freeze_s"] > 0 for one in report["strikes"])
    assert len(report["strikes"]) == 6


def test_live_streams_flow_again_after_each_kill(place: Workplace) -> None:
    with RtspServer({"gate": [media.video(CAMERA)], "yard": [media.video(CAMERA)]}, udp=False) as server:
        sources = [{"name": name, "uri": server.url(name)} for name in ("gate", "yard")]
        run = strike(place, runs.config(*sources), "--kills", "6", "--every", "0.5", "--freeze", "0.3")
        report = report_of(place, run)
    assert_clean(run, report)
    assert report["live"]
    assert report["strikes_delivered"] == 6
    assert sum(row["measured"] for row in report["roles"]) >= 5, "each is measured, or its sources had ended"
    for flow in report["sources"].values():
        assert flow["frames"] + flow["missing"] == flow["last"] - flow["first"] + 1


def test_a_sink_that_loses_frames_when_killed_is_found(place: Workplace) -> None:
    mine = {
        "name": "mine",
        "kind": "python",
        "target": "support.forgetful:Forgetful",
        "options": {"path": "mine.jsonl"},
    }
    config = runs.config(runs.clip("clip", 1000), sinks=(mine,), detector="Leisurely")
    arguments = ("--kills", "10", "--roles", "sink", "--every", "0.5", "--keep-sinks", "--out", "kept")
    run = strike(place, config, *arguments)
    report = report_of(place, run)
    assert run.process.returncode == 1
    assert {fault["kind"] for fault in report["faults"]} == {"lost"}
    assert all("sink mine" in fault["detail"] and fault["strikes"][0] >= 1 for fault in report["faults"])
    assert "lost (seed 1, job" in run.output
    assert own_files(place.folder) == {"kept"}
    assert (place.folder / "kept" / "log.txt").exists()


def test_a_sink_of_the_users_own_is_left_out_unless_asked_for(place: Workplace) -> None:
    mine = {
        "name": "mine",
        "kind": "python",
        "target": "support.forgetful:Forgetful",
        "options": {"path": "mine.jsonl"},
    }
    config = runs.config(runs.clip("clip", 200), sinks=(mine,), detector="Leisurely")
    run = strike(place, config, "--kills", "1", "--every", "0.2")
    report = report_of(place, run)
    assert_clean(run, report)
    assert any("mine" in note for note in report["notes"])


def test_it_ends_in_order_when_interrupted(place: Workplace) -> None:
    run = strike(place, runs.config(runs.clip("clip", 300), detector="Leisurely"), "--kills", "1000", "--every", "0.3")
    run.wait_until(lambda: run.workers("inference"), "workers")
    run.signal(signal.SIGINT)
    report = report_of(place, run)
    assert report["interrupted"]
    assert run.process.returncode == 0
    assert own_files(place.folder) == set()


def test_a_pipeline_that_does_not_even_work_undisturbed_is_told(place: Workplace) -> None:
    run = strike(place, runs.config(runs.clip("clip", 10), detector="Broken"), "--kills", "1")
    assert run.wait() != 0
    assert "undisturbed" in run.log
