"""`mpipeline sources probe`: what a source is, and what is wrong with one that cannot be read."""

from __future__ import annotations

import json
import socket
from typing import Any

from support import media
from support.command import Workplace
from support.rtsp_server import RtspServer
from support.webcams import SMALL, SMALL_JPEG, Webcams

SPEC = media.VideoSpec(width=160, height=96, frames=60, rate=30, gop=10)


def probe(place: Workplace, *arguments: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """What it has told as JSON, and as log."""
    asked = place.start("sources", "probe", *arguments, "--json")
    assert asked.wait() == code, asked.log
    return (json.loads(asked.output) if code == 0 else {}), asked.log


def test_a_file(place: Workplace) -> None:
    told, _ = probe(place, str(media.video(SPEC)))
    assert (told["kind"], told["live"], told["codec"]) == ("video", False, "h264")
    assert (told["width"], told["height"], told["pixel_format"]) == (160, 96, "i420")
    assert (told["rate"], told["frame_count"], told["duration"], told["frames"]) == (30.0, 60, 2.0, 60)
    assert 0 < told["opened"] <= told["first_frame"]


def test_a_file_for_people(place: Workplace) -> None:
    asked = place.start("sources", "probe", str(media.video(SPEC)), "--seconds", "0")
    assert asked.wait() == 0
    for words in ("video, a file", "h264, i420", "160x96", "30 frames/s", "2.00 s, 60 frames", "1 frames, 0 decode"):
        assert words in asked.output, asked.output


def test_a_stream_whose_password_nobody_sees(place: Workplace) -> None:
    with RtspServer({"gate": [media.video(SPEC)]}, user="viewer", password="s3cret/pass", udp=False) as server:
        address = f"rtsp://viewer:s3cret%2Fpass@{server.host}:{server.port}/gate"
        told, log = probe(place, address, "--seconds", "1")
        assert (told["live"], told["codec"], told["frame_count"]) == (True, "h264", 0)
        assert told["shown"] == f"rtsp://***@{server.host}:{server.port}/gate"
        assert told["measured_rate"] > 5
        wrong = f"rtsp://viewer:n0tthis@{server.host}:{server.port}/gate"
        _, log = probe(place, wrong, code=65)
        assert "n0tthis" not in log
        assert "password" in log


def test_a_server_that_says_nothing_is_not_waited_for_without_end(place: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x"
        _, log = probe(place, address, "--set", "connect_timeout=1", code=65)
        assert "did not answer in time" in log
        _, log = probe(place, address, "--timeout", "0.5", "--seconds", "0", code=65)
        assert "within 0.5 s" in log


def test_a_webcam(place: Workplace) -> None:
    webcams = Webcams(place.folder / "webcams")
    webcams.add(0, SMALL, SMALL_JPEG)
    place.environment |= webcams.environment
    told, _ = probe(place, "0", "--seconds", "0.5")
    assert (told["kind"], told["codec"], told["width"], told["live"]) == ("device", "MJPG", 160, True)
    _, log = probe(place, "3", code=65)
    assert "/dev/video3" in log


def test_what_is_no_video_and_what_is_no_option(place: Workplace) -> None:
    place.write("notes.mp4", "this is no video")
    _, log = probe(place, "notes.mp4", code=65)
    assert "not a video" in log
    _, log = probe(place, "none.mp4", code=65)
    assert "no such file" in log
    _, log = probe(place, "none.mp4", "--set", "trnsport=udp", code=78)
    assert "did you mean 'transport'" in log
    _, log = probe(place, "synthetic", "--timeout", "0", code=78)
    assert "--timeout" in log
