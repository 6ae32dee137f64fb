"""`mpipeline run` over RTSP cameras with faults: the state and the reason are visible, the others flow on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import media, runs
from support.command import Command, Workplace
from support.rtsp_server import RtspServer

SMALL = media.VideoSpec(width=160, height=96, frames=150, rate=30, gop=10)
BIG = media.VideoSpec(width=192, height=128, frames=150, rate=30, gop=10)


@pytest.fixture
def server() -> Iterator[RtspServer]:
    """Two cameras behind a password."""
    cameras = {"gate": [media.video(SMALL)], "yard": [media.video(SMALL)]}
    with RtspServer(cameras, user="viewer", password="s3cret/pass", udp=False) as running:
        yield running


def seen(path: Path, source: str) -> list[dict[str, Any]]:
    """The lines of a source so far."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [line for line in map(runs.parsed, whole.splitlines()) if line["source"] == source]


def start(place: Workplace, *sources: dict[str, Any], **more: Any) -> Command:
    return place.run(runs.config(*sources, **more))


def stream(server: RtspServer, name: str) -> dict[str, Any]:
    return {"name": name, "uri": server.url(name), "connect_timeout": 5, "read_timeout": 1}


def wait_for_frames(run: Command, path: Path, source: str, more: int = 5) -> None:
    before = len(seen(path, source))
    run.wait_until(lambda: len(seen(path, source)) >= before + more, f"{more} more frames of {source}")


def finish(run: Command, path: Path) -> None:
    """Ends it; ids must have grown in every source."""
    run.signal(2)
    assert run.wait() == 0
    for source, ids in runs.frame_ids(path).items():
        assert ids == sorted(set(ids)), source


def test_cameras_flow_in_order_and_no_credential_is_shown(place: Workplace, server: RtspServer) -> None:
    path = place.folder / "out.jsonl"
    uri = f"rtsp://viewer:${{GATE_PASSWORD}}@{server.host}:{server.port}/gate"
    place.write("run.yaml", runs.config({"name": "gate", "uri": uri}, stream(server, "yard")))
    run = place.start("run", "run.yaml", "--json", "--log-level", "debug", environment={"GATE_PASSWORD": "s3cret/pass"})
    for source in ("gate", "yard"):
        wait_for_frames(run, path, source)
    command_lines = [" ".join(process.cmdline()) for process in run.workers()]
    assert len(command_lines) == 4
    finish(run, path)
    for text in (*command_lines, run.log, run.output, path.read_text()):
        assert "s3cret" not in text
    assert place.start("check", "run.yaml", environment={"GATE_PASSWORD": "s3cret/pass"}).wait() == 0
    assert "s3cret" not in place.commands[-1].output + place.commands[-1].log


@pytest.mark.parametrize(
    ("fault", "arguments", "reasons"),
    [
        ("drop", {}, {"end_of_stream", "unreachable", "failed", "corrupt_data", "truncated"}),
        ("stall", {"seconds": 4}, {"timeout", "stalled"}),
    ],
)
def test_a_stream_that_breaks_off_comes_back(
    place: Workplace, server: RtspServer, fault: str, arguments: dict[str, Any], reasons: set[str]
) -> None:
    path = place.folder / "out.jsonl"
    run = start(place, stream(server, "gate"), stream(server, "yard"))
    for source in ("gate", "yard"):
        wait_for_frames(run, path, source)
    server.call(fault, camera="gate", **arguments)
    [trouble] = run.wait_for("reconnects", source="gate")[:1]
    assert trouble["reason"] in reasons
    wait_for_frames(run, path, "yard")
    wait_for_frames(run, path, "gate")
    assert len(run.events("stream_opened", source="gate")) >= 2
    assert not run.events("reconnects", source="yard")
    finish(run, path)


@pytest.mark.parametrize(("code", "reason"), [(404, "not_found"), (503, "server_error")])
def test_a_refused_stream_says_why_and_the_others_flow(
    place: Workplace, server: RtspServer, code: int, reason: str
) -> None:
    path = place.folder / "out.jsonl"
    server.call("status", camera="gate", code=code)
    run = start(place, stream(server, "gate"), stream(server, "yard"))
    wait_for_frames(run, path, "yard")
    run.wait_for("reconnects", source="gate", reason=reason)
    server.call("status", camera="gate", code=0)
    wait_for_frames(run, path, "gate")
    finish(run, path)


def test_a_refused_password_is_told_and_the_others_flow(place: Workplace, server: RtspServer) -> None:
    path = place.folder / "out.jsonl"
    wrong = {"name": "gate", "uri": server.url("gate", password="wr0ng")}
    run = start(place, wrong, stream(server, "yard"))
    run.wait_for("reconnects", source="gate", reason="auth_failed")
    wait_for_frames(run, path, "yard")
    finish(run, path)
    assert "wr0ng" not in run.log + run.output


def test_a_camera_that_is_offline_at_the_start_comes_later(place: Workplace) -> None:
    path = place.folder / "out.jsonl"
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    run = start(place, {"name": "gate", "uri": f"rtsp://127.0.0.1:{port}/gate"}, runs.camera("cam"))
    [trouble] = run.wait_for("reconnects", source="gate")[:1]
    assert trouble["reason"] == "unreachable"
    wait_for_frames(run, path, "cam")
    with RtspServer({"gate": [media.video(SMALL)]}, port=port, udp=False):
        wait_for_frames(run, path, "gate")
        finish(run, path)


def test_a_resolution_that_changes_gets_a_new_ring_and_the_old_one_goes(place: Workplace, server: RtspServer) -> None:
    path = place.folder / "out.jsonl"
    video = {"kind": "video", "path": "{source}.mp4", "preset": "ultrafast"}
    run = start(place, stream(server, "gate"), sinks=(runs.JSONL, video))
    wait_for_frames(run, path, "gate")
    server.call("switch", camera="gate", file=str(media.video(BIG)))
    run.wait_until(lambda: (seen(path, "gate") or [{"width": 0}])[-1]["width"] == BIG.width, "the new size")
    run.wait_until(lambda: len(run.segments()) == 1, "the end of the old ring")
    wait_for_frames(run, path, "gate")
    finish(run, path)


def test_an_overloaded_model_drops_frames_and_counts_them_with_reasons(place: Workplace, server: RtspServer) -> None:
    path = place.folder / "out.jsonl"
    run = start(place, stream(server, "gate"), stream(server, "yard"), detector="Overloaded")
    for source in ("gate", "yard"):
        wait_for_frames(run, path, source, 3)
    finish(run, path)
    ids = runs.frame_ids(path)["gate"]
    assert ids[-1] > len(ids)
    [finished] = run.events("source_finished", source="gate")
    assert any(reason in finished["message"] for reason in ("superseded", "stale", "expired"))
