"""Cameras over RTSP: what a healthy one gives, and how each way of failing shows."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest
from support import media
from support.media import VideoSpec
from support.reading import eventually, luma, opened, pixels, read
from support.rtsp_server import RtspServer

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video import VideoSource

GATE = VideoSpec(frames=90, rate=30, gop=10)
LARGE = VideoSpec(frames=90, rate=30, gop=10, width=640, height=360)
B_FRAMES = VideoSpec(frames=90, rate=30, gop=10, options=(("preset", "veryfast"), ("bf", "3"), ("b-adapt", "0")))
CAMERAS = {
    "gate": GATE,
    "yard": VideoSpec(codec="libx265", frames=90, rate=30, gop=10),
    "hall": B_FRAMES,
}


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer({name: [media.video(spec)] for name, spec in CAMERAS.items()}) as running:
        yield running


def follow(source: VideoSource, count: int) -> list[int | None]:
    """The numbers of the next `count` frames."""
    numbers = []
    for _ in range(count):
        grabbed = source.grab()
        assert grabbed is not None
        numbers.append(media.frame_number(luma(grabbed.format, pixels(source, grabbed.format))))
    return numbers


def are_consecutive(numbers: list[int | None]) -> bool:
    return None not in numbers and all(
        (after - before) % 90 == 1  # type: ignore[operator]
        for before, after in itertools.pairwise(numbers)
    )


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_frames_flow_in_order_from_a_key_frame_on(server: RtspServer, camera: str, transport: str) -> None:
    with opened(server.url(camera), transport=transport) as (source, info):
        first = source.grab()
        assert first is not None
        assert first.key_frame
        numbers = follow(source, 30)

    assert info.live
    assert (info.width, info.height, info.frame_count) == (320, 180, 0)
    assert are_consecutive(numbers)
    assert source.decode_errors == 0


def test_times_are_the_cameras(server: RtspServer) -> None:
    frames = read(server.url("gate"), limit=30).frames

    times = [frame.pts for frame in frames if frame.pts is not None]
    assert len(times) >= 29  # FFmpeg knows the first one's only afterwards
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps == pytest.approx([1 / 30] * len(gaps), abs=0.001)
    captured = [frame.captured_ns for frame in frames]
    assert captured == sorted(captured)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
class TestPasswords:
    def test_the_right_one(self, scheme: str) -> None:
        cameras = {"gate": [media.video(GATE)]}
        with RtspServer(cameras, user="viewer", password="p@ss/w:rd", scheme=scheme) as server:
            assert len(read(server.url("gate"), limit=5).frames) == 5

    @pytest.mark.parametrize("password", ["wrong", ""])
    def test_the_wrong_one(self, scheme: str, password: str) -> None:
        cameras = {"gate": [media.video(GATE)]}
        with RtspServer(cameras, user="viewer", password="right", scheme=scheme) as server:
            error = read(server.url("gate", password=password)).error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.AUTH_FAILED, True)
        assert "viewer" not in str(error)
        assert "wrong" not in str(error).replace("right or wrong", "")


class TestRefusals:
    def test_an_unknown_camera(self, server: RtspServer) -> None:
        error = read(server.url("attic")).error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.NOT_FOUND, True)
        assert "attic" in str(error)

    def test_a_server_in_trouble(self, server: RtspServer) -> None:
        server.call("status", camera="gate", code=503)

        error = read(server.url("gate")).error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.SERVER_ERROR, True)

    def test_a_server_that_never_answers(self, server: RtspServer) -> None:
        server.call("status", camera="gate", code=-1)

        error = read(server.url("gate"), connect_timeout=0.5).error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.TIMEOUT, True)

    def test_a_port_that_accepts_and_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            error = read(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x", connect_timeout=0.5).error

        assert error is not None
        assert error.reason is Reason.TIMEOUT

    def test_a_server_that_closes_at_once(self, server: RtspServer) -> None:
        server.call("refuse", on=1)

        error = read(server.url("gate")).error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.UNREACHABLE, True)

    def test_nobody_there(self) -> None:
        error = read("rtsp://127.0.0.1:1/x").error

        assert error is not None
        assert (error.reason, error.retryable) == (Reason.UNREACHABLE, True)

    def test_no_udp_where_udp_was_asked_for(self) -> None:
        with RtspServer({"gate": [media.video(GATE)]}, udp=False) as server:
            reading = read(server.url("gate"), transport="udp", limit=3, connect_timeout=2)

        assert reading.error is not None or len(reading.frames) == 3


class TestFailuresWhileItPlays:
    @pytest.mark.parametrize("command", ["drop", "close"])
    def test_a_connection_that_ends_is_the_end_of_the_stream(self, server: RtspServer, command: str) -> None:
        with opened(server.url("gate")) as (source, _):
            follow(source, 3)
            server.call(command, camera="gate")
            while source.grab() is not None:
                pass

    @pytest.mark.parametrize("transport", ["tcp", "udp"])
    def test_a_stall_times_out(self, server: RtspServer, transport: str) -> None:
        clock = SystemClock()
        with opened(server.url("gate"), transport=transport, read_timeout=0.5) as (source, _):
            follow(source, 3)
            server.call("stall", camera="gate", seconds=60)
            last = clock.monotonic_ns()
            error = None
            while error is None:
                try:
                    assert source.grab() is not None
                    last = clock.monotonic_ns()
                except SourceError as raised:
                    error = raised

        assert (error.reason, error.retryable) == (Reason.TIMEOUT, True)
        assert (clock.monotonic_ns() - last) / NS_PER_S >= 0.45

    def test_a_stream_that_stalls_before_its_first_packet(self, server: RtspServer) -> None:
        server.call("stall", camera="gate", seconds=60)

        error = read(server.url("gate"), connect_timeout=0.5, read_timeout=0.5).error

        assert error is not None
        assert error.reason is Reason.TIMEOUT

    def test_a_short_stall_is_survived(self, server: RtspServer) -> None:
        with opened(server.url("gate"), read_timeout=10) as (source, _):
            follow(source, 3)
            server.call("stall", camera="gate", seconds=0.5)
            assert are_consecutive(follow(source, 20))

    def test_a_new_resolution_shows_in_the_format(self, server: RtspServer) -> None:
        with opened(server.url("gate")) as (source, info):
            assert info.width == 320
            follow(source, 3)
            server.call("switch", camera="gate", file=media.video(LARGE))
            formats = []
            while not formats or formats[-1].width == 320:
                grabbed = source.grab()
                assert grabbed is not None
                formats.append(grabbed.format)
                assert len(formats) < 300
            assert (formats[-1].width, formats[-1].height) == (640, 360)
            assert are_consecutive(follow(source, 10))

    def test_jumping_time_stamps_lose_no_frame(self, server: RtspServer) -> None:
        with opened(server.url("gate")) as (source, _):
            follow(source, 3)
            server.call("jump", camera="gate", seconds=-30)
            assert are_consecutive(follow(source, 20))

    def test_lost_packets_are_survived_counted_and_marked(self, server: RtspServer) -> None:
        with opened(server.url("gate"), transport="udp") as (source, _):
            follow(source, 3)
            server.call("set", camera="gate", loss=0.2)
            frames = [source.grab() for _ in range(60)]
            assert None not in frames
            assert source.decode_errors > 0
            assert any(frame and frame.corrupt for frame in frames)
            server.call("set", camera="gate", loss=0)

            eventually(lambda: are_consecutive(follow(source, 3)), "a whole picture group")

    def test_flipped_bits_are_survived_and_counted(self, server: RtspServer) -> None:
        with opened(server.url("gate")) as (source, _):
            server.call("set", camera="gate", corrupt=0.5)
            frames = [source.grab() for _ in range(60)]
            assert None not in frames
            assert source.decode_errors > 0 or any(frame and frame.corrupt for frame in frames)


def test_a_slow_reader_still_gets_whole_pictures(server: RtspServer) -> None:
    with opened(server.url("gate")) as (source, _):
        follow(source, 1)
        before = server.call("stats")["gate"]["frames"]
        eventually(lambda: server.call("stats")["gate"]["frames"] >= before + 30, "a second of frames")
        assert are_consecutive(follow(source, 30))


def test_closing_leaves_no_client_behind(server: RtspServer) -> None:
    with opened(server.url("gate")) as (source, _):
        follow(source, 1)
        assert server.call("stats")["gate"]["clients"] == 1

    eventually(lambda: server.call("stats")["gate"]["clients"] == 0, "the client to leave")
