"""Sockets: private, never blocking, deaf to garbage."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from mpipeline.frame import FrameRef
from mpipeline.messages import Drain, FrameReady, Message, Refused, SourceEnded
from mpipeline.transport import channel
from mpipeline.transport.channel import Peer, Poller, Router

HINT = FrameReady(FrameRef("r", 1, 2), 3, 4)


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    made = channel.context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/s"


def within(receive: Callable[[], Any], channel_of: Any) -> Any:
    """What `receive` gives at last; a message of another thread of ZeroMQ may take its time."""
    poller = Poller()
    poller.add(channel_of)
    for _ in range(100):
        if (message := receive()) is not None:
            return message
        poller.wait(0.2)
    raise AssertionError("nothing came")


def test_control_goes_both_ways_by_name(context: zmq.Context[Any], endpoint: str) -> None:
    router = Router(context, endpoint)
    one, two = (channel.connect_control(context, endpoint, f"w#{n}") for n in (1, 2))
    for peer in (one, two):
        assert peer.send(Refused("hello"))
    names = {within(router.receive, router)[0] for _ in range(2)}
    assert names == {"w#1", "w#2"}
    assert router.send("w#2", Drain())
    assert within(two.receive, two) == Drain()
    assert one.receive() is None
    assert not router.send("nobody", Drain())


def test_frames_go_from_many_to_one(context: zmq.Context[Any], endpoint: str) -> None:
    pull = channel.bind_frames(context, endpoint)
    pushers = [channel.connect_frames(context, endpoint) for _ in range(3)]
    got: list[Message] = []
    for pusher in pushers:
        while not pusher.send(HINT):  # not connected yet: hints are not kept
            Poller().wait(0.01)
        got.append(within(pull.receive, pull))
    assert got == [HINT] * 3


def test_hints_to_nobody_are_dropped_without_waiting(context: zmq.Context[Any], endpoint: str) -> None:
    assert not channel.connect_frames(context, endpoint).send(HINT)


@pytest.mark.parametrize("make", [Router, channel.bind_frames])
def test_sockets_are_private(context: zmq.Context[Any], endpoint: str, make: Callable[..., Any]) -> None:
    make(context, endpoint)
    assert stat.S_IMODE(Path(endpoint.removeprefix("ipc://")).stat().st_mode) == 0o600


def test_a_socket_whose_file_was_removed_is_found_again_and_keeps_whom_it_has(
    context: zmq.Context[Any], endpoint: str
) -> None:
    router, path = Router(context, endpoint), Path(endpoint.removeprefix("ipc://"))
    former = channel.connect_control(context, endpoint, "former")
    former.send(Drain())
    assert within(router.receive, router) == ("former", Drain())
    assert not router.keep_bound()
    path.unlink()
    assert router.keep_bound()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    newcomer = channel.connect_control(context, endpoint, "newcomer")
    for peer in (former, newcomer):
        peer.send(Drain())
    assert {within(router.receive, router)[0] for _ in range(2)} == {"former", "newcomer"}
    assert router.send("former", Refused("still here"))
    assert within(former.receive, former) == Refused("still here")


def test_one_that_is_not_bound_or_has_no_folder_waits(context: zmq.Context[Any], tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    router = Router(context, f"ipc://{folder}/s")
    assert not channel.connect_frames(context, f"ipc://{folder}/s").keep_bound()
    (folder / "s").unlink()
    folder.rmdir()
    assert not router.keep_bound()
    folder.mkdir()
    assert router.keep_bound()


def test_garbage_is_counted_and_passed_over(context: zmq.Context[Any], endpoint: str) -> None:
    router = Router(context, endpoint)
    stranger = context.socket(zmq.DEALER)
    stranger.setsockopt(zmq.IDENTITY, b"\xff\xfe")
    stranger.connect(endpoint)
    friend = channel.connect_control(context, endpoint, "w#1")
    stranger.send(b"garbage")
    stranger.send_multipart([b"two", b"parts"])
    stranger.send(b"")
    while router.rejected < 3:
        router.receive()
    friend.send(Drain())
    assert within(router.receive, router) == ("w#1", Drain())
    assert router.rejected == 3


def test_garbage_at_a_peer(context: zmq.Context[Any], endpoint: str) -> None:
    pull = channel.bind_frames(context, endpoint)
    push = context.socket(zmq.PUSH)
    push.connect(endpoint)
    push.send(b"\xc1")
    push.send(b"\x91\x63")
    peer = channel.connect_frames(context, endpoint)
    while not peer.send(HINT):
        Poller().wait(0.01)
    assert within(pull.receive, pull) == HINT
    while pull.rejected < 2:
        assert pull.receive() is None
    push.close()


def test_a_flood_of_garbage_does_not_keep_the_receiver(context: zmq.Context[Any], endpoint: str) -> None:
    pull = channel.bind_frames(context, endpoint)
    push = context.socket(zmq.PUSH)
    push.connect(endpoint)
    for _ in range(500):
        push.send(b"\xc1")
    before = 0
    while pull.rejected < 500:
        assert pull.receive() is None
        assert pull.rejected - before <= 64
        before = pull.rejected
    push.send(channel.codec.encode(HINT))
    assert within(pull.receive, pull) == HINT
    push.close()


@pytest.mark.parametrize("garbage", [0, 3])
def test_a_turn_takes_a_bounded_number_and_the_poller_tells_of_the_rest(
    context: zmq.Context[Any], endpoint: str, monkeypatch: pytest.MonkeyPatch, garbage: int
) -> None:
    monkeypatch.setattr(channel, "_MOST_AT_ONCE", 8)
    pull, poller = channel.bind_frames(context, endpoint), Poller()
    poller.add(pull)
    push = context.socket(zmq.PUSH)
    push.connect(endpoint)
    for _ in range(50):
        push.send(channel.codec.encode(HINT))
        for _ in range(garbage):
            push.send(b"\xc1")
    taken = 0
    while taken < 50:
        assert poller.wait(60.0) == {pull.socket}
        rejected = pull.rejected
        turn = len(list(pull.arrived()))
        assert 0 < turn + pull.rejected - rejected <= 8 + garbage
        taken += turn
    push.close()


def test_names_come_with_what_has_arrived(context: zmq.Context[Any], endpoint: str) -> None:
    router, poller = Router(context, endpoint), Poller()
    poller.add(router)
    assert list(router.arrived()) == []
    peer = channel.connect_control(context, endpoint, "w#1")
    for _ in range(3):
        peer.send(Drain())
    got: list[tuple[str, Message]] = []
    while len(got) < 3:
        assert poller.wait(60.0)
        got += router.arrived()
    assert got == [("w#1", Drain())] * 3


def test_what_was_sent_before_the_other_end_came_arrives(context: zmq.Context[Any], endpoint: str) -> None:
    peer = channel.connect_control(context, endpoint, "w#1")
    for n in range(20):
        assert peer.send(SourceEnded("a", n))
    router = Router(context, endpoint)
    assert [within(router.receive, router)[1].last_frame_id for _ in range(20)] == list(range(20))


def test_a_full_socket_refuses_and_does_not_wait(context: zmq.Context[Any], endpoint: str) -> None:
    peer = channel.connect_control(context, endpoint, "w#1")
    sent = 0
    while peer.send(HINT):
        sent += 1
        assert sent <= 100_000
    assert sent > 0
    peer.close(linger_ms=0)


def test_a_name_that_comes_again_takes_over(context: zmq.Context[Any], endpoint: str) -> None:
    router = Router(context, endpoint)
    first = channel.connect_control(context, endpoint, "w#1")
    first.send(Drain())
    within(router.receive, router)
    second = channel.connect_control(context, endpoint, "w#1")
    second.send(Refused("me"))
    within(router.receive, router)
    assert router.send("w#1", Drain())
    assert within(second.receive, second) == Drain()
    assert first.receive() is None


def test_waits_for_sockets_and_file_descriptors(context: zmq.Context[Any], endpoint: str) -> None:
    import os

    router, poller = Router(context, endpoint), Poller()
    reading, writing = os.pipe()
    poller.add(router)
    poller.add(reading)
    assert poller.wait(0.0) == set()
    os.write(writing, b"x")
    assert poller.wait(10.0) == {reading}
    poller.remove(reading)
    assert poller.wait(0.0) == set()
    peer: Peer = channel.connect_control(context, endpoint, "w#1")
    peer.send(Drain())
    assert poller.wait(30.0) == {router.socket}
    os.close(reading)
    os.close(writing)
