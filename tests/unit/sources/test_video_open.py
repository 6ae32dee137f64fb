"""Options, addresses, FFmpeg's options and the deadline of opening."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from mpipeline.clock import ManualClock
from mpipeline.sources.video_open import Deadline, VideoOptions, _ffmpeg_options, is_live


class TestOptions:
    def test_an_address_is_enough(self) -> None:
        options = VideoOptions(uri="rtsp://host/gate")

        assert (options.transport, options.connect_timeout, options.read_timeout) == ("tcp", 5.0, 5.0)
        assert (options.start, options.loop, options.threads, options.options) == (0.0, False, 0, {})

    @pytest.mark.parametrize(
        "wrong",
        [
            {"uri": ""},
            {"transport": "sctp"},
            {"connect_timeout": 0},
            {"read_timeout": -1},
            {"start": -1},
            {"threads": -1},
            {"max_fps": 5},
            {"uri": "rtsp://host/gate", "loop": True},
            {"uri": "udp://:1234", "start": 3},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            VideoOptions(**{"uri": "a.mp4", **wrong})

    @pytest.mark.parametrize(
        ("uri", "scheme", "is_local", "path"),
        [
            ("a.mp4", "", True, "a.mp4"),
            ("/videos/a b.mp4", "", True, "/videos/a b.mp4"),
            ("http:x.mp4", "", True, "http:x.mp4"),
            ("file:///videos/a.mp4", "file", True, "/videos/a.mp4"),
            ("RTSP://host/x", "rtsp", False, ""),
            ("udp://@239.0.0.1:1234", "udp", False, ""),
        ],
    )
    def test_addresses(self, uri: str, scheme: str, is_local: bool, path: str) -> None:
        options = VideoOptions(uri=uri)

        assert (options.scheme, options.is_local) == (scheme, is_local)
        assert not path or options.path == path

    def test_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")

        assert VideoOptions(uri="~/a.mp4").uri == "/home/someone/a.mp4"


class TestFfmpegOptions:
    def test_rtsp_goes_over_tcp_and_opens_fast(self) -> None:
        chosen = _ffmpeg_options(VideoOptions(uri="rtsp://host/x"))

        assert chosen["rtsp_transport"] == "tcp"
        assert chosen["fpsprobesize"] == "0"
        assert chosen["timeout"] == "6000000"

    def test_files_are_left_alone(self) -> None:
        assert _ffmpeg_options(VideoOptions(uri="a.mp4")) == {}

    def test_rtmp_gets_no_timeout_of_that_name(self) -> None:
        assert "timeout" not in _ffmpeg_options(VideoOptions(uri="rtmp://host/x"))  # there it means: listen

    def test_those_of_the_user_win(self) -> None:
        chosen = _ffmpeg_options(VideoOptions(uri="rtsp://host/x", options={"probesize": "1000", "user_agent": "me"}))

        assert (chosen["probesize"], chosen["user_agent"]) == ("1000", "me")


def test_a_deadline_shrinks_and_never_reaches_nothing() -> None:
    clock = ManualClock()
    deadline = Deadline(clock, 2.0)

    assert float(deadline) == pytest.approx(2.0)
    assert not deadline.passed()
    clock.advance(1.5)
    assert float(deadline) == pytest.approx(0.5)
    clock.advance(10)
    assert 0 < float(deadline) < 0.01  # zero and less would mean "no limit"
    assert deadline.passed()


@pytest.mark.parametrize(
    ("uri", "duration", "size", "format_name", "live"),
    [
        ("rtsp://host/x", None, -1, "rtsp", True),
        ("rtmp://host/x", 10_000_000, -1, "flv", True),
        ("http://host/a.mp4", 10_000_000, 5000, "mov,mp4", False),
        ("http://host/a.h264", None, 5000, "h264", False),
        ("http://host/stream", None, -38, "mpjpeg", True),
        ("http://host/a.m3u8", None, 300, "hls", True),
        ("http://host/a.m3u8", 10_000_000, 300, "hls", False),
    ],
)
def test_what_is_live(uri: str, duration: int | None, size: int, format_name: str, live: bool) -> None:
    container = SimpleNamespace(duration=duration, size=size, format=SimpleNamespace(name=format_name))

    assert is_live(VideoOptions(uri=uri), cast(Any, container)) is live
