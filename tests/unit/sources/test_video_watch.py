"""Streams whose packets bring no frame: how long each is waited for, and the reason that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import av
import pytest
from support import media
from support.media import VideoSpec

from mpipeline.clock import NS_PER_S, ManualClock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources import video_round
from mpipeline.sources.video import VideoSource
from mpipeline.sources.video_open import VideoOptions
from mpipeline.sources.video_watch import FrameWatch

READ, KEY = 5.0, 30.0


class Wait:
    """A watch over packets that come every `every` seconds, until it gives its verdict."""

    def __init__(self, *, live: bool = True) -> None:
        self.clock = ManualClock()
        self.watch = FrameWatch(self.clock, READ, KEY, live=live)

    def until_over(
        self,
        *,
        every: float = 0.2,
        held_back: bool = False,
        is_key: bool = False,
        failed: bool = False,
        damaged: bool = False,
    ) -> tuple[float, Reason]:
        self.watch.begin()
        begin_ns = self.clock.monotonic_ns()
        while (verdict := self.watch.verdict(held_back=held_back)) is None:
            self.clock.advance(every)
            self.watch.fed(is_key=is_key, failed=failed, damaged=damaged)
        return (self.clock.monotonic_ns() - begin_ns) / NS_PER_S, verdict[0]

    def after_a_frame(self) -> Wait:
        self.watch.came()
        return self


class TestWatch:
    @pytest.mark.parametrize("held_back", [True, False])
    def test_the_first_key_frame_has_its_own_time(self, held_back: bool) -> None:
        assert Wait().until_over(held_back=held_back) == (pytest.approx(KEY), Reason.NO_KEY_FRAME)

    def test_packets_that_trickle_do_not_make_it_longer(self) -> None:
        waited, reason = Wait().until_over(every=4.0)

        assert waited <= KEY + 4.0
        assert reason is Reason.NO_KEY_FRAME

    def test_key_frames_that_cannot_be_decoded_are_not_waited_for(self) -> None:
        waited, reason = Wait().until_over(is_key=True, failed=True)

        assert waited <= 2 * READ
        assert reason is Reason.CORRUPT_DATA

    def test_nothing_but_damage_from_the_first_is_damage(self) -> None:
        assert Wait().until_over(failed=True, damaged=True)[1] is Reason.CORRUPT_DATA

    def test_complaints_of_a_decoder_that_saw_no_key_frame_are_none(self) -> None:
        assert Wait().until_over(failed=True)[1] is Reason.NO_KEY_FRAME

    def test_key_frames_and_no_error_and_no_frame(self) -> None:
        assert Wait().until_over(is_key=True) == (pytest.approx(READ, abs=0.3), Reason.CORRUPT_DATA)

    def test_a_slow_stream_with_pictures_out_of_order_is_waited_for(self) -> None:
        waited, _ = Wait().until_over(every=1.5, is_key=True)

        assert waited > 16 * 1.5

    @pytest.mark.parametrize(
        ("packets", "reason"),
        [
            ({"failed": True}, Reason.CORRUPT_DATA),
            ({"failed": True, "is_key": True}, Reason.CORRUPT_DATA),
            ({}, Reason.NO_KEY_FRAME),
            ({"is_key": True}, Reason.CORRUPT_DATA),
        ],
    )
    def test_in_a_running_stream_the_time_is_short(self, packets: dict[str, bool], reason: Reason) -> None:
        assert Wait().after_a_frame().until_over(**packets) == (pytest.approx(READ, abs=0.3), reason)

    def test_time_between_two_waits_does_not_count(self) -> None:
        wait = Wait().after_a_frame()
        wait.clock.advance(3600)
        wait.watch.begin()

        assert wait.watch.verdict(held_back=False) is None

    def test_a_file_on_a_server_has_the_long_time_at_every_frame(self) -> None:
        wait = Wait(live=False).after_a_frame()

        assert wait.until_over(is_key=True, failed=True) == (pytest.approx(KEY), Reason.CORRUPT_DATA)

    def test_the_detail_counts(self) -> None:
        wait = Wait()
        wait.until_over(failed=True)

        assert "150 packets in 30 s" in wait.watch.verdict(held_back=False)[1]  # type: ignore[index]


class Wire:
    """A container whose packets pass through `change`; each takes `every` seconds of a clock that is moved by hand."""

    def __init__(self, path: Any, clock: ManualClock, every: float, change: Callable[[int, Any], Any]) -> None:
        self._container = av.open(str(path))
        self._clock, self._every, self._change = clock, every, change
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def demux(self) -> Iterator[Any]:
        number = 0
        while True:  # a stream has no end
            for packet in self._container.demux(video=0):
                if packet.size == 0:
                    continue
                self._clock.advance(self._every)
                changed = self._change(number, packet)
                number += 1
                if changed is not None:
                    yield changed
            self._container.seek(0)

    def close(self) -> None:
        self.closed = True
        self._container.close()


H264 = VideoSpec(frames=60, gop=20)
H265 = VideoSpec(codec="libx265", frames=60, gop=20)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[VideoSource, ManualClock, list[Wire]]]]:
    made: list[VideoSource] = []

    def make(spec: VideoSpec, change: Callable[[int, Any], Any], every: float = 0.1, **options: Any) -> Any:
        clock, wires = ManualClock(), []

        def open_container(*_: Any) -> Wire:
            wires.append(Wire(media.video(spec), clock, every, change))
            return wires[-1]

        monkeypatch.setattr(video_round, "open_container", open_container)
        made.append(VideoSource("gate", VideoOptions(uri="rtsp://host/gate", **options), clock))
        return made[-1], clock, wires

    yield make
    for source in made:
        source.close()


def without_key_frames(_: int, packet: Any) -> Any:
    return None if packet.is_keyframe else packet


def damaged(_: int, packet: Any) -> Any:
    data = bytes(packet)
    return _like(packet, data[:5] + bytes(byte ^ 0xA5 for byte in data[5:]))


def _like(packet: Any, data: bytes) -> Any:
    copy = av.Packet(data)
    copy.stream, copy.pts, copy.dts, copy.time_base = packet.stream, packet.pts, packet.dts, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy


def trouble(source: VideoSource, most: int = 1000) -> SourceError:
    try:
        for _ in range(most):
            source.grab()
    except SourceError as error:
        return error
    raise AssertionError("no trouble")


@pytest.mark.parametrize("spec", [H264, H265], ids=["h264", "h265"])
@pytest.mark.parametrize("every", [0.02, 0.1, 4.0])
class TestStreamsThatGiveNoFrames:
    def test_without_key_frames(self, stream: Any, spec: VideoSpec, every: float) -> None:
        source, clock, wires = stream(spec, without_key_frames, every)
        source.open()
        begin_ns = clock.monotonic_ns()
        error = trouble(source, most=1)

        assert error.reason is Reason.NO_KEY_FRAME
        assert error.retryable
        assert KEY <= (clock.monotonic_ns() - begin_ns) / NS_PER_S <= KEY + every
        source.close()
        assert wires[0].closed

    def test_garbage_in_place_of_pictures(self, stream: Any, spec: VideoSpec, every: float) -> None:
        source, clock, _ = stream(spec, damaged, every)
        source.open()
        begin_ns = clock.monotonic_ns()

        assert trouble(source).reason is Reason.CORRUPT_DATA
        assert (clock.monotonic_ns() - begin_ns) / NS_PER_S <= KEY + every


@pytest.mark.parametrize("spec", [H264, H265], ids=["h264", "h265"])
class TestRunningStreams:
    def test_a_key_frame_every_ten_seconds_is_waited_for(self, stream: Any, spec: VideoSpec) -> None:
        # Joined behind a key frame; the next one comes 19 packets of half a second later.
        source, _, _ = stream(spec, lambda n, packet: None if n == 0 else packet, every=0.5)
        source.open()
        frames = [source.grab() for _ in range(60)]

        assert frames[0] is not None
        assert frames[0].key_frame
        assert all(frame is not None for frame in frames)

    def test_it_turns_into_garbage(self, stream: Any, spec: VideoSpec) -> None:
        source, clock, _ = stream(
            spec, lambda n, packet: packet if n < 30 else _like(packet, b"\x00\x00\x00\x01" + b"\xff" * 40)
        )
        source.open()
        good = [source.grab() for _ in range(25)]
        begin_ns = clock.monotonic_ns()
        error = trouble(source)

        assert all(frame is not None and not frame.corrupt for frame in good)
        assert error.reason is Reason.CORRUPT_DATA
        assert (clock.monotonic_ns() - begin_ns) / NS_PER_S <= 2 * READ

    def test_what_comes_before_a_key_frame_is_shown_if_wanted(self, stream: Any, spec: VideoSpec) -> None:
        source, _, _ = stream(spec, lambda n, packet: None if n == 0 else packet, key_frame_timeout=0)
        source.open()

        assert source.grab() is not None


def test_packets_without_data_are_silence(stream: Any) -> None:
    empty = SimpleNamespace(size=0, stream_index=0)
    source, clock, _ = stream(H264, lambda n, packet: packet if n < 5 else empty)
    source.open()
    for _ in range(5):
        source.grab()
    begin_ns = clock.monotonic_ns()

    assert trouble(source).reason is Reason.TIMEOUT
    assert (clock.monotonic_ns() - begin_ns) / NS_PER_S <= 2 * READ


@pytest.mark.parametrize("jump", [3600, -3600])
@pytest.mark.parametrize("spec", [H264, H265], ids=["h264", "h265"])
def test_jumping_timestamps_change_neither_order_nor_number(stream: Any, spec: VideoSpec, jump: int) -> None:
    import numpy as np

    from mpipeline.frame import plane_views

    def jumps(n: int, packet: Any) -> Any:
        moved = _like(packet, bytes(packet))
        base = 7200 + (jump if n >= 25 else 0)
        for attribute in ("pts", "dts"):
            setattr(moved, attribute, getattr(packet, attribute) + int(base / packet.time_base))
        return moved

    source, _, _ = stream(spec, jumps)
    source.open()
    numbers, times = [], []
    for _ in range(50):
        grabbed = source.grab()
        assert grabbed is not None
        planes = plane_views(grabbed.format, np.zeros(grabbed.format.payload_bytes(), np.uint8))
        source.retrieve(planes)
        numbers.append(media.frame_number(planes[0]))
        times.append(grabbed.pts)
    assert numbers == list(range(50))
    assert times[40] - times[10] == pytest.approx(jump + 2, abs=0.1)
