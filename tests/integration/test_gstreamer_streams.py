"""Live pipelines: cameras over RTSP that are well, refuse, stall, change and vanish; and when frames were captured."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import gstreamer, media
from support.leftovers import wait_until
from support.media import VideoSpec
from support.reading import drain, luma, pixels
from support.rtsp_server import RtspServer

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.gstreamer import GStreamerSource
from mpipeline.sources.source import StreamInfo

GATE = VideoSpec(frames=90, rate=30, gop=10)
LARGE = VideoSpec(frames=90, rate=30, gop=10, width=640, height=360)


@pytest.fixture
def server() -> Iterator[RtspServer]:
    gstreamer.needs(*gstreamer.DECODING)
    with RtspServer({"gate": [media.video(GATE)]}) as running:
        yield running


@contextmanager
def opened(address: str, **options: float) -> Iterator[tuple[GStreamerSource, StreamInfo]]:
    source = gstreamer.source(gstreamer.of_camera(address), **options)
    try:
        yield source, source.open()
    finally:
        source.close()


def follow(source: GStreamerSource, count: int) -> list[int | None]:
    """The numbers of the next `count` frames."""
    numbers = []
    for _ in range(count):
        grabbed = source.grab()
        assert grabbed is not None
        numbers.append(media.frame_number(luma(grabbed.format, pixels(source, grabbed.format))))
    return numbers


def until_it_ends(source: GStreamerSource) -> SourceError | None:
    """Reads to the end; what ended it, None if it said that it had ended."""
    try:
        while source.grab() is not None:
            pass
    except SourceError as error:
        return error
    return None


def test_frames_flow_in_order_and_say_when_they_came(server: RtspServer) -> None:
    clock = SystemClock()
    with opened(server.url("gate")) as (source, info):
        numbers = follow(source, 20)
        frames = [source.grab() for _ in range(20)]
        ages = []
        for _ in range(5):
            grabbed = source.grab()
            assert grabbed is not None
            ages.append(clock.monotonic_ns() - grabbed.captured_ns)

    assert info.live
    assert (info.width, info.height, info.frame_count) == (320, 180, 0)
    assert source.connects
    assert None not in numbers
    assert all((after - before) % 90 >= 1 for before, after in itertools.pairwise(numbers))  # type: ignore[operator]
    captured = [frame.captured_ns for frame in frames if frame is not None]
    assert captured == sorted(set(captured))
    times = [frame.pts for frame in frames if frame is not None]
    assert all(after > before for before, after in itertools.pairwise(times))  # type: ignore[operator]
    assert 0 <= min(ages) < NS_PER_S
    assert source.decode_errors == 0


def test_the_capture_is_when_the_source_had_the_picture() -> None:
    gstreamer.needs("videotestsrc", "identity")
    late = gstreamer.pattern(live=True).replace("! appsink", "! identity sleep-time=30000 ! appsink")
    clock, source = SystemClock(), gstreamer.source(late)
    info = source.open()
    assert info.live
    for _ in range(3):
        grabbed = source.grab()
        now = clock.monotonic_ns()
        assert grabbed is not None
        assert now - grabbed.captured_ns >= 25_000_000
        assert abs((clock.wall_ns() - grabbed.wall_ns) - (now - grabbed.captured_ns)) < NS_PER_S // 10
    source.close()


def test_who_is_slow_gets_the_newest() -> None:
    gstreamer.needs("videotestsrc", "identity")
    clock, source = SystemClock(), gstreamer.source(gstreamer.pattern(live=True))
    source.open()
    first = source.grab()
    began = clock.monotonic_ns()
    wait_until(lambda: clock.monotonic_ns() - began > NS_PER_S // 2, "half a second in which nobody takes a frame")
    source.grab()  # at most this one was waiting
    newest = source.grab()
    source.close()
    assert first is not None
    assert newest is not None
    assert newest.pts is not None
    assert first.pts is not None
    assert newest.pts - first.pts >= 0.4


def test_a_wrong_password_is_told_and_no_password_is() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    cameras = {"gate": [media.video(GATE)]}
    with RtspServer(cameras, user="viewer", password="s3cret") as guarded:
        with opened(guarded.url("gate")) as (source, _):
            follow(source, 2)
        by_property = f"{gstreamer.of_camera(guarded.url('gate', user=''), 'user-id=viewer user-pw=n0tthis')}"
        for pipeline in (gstreamer.of_camera(guarded.url("gate", password="n0tthis")), by_property):
            error = drain(gstreamer.source(pipeline)).error
            assert error is not None
            assert (error.reason, error.retryable) == (Reason.AUTH_FAILED, True)
            assert "n0tthis" not in str(error)


def test_who_is_not_there(server: RtspServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        cases = {
            server.url("attic"): (Reason.NOT_FOUND,),
            "rtsp://127.0.0.1:1/x": (Reason.UNREACHABLE,),
            f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x": (Reason.TIMEOUT,),
        }
        for address, reasons in cases.items():
            error = drain(gstreamer.source(gstreamer.of_camera(address), connect_timeout=1)).error
            assert error is not None
            assert error.retryable
            assert error.reason in reasons, error
            assert "rtspsrc" in str(error)


def test_a_camera_that_stops_sending_times_out(server: RtspServer) -> None:
    clock = SystemClock()
    with opened(server.url("gate"), read_timeout=0.5) as (source, _):
        follow(source, 3)
        server.call("stall", camera="gate", seconds=60)
        began = clock.monotonic_ns()
        error = until_it_ends(source)

    assert error is not None
    assert (error.reason, error.retryable) == (Reason.TIMEOUT, True)
    assert (clock.monotonic_ns() - began) / NS_PER_S >= 0.45


@pytest.mark.parametrize("command", ["drop", "close"])
def test_a_connection_that_ends_is_the_end_or_an_error_that_may_pass(server: RtspServer, command: str) -> None:
    with opened(server.url("gate")) as (source, _):
        follow(source, 3)
        server.call(command, camera="gate")
        error = until_it_ends(source)
    assert error is None or (error.retryable and error.reason is Reason.END_OF_STREAM), error


def test_a_new_resolution_shows_in_the_format(server: RtspServer) -> None:
    with opened(server.url("gate")) as (source, info):
        assert info.width == 320
        follow(source, 3)
        server.call("switch", camera="gate", file=media.video(LARGE))
        for _ in range(300):
            grabbed = source.grab()
            assert grabbed is not None
            if grabbed.format.width != 320:
                break
        assert (grabbed.format.width, grabbed.format.height) == (640, 360)
        assert None not in follow(source, 5)


def test_grey_pictures_before_the_first_key_frame_are_not_shown() -> None:
    gstreamer.needs(*gstreamer.DECODING)
    seldom = VideoSpec(frames=90, rate=30, gop=45)
    with RtspServer({"gate": [media.video(seldom)]}) as server, opened(server.url("gate")) as (source, _):
        assert None not in follow(source, 3)
