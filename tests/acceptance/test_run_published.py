"""`mpipeline run` over streams of encoders: senders and servers are killed, and all flow again by themselves."""

from __future__ import annotations

import socket

import pytest
from support import rtmp_server
from support.command import Workplace
from support.fleet import Fleet, stream
from support.http_server import HttpServer
from support.leftovers import wait_until
from support.publisher import QUICK_HLS, Publisher
from support.rtmp_server import RtmpServer


@pytest.mark.skipif(not rtmp_server.is_here(), reason="needs Debian's nginx-light and libnginx-mod-rtmp")
def test_senders_and_server_are_killed_and_come_back(place: Workplace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = place.folder / "web"
    web.mkdir()
    playlist = web / "live.m3u8"
    rtmp = RtmpServer(place.folder)
    senders = [
        Publisher(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts"),
        Publisher(rtmp.url("studio"), "flv"),
        Publisher(str(playlist), "hls", **QUICK_HLS),
    ]

    def start() -> None:
        rtmp.start()
        for sender in senders:
            sender.start()

    def kill() -> None:
        for sender in senders:
            sender.kill()
        rtmp.kill()

    with HttpServer(web) as server:
        try:
            start()
            wait_until(lambda: playlist.exists() and playlist.read_text().count(".ts") >= 3, "three segments of HLS")
            fleet = Fleet(
                place,
                stream("drone", f"udp://127.0.0.1:{port}"),
                stream("studio", rtmp.url("studio")),
                stream("lobby", server.url("live.m3u8")),
            )
            fleet.wait_for_flow()
            kill()
            fleet.wait_for_reason("drone", "timeout")
            fleet.wait_for_reason("studio", "end_of_stream", "unreachable", "failed")
            fleet.wait_for_reason("lobby", "timeout")
            start()
            fleet.wait_for_flow()
            fleet.finish()
        finally:
            kill()
