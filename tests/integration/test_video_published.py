"""Streams as encoders send them: MPEG-TS over UDP, RTMP from a real server, HLS that rolls on over HTTP."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import rtmp_server
from support.http_server import HttpServer
from support.leftovers import wait_until
from support.media import frame_number
from support.publisher import CLIP, QUICK_HLS, Publisher
from support.reading import luma, opened, pixels
from support.rtmp_server import RtmpServer

from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video import VideoSource

WAITS = {"connect_timeout": 10, "read_timeout": 1.5}


def assert_flows(source: VideoSource, count: int = 40) -> None:
    """So many whole frames, each the one after the other."""
    numbers = []
    for _ in range(count):
        grabbed = source.grab()
        assert grabbed is not None
        numbers.append(frame_number(luma(grabbed.format, pixels(source, grabbed.format))))
    assert all((before + 1) % CLIP.frames == after for before, after in itertools.pairwise(numbers)), numbers  # type: ignore[operator]


def assert_ends(source: VideoSource, *reasons: Reason) -> None:
    """It breaks off for one of these reasons; END_OF_STREAM is a stream that was closed."""
    try:
        while source.grab() is not None:
            pass
        found = SourceError("closed", Reason.END_OF_STREAM)
    except SourceError as error:
        found = error
    assert found.retryable
    assert found.reason in reasons


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


class TestTransportStreamOverUdp:
    def test_who_joins_in_the_middle_gets_whole_frames_and_notices_silence(self, port: int) -> None:
        url = f"udp://127.0.0.1:{port}"
        with Publisher(f"{url}?pkt_size=1316", "mpegts") as sender, opened(url, **WAITS) as (source, info):
            assert info.live
            assert_flows(source)
            sender.pause()
            assert_ends(source, Reason.TIMEOUT)

    def test_key_frames_only(self, port: int) -> None:
        url = f"udp://127.0.0.1:{port}"
        options = {**WAITS, "decode": {"keyframes_only": True}}
        with Publisher(f"{url}?pkt_size=1316", "mpegts") as sender, opened(url, **options) as (source, _):
            frames = [source.grab() for _ in range(4)]
            assert all(frame is not None and frame.key_frame for frame in frames)
            times = [frame.pts for frame in frames if frame is not None and frame.pts is not None]
            steps = [after - before for before, after in itertools.pairwise(times)]
            assert steps == pytest.approx([CLIP.gop / CLIP.rate] * 3, abs=0.01)
            sender.kill()

    def test_nobody_sends(self, port: int) -> None:
        with pytest.raises(SourceError) as caught, opened(f"udp://127.0.0.1:{port}", connect_timeout=1):
            pass
        assert (caught.value.reason, caught.value.retryable) == (Reason.TIMEOUT, True)


@pytest.mark.skipif(not rtmp_server.is_here(), reason="needs Debian's nginx-light and libnginx-mod-rtmp")
class TestRtmp:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[RtmpServer]:
        with RtmpServer(tmp_path) as running:
            yield running

    def test_it_flows_and_a_server_that_goes_is_noticed(self, server: RtmpServer) -> None:
        url = server.url("gate")
        with Publisher(url, "flv"), opened(url, **WAITS) as (source, info):
            assert info.live
            assert_flows(source)
            server.kill()
            assert_ends(source, Reason.END_OF_STREAM, Reason.UNREACHABLE, Reason.FAILED)  # FFmpeg says what it likes

    def test_a_sender_that_hangs_is_noticed(self, server: RtmpServer) -> None:
        url = server.url("gate")
        with Publisher(url, "flv") as sender, opened(url, **WAITS) as (source, _):
            assert_flows(source, 10)
            sender.pause()
            assert_ends(source, Reason.TIMEOUT)

    def test_a_stream_that_nobody_sends(self, server: RtmpServer) -> None:
        with pytest.raises(SourceError) as caught, opened(server.url("none"), connect_timeout=1):
            pass
        assert (caught.value.reason, caught.value.retryable) == (Reason.TIMEOUT, True)

    def test_nobody_listens(self, server: RtmpServer) -> None:
        server.kill()
        with pytest.raises(SourceError) as caught, opened(server.url("gate"), connect_timeout=2):
            pass
        assert (caught.value.reason, caught.value.retryable) == (Reason.UNREACHABLE, True)


class TestRollingHls:
    def test_it_flows_across_segments_and_one_that_stands_still_is_noticed(self, tmp_path: Path) -> None:
        playlist = tmp_path / "live.m3u8"
        with HttpServer(tmp_path) as server, Publisher(str(playlist), "hls", **QUICK_HLS) as sender:
            wait_until(lambda: playlist.exists() and playlist.read_text().count(".ts") >= 3, "three segments")
            with opened(server.url("live.m3u8"), **WAITS) as (source, info):
                assert info.live
                assert_flows(source, 50)
                sender.pause()
                assert_ends(source, Reason.TIMEOUT)
