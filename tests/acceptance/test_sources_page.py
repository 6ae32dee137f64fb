"""Every example of docs/sources.md, taken from its text, works when pasted: addresses become those of servers here."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from support import gstreamer, media, rtmp_server, runs
from support.command import Workplace
from support.fleet import CLIP, Fleet
from support.http_server import HttpServer
from support.leftovers import wait_until
from support.media import VideoSpec
from support.pages import adapted, block
from support.publisher import QUICK_HLS, Publisher
from support.rtmp_server import RtmpServer
from support.rtsp_program import RtspProgram
from support.webcams import LARGE_JPEG, SMALL_JPEG, Webcams

from mpipeline.config.load import load_config

PAGE = "docs/sources.md"
FINITE = ("files", "less", "hardware", "playlist", "images", "gstreamer", "synthetic")
LIVE = ("rtsp", "streams", "device", "gstreamer-camera", "python")
SHOP, STREET = VideoSpec(), VideoSpec(suffix=".mkv")  # thirty frames each, two seconds


@pytest.fixture
def web(tmp_path: Path) -> Iterator[HttpServer]:
    folder = tmp_path / "web"
    folder.mkdir()
    with HttpServer(folder) as server:
        yield server


def sources_of(mark: str, **ports: int) -> list[dict[str, Any]]:
    """The sources of one example, whose servers listen at these ports here."""
    text = adapted(block(PAGE, f"example: {mark}"), **ports)
    found: list[dict[str, Any]] = yaml.safe_load(text)["sources"]
    if "gstreamer" in mark and gstreamer.lacking(*gstreamer.DECODING):
        return []
    return [{**source, "name": f"{mark}.{source['name']}"} for source in found]


def make_recordings(place: Workplace) -> None:
    """The files that the page speaks of."""
    recordings = place.folder / "recordings"
    recordings.mkdir()
    shutil.copy(media.video(SHOP), recordings / "shop.mp4")
    shutil.copy(media.video(STREET), recordings / "street.mkv")
    (recordings / "tuesday.m3u").write_text(block(PAGE, "example: tuesday.m3u"))
    for path in ("photos/a2.jpg", "photos/a10.jpg", "photos/b.png", "shots/one.png", "shots/deep/er/two.png"):
        (place.folder / path).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place.folder / path), media.picture(len(path), 160, 96))


def test_the_whole_config_loads(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    make_recordings(place)
    monkeypatch.chdir(place.folder)
    assert load_config(place.write("whole.yaml", block(PAGE, "example: whole"))).sources[0].kind == "video"


def test_what_needs_a_jetson_loads(place: Workplace) -> None:
    rest = block(PAGE, "example: whole").partition("model:")[2]
    config = load_config(place.write("jetson.yaml", f"{block(PAGE, 'example: jetson')}model:{rest}"))
    assert [(source.kind, source.looks_live()) for source in config.sources] == [
        ("gstreamer", False),
        ("gstreamer", True),
        ("gstreamer", True),
    ]


def test_what_has_an_end(place: Workplace, web: HttpServer) -> None:
    make_recordings(place)
    shutil.copy(media.video(SHOP), web.folder / "door.mp4")
    sources = [source for mark in FINITE for source in sources_of(mark, web=web.port)]
    command = place.run(runs.config(*sources))
    assert command.wait() == 0, command.log
    counts = {
        **{"files.shop": 30, "files.street": 15, "files.door": 30},
        **{"less.every-fifth": 6, "less.key-frames": 3, "less.half-size": 30, "hardware.shop": 30},
        **{"playlist.monday": 60, "playlist.tuesday": 60, "images.holiday": 3, "images.timelapse": 2},
        "synthetic.shapes": 50,
    }
    if not gstreamer.lacking(*gstreamer.DECODING):
        counts |= {"gstreamer.shop": 30, "gstreamer.street": 30}
    found = runs.frame_ids(place.folder / "out.jsonl")
    assert found == {name: list(range(1, count + 1)) for name, count in counts.items()}
    half = runs.by_source(place.folder / "out.jsonl")["less.half-size"][0]
    assert (half["width"], half["height"]) == (160, 90)
    assert len(command.events("hardware_decoding", source="hardware.shop")) == 1


def test_what_is_live(place: Workplace, web: HttpServer) -> None:
    cameras = Webcams(place.folder / "webcams")
    cameras.add(0, SMALL_JPEG, LARGE_JPEG)
    place.environment |= {**cameras.environment, "GATE_PASSWORD": "s3/cr@t", "no_proxy": "*"}
    place.write("snapshots.py", block(PAGE, "example: snapshots.py"))
    assert cv2.imwrite(str(web.folder / "snapshot.jpg"), media.picture(1, 160, 96))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    playlist = web.folder / "live.m3u8"
    with ExitStack() as stack:
        rtsp = stack.enter_context(RtspProgram({"stream1": [media.video(CLIP)]}, user="viewer", password="s3/cr@t"))
        ports = {"web": web.port, "camera": rtsp.port, "udp": port}
        stack.enter_context(Publisher(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts"))
        stack.enter_context(Publisher(str(playlist), "hls", **QUICK_HLS))
        if rtmp_server.is_here():
            server = stack.enter_context(RtmpServer(place.folder))
            stack.enter_context(Publisher(server.url("studio"), "flv"))
            ports["rtmp"] = server.port
        sources = [source for mark in LIVE for source in sources_of(mark, **ports)]
        if not rtmp_server.is_here():
            sources = [source for source in sources if source["name"] != "streams.studio"]
        wait_until(lambda: playlist.exists() and playlist.read_text().count(".ts") >= 3, "three segments of HLS")
        fleet = Fleet(place, *sources)
        fleet.wait_for_flow()
        fleet.finish()
