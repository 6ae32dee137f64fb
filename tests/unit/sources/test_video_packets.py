"""Packets with damage, loss, silence and broken connections, from a container that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest

from mpipeline.clock import ManualClock
from mpipeline.errors import Reason, SourceError
from mpipeline.sources.video_open import VideoOptions
from mpipeline.sources.video_packets import PacketReader

VIDEO, SOUND = 0, 1


def packet(stream_index: int = VIDEO, size: int = 100, *, is_corrupt: bool = False) -> Any:
    return SimpleNamespace(stream_index=stream_index, size=size, is_corrupt=is_corrupt)


class FakeContainer:
    """Gives the steps in order: packets, errors to raise, or functions to call on the way."""

    def __init__(self, steps: Iterable[Any]) -> None:
        self._steps = iter(steps)

    def demux(self) -> Iterator[Any]:
        for step in self._steps:
            if isinstance(step, BaseException):
                raise step
            if callable(step):
                step()
            else:
                yield step


def reader(steps: Iterable[Any], clock: ManualClock | None = None, log: Any = None) -> PacketReader:
    return PacketReader(
        "gate",
        VideoOptions(uri="rtsp://host/gate", read_timeout=5),
        cast(Any, FakeContainer(steps)),
        cast(Any, SimpleNamespace(index=VIDEO)),
        clock or ManualClock(),
        log=log or SimpleNamespace(losses=0),
        live=True,
    )


def test_only_packets_with_video_come_through() -> None:
    first, second = packet(), packet()
    packets = reader([packet(SOUND), first, packet(size=0), second])

    assert packets.read() is first
    assert packets.read() is second
    assert not packets.ended
    assert packets.read() is None
    assert packets.ended
    assert packets.missing == ""


def test_damage_is_stepped_over_and_counted() -> None:
    wanted = packet()
    packets = reader([av.InvalidDataError(1, "damage"), av.InvalidDataError(1, "damage"), wanted])

    assert packets.read() is wanted
    assert packets.errors == 2


def test_nothing_but_damage_comes_to_an_end() -> None:
    packets = reader(av.InvalidDataError(1, "damage") for _ in range(1000))

    with pytest.raises(SourceError) as caught:
        packets.read()

    assert caught.value.reason is Reason.CORRUPT_DATA


def test_a_broken_connection_is_an_error() -> None:
    with pytest.raises(SourceError) as caught:
        reader([av.ConnectionResetError(104, "Connection reset by peer")]).read()

    assert caught.value.reason is Reason.UNREACHABLE


def test_sound_without_video_is_a_stall() -> None:
    clock = ManualClock()

    def sound() -> Iterator[Any]:
        while True:
            clock.advance(0.1)
            yield packet(SOUND)

    packets = reader(sound(), clock)

    with pytest.raises(SourceError) as caught:
        packets.read()

    assert caught.value.reason is Reason.TIMEOUT
    assert clock.monotonic_ns() < 10 * 10**9


def test_losses_mark_the_next_packet() -> None:
    log = SimpleNamespace(losses=0)

    def lose() -> None:
        log.losses += 1

    packets = reader([packet(), lose, packet(), packet(), packet(is_corrupt=True)], log=log)
    marks = []
    while packets.read() is not None:
        marks.append(packets.is_damaged)

    assert marks == [False, True, False, True]
    assert packets.errors == 2
