"""One sink's lanes, credit and session."""

from __future__ import annotations

from mpipeline.frame import FrameRef
from mpipeline.messages import SinkAdded, SinkStatus
from mpipeline.transport import codec
from mpipeline.workers.outlet import Delivery, Outlet


class Wire:
    """Notes what is delivered; `room` is what it still takes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = 1000

    def __call__(self, identity: str, data: bytes) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.sent.append(data)
        return True


def outlet(overflow: str = "block", latest: str = "drop_oldest", queue: int = 3) -> Outlet:
    made = Outlet(SinkAdded("s", -1, overflow, latest, queue))
    made.open_session(7, "sink:s#1")
    return made


def item(frame_id: int, source: str = "a") -> Delivery:
    return Delivery(source, frame_id, f"{source}{frame_id}".encode())


def status(processed: int, capacity: int, **acknowledged: int) -> SinkStatus:
    return SinkStatus("s", 1, 7, processed, capacity, acknowledged)


def test_nothing_goes_out_before_a_session_or_beyond_the_credit() -> None:
    wire, made = Wire(), Outlet(SinkAdded("s", -1, "block", "drop_oldest", 3))
    for n in (1, 2, 3):
        made.offer(item(n), every_frame=True)
    assert made.send(wire) == 0
    made.open_session(7, "x")
    assert made.send(wire) == 0
    made.update(status(0, 2))
    assert made.send(wire) == 2
    made.update(status(1, 2, a=1))
    assert made.send(wire) == 1
    assert wire.sent == [b"a1", b"a2", b"a3"]


def test_credit_is_absolute_and_a_repeated_or_wild_status_changes_nothing() -> None:
    wire, made = Wire(), outlet()
    for n in range(1, 6):
        made.offer(item(n), every_frame=True)
    for _ in range(3):
        made.update(status(0, 2))
        made.send(wire)
    assert len(wire.sent) == 2
    made.update(status(1_000_000, 2))  # cannot have processed more than was sent
    made.send(wire)
    assert len(wire.sent) == 4
    made.update(status(1, 2))  # an old one
    made.update(status(0, -5))
    assert made.send(wire) == 0


def test_lossless_deliveries_are_kept_until_acknowledged_and_sent_again_in_order() -> None:
    wire, made = Wire(), outlet()
    for n in (1, 2, 3, 4):
        made.offer(item(n), every_frame=True)
    made.update(status(0, 3))
    made.send(wire)
    assert [d.frame_id for d in made.update(status(2, 3, a=1))] == [1]
    assert made.update(status(2, 3, a=1)) == []
    made.open_session(8, "sink:s#2")
    made.update(status(0, 10))
    made.send(wire)
    assert wire.sent == [b"a1", b"a2", b"a3", b"a2", b"a3", b"a4"]
    assert [d.frame_id for d in made.update(status(3, 10, a=4))] == [2, 3, 4]
    assert made.is_idle(lossless_only=False)


def test_a_full_socket_loses_nothing() -> None:
    wire, made = Wire(), outlet()
    wire.room = 1
    for n in (1, 2):
        made.offer(item(n), every_frame=True)
    made.update(status(0, 9))
    assert made.send(wire) == 1
    wire.room = 1
    assert made.send(wire) == 1
    assert wire.sent == [b"a1", b"a2"]


def test_both_lanes_are_served_in_turn_and_each_source_in_order() -> None:
    wire, made = Wire(), outlet(queue=10)
    for n in (1, 2, 3):
        made.offer(item(n, "file"), every_frame=True)
        made.offer(item(n, "cam"), every_frame=False)
    made.update(status(0, 99))
    made.send(wire)
    assert wire.sent == [b"file1", b"cam1", b"file2", b"cam2", b"file3", b"cam3"]


def test_drop_oldest_and_drop_newest() -> None:
    oldest, newest = outlet(queue=2), outlet(latest="drop_newest", queue=2)
    for made in (oldest, newest):
        assert made.offer(item(1), every_frame=False) is None
        assert made.offer(item(2), every_frame=False) is None
    assert oldest.offer(item(3), every_frame=False) == item(1)
    assert newest.offer(item(3), every_frame=False) == item(3)
    for made, expected in ((oldest, [b"a2", b"a3"]), (newest, [b"a1", b"a2"])):
        wire = Wire()
        made.update(status(0, 9))
        made.send(wire)
        assert wire.sent == expected


def test_files_go_by_their_own_policy() -> None:
    made = outlet(overflow="drop_newest", latest="drop_oldest", queue=1)
    assert not made.is_lossless(every_frame=True)
    made.offer(item(1), every_frame=True)
    assert made.offer(item(2), every_frame=True) == item(2)
    assert made.offer(item(3), every_frame=False) == item(1)


def test_the_end_of_a_file_is_owed_until_it_is_worked_off_and_sent_again_in_a_new_session() -> None:
    wire, made = Wire(), outlet()
    made.offer(item(1), every_frame=True)
    made.offer(item(0), every_frame=True)
    made.offer(item(1, "b"), every_frame=True)
    made.update(status(0, 9))
    made.send(wire)
    assert [d.frame_id for d in made.update(status(1, 9, a=1))] == [1]
    assert not made.is_idle(lossless_only=True)
    made.open_session(8, "sink:s#2")  # it was killed between the last frame and the end
    made.update(status(0, 9))
    made.send(wire)
    assert wire.sent == [b"a1", b"a0", b"b1", b"a0", b"b1"]
    assert made.update(status(1, 9, a=1)) == []  # an end is no prediction
    assert not made.is_idle(lossless_only=True)
    assert [d.source for d in made.update(status(2, 9, a=1, b=1))] == ["b"]
    assert made.is_idle(lossless_only=True)


def test_the_end_of_a_source_is_never_dropped() -> None:
    wire, made = Wire(), outlet(queue=1)
    made.offer(item(1), every_frame=False)
    assert made.offer(item(0), every_frame=False) is None
    assert made.offer(item(2, "b"), every_frame=False) == item(1)
    made.offer(item(0, "file"), every_frame=True)
    made.update(status(0, 9))
    made.send(wire)
    assert wire.sent == [b"file0", b"a0", b"b2"]
    assert not made.is_idle(lossless_only=True)
    made.update(status(1, 9))
    assert made.is_idle(lossless_only=True)
    assert not made.is_idle(lossless_only=False)  # sent, not processed
    made.update(status(3, 9))
    assert made.is_idle(lossless_only=False)


def test_a_queue_of_nothing_but_ends_drops_nothing() -> None:
    made = outlet(queue=1)
    made.offer(item(0), every_frame=False)
    assert made.offer(item(1, "b"), every_frame=False) is None


def test_what_is_not_fetched_by_the_end_is_given_up_unless_it_must_arrive() -> None:
    wire, made = Wire(), outlet()
    made.offer(item(1, "file"), every_frame=True)
    for n in (1, 2, 0):
        made.offer(item(n), every_frame=False)
    assert made.give_up_lossy() == 2  # an end is no prediction
    assert made.give_up_lossy() == 0
    assert not made.is_idle(lossless_only=True)
    made.update(status(0, 9))
    made.send(wire)
    assert wire.sent == [b"file1"]


def test_what_a_sink_has_acknowledged_is_remembered_and_never_less() -> None:
    made = outlet()
    made.update(status(0, 2, a=7, b=1))
    made.open_session(8, "sink:s#2")
    made.update(status(0, 2, a=3))
    assert [made.acknowledged(source) for source in "abc"] == [7, 1, 0]


def test_what_needs_lost_pixels_is_not_sent_again_and_all_else_is() -> None:
    wire, made = Wire(), outlet()
    pixels = [Delivery("a", n, f"a{n}".encode(), FrameRef("mp-x-0", n, n)) for n in (1, 2, 3)]
    for delivery in (pixels[0], pixels[1], item(4), item(0), item(1, "b"), pixels[2]):
        made.offer(delivery, every_frame=True)
    made.update(status(0, 1))
    assert made.send(wire) == 1
    made.forget("a")
    made.open_session(8, "sink:s#2")
    made.update(status(0, 9))
    made.send(wire)
    assert wire.sent == [b"a1", b"a4", b"a0", b"b1"]
    made.update(status(3, 9, a=4, b=1))
    assert made.is_idle(lossless_only=False)


def test_the_names_in_one_status_are_those_in_the_next() -> None:
    """Else each status puts them into the interpreter's table of strings anew, which grows and is rehashed for it."""
    made, data = outlet(), codec.encode(status(0, 2, **{"camera-0001": 1}))

    def take() -> int:
        received = codec.decode(data)
        assert isinstance(received, SinkStatus)
        made.update(received)
        return id(next(iter(received.acknowledged)))

    first = take()
    others = [f"camera-{number:04}" for number in range(2, 1000)]  # would lie where the name was, had it been let go
    assert take() == first
    assert len(others) == 998
