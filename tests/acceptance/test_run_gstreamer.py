"""Runs over GStreamer pipelines: a camera that goes and comes back, one that hangs, and what is told beforehand."""

from __future__ import annotations

import json
from pathlib import Path

from support import gstreamer, media, runs
from support.command import Workplace
from support.fleet import CLIP, LARGE, Fleet
from support.rtsp_server import RtspServer

PATIENCE = {"connect_timeout": 1.5, "read_timeout": 1.5}


def test_a_camera_that_goes_away_and_comes_back_in_another_size(place: Workplace) -> None:
    gstreamer.needs(*gstreamer.DECODING)
    server = RtspServer({"gate": [media.video(CLIP)]}, user="viewer", password="s3cret", udp=False)
    with server:
        gate = {"name": "gate", "gstreamer": gstreamer.of_camera(server.url("gate")), **PATIENCE}
        fleet = Fleet(place, gate, runs.camera("other"))
        fleet.wait_for_flow()
        server.stop()
        fleet.wait_for_reason("gate", "end_of_stream", "unreachable", "failed")
        fleet.wait_for_flow("other")
        server.start()
        fleet.wait_for_flow()

        server.call("switch", file=media.video(LARGE))
        fleet.run.wait_for("resolution_changed", source="gate")
        fleet.run.wait_until(lambda: fleet.lines("gate")[-1]["width"] == LARGE.width, "frames of the new size")
        fleet.finish()
    assert "s3cret" not in fleet.run.log


def test_files_are_complete_and_what_cannot_work_is_told(place: Workplace) -> None:
    gstreamer.needs(*gstreamer.DECODING)
    path = media.video(media.VideoSpec())
    command = place.run(
        runs.config(
            {"name": "good", "gstreamer": gstreamer.of_file(path)},
            {"name": "killed", "gstreamer": gstreamer.of_file(path, "identity sleep-time=20000 ! appsink")},
            {"name": "bad", "gstreamer": "nosuchsource ! appsink"},
        )
    )
    command.wait_until(lambda: runs.count_lines(place.folder / "out.jsonl") > 10, "some lines")
    command.kill_worker("decoder:killed")
    assert command.wait() == 65, command.log
    assert runs.frame_ids(place.folder / "out.jsonl") == {name: list(range(1, 31)) for name in ("good", "killed")}
    (failed,) = command.events("source_failed", source="bad")
    assert "gst-inspect-1.0 nosuchsource" in failed["message"]


def test_a_pipeline_that_hangs_ends_with_its_process_and_hurts_nobody_else(place: Workplace) -> None:
    gstreamer.needs("videotestsrc", "identity")
    hung = "videotestsrc is-live=true ! identity sleep-time=600000000 ! appsink"
    fleet = Fleet(place, {"name": "hung", "gstreamer": hung, "connect_timeout": 0.5}, runs.camera("other"))
    fleet.run.wait_for("pipeline_hangs", source="hung")
    fleet.run.wait_for("worker_restart")
    fleet.wait_for_flow("other")
    fleet.finish()


def probe(place: Workplace, *arguments: str) -> str:
    asked = place.start("sources", "probe", *arguments)
    assert asked.wait() == 0, asked.log
    return asked.output


def test_what_decodes_is_told_by_a_probe(place: Workplace) -> None:
    gstreamer.needs(*gstreamer.DECODING)
    path = media.video(media.VideoSpec())
    told = json.loads(probe(place, gstreamer.of_file(Path(path)), "--json"))
    assert (told["kind"], told["live"], told["frames"]) == ("gstreamer", False, 30)
    assert told["decoder"] == "avdec_h264 on the processor"
    assert str(path) in told["shown"]

    words = probe(place, "videotestsrc is-live=true ! appsink", "--seconds", "0.3")
    assert "gstreamer, live" in words
    assert "none: what comes is not encoded" in words
