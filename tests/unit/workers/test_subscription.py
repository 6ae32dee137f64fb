"""A sink's half of the data channel."""

from __future__ import annotations

from support.predictions import meta, prediction

from mpipeline.clock import NS_PER_S
from mpipeline.messages import Drain, PredictionReady, SessionOpened, SinkStatus, SourceEnded
from mpipeline.workers.subscription import Subscription
from mpipeline.workers.wire import to_wire


def subscription(capacity: int = 8) -> tuple[Subscription, list[SinkStatus]]:
    sent: list[SinkStatus] = []
    return Subscription("s", 2, capacity, sent.append), sent


def ready(frame_id: int) -> PredictionReady:
    return to_wire(prediction(meta("a", frame_id)), None)


def test_says_hello_until_it_has_a_session_and_then_at_once() -> None:
    made, sent = subscription()
    made.report(0, idle=True)
    made.report(NS_PER_S // 10, idle=True)
    made.report(NS_PER_S // 2, idle=True)
    assert [s.session for s in sent] == [0, 0]
    assert made.receive(SessionOpened(5)) is None
    assert sent[-1] == SinkStatus("s", 2, 5, 0, 8, {})


def test_a_session_that_is_announced_twice_is_not_counted_anew() -> None:
    made, sent = subscription()
    made.receive(SessionOpened(5))
    made.receive(ready(1))
    made.done("a", 1)
    made.receive(SessionOpened(5))
    assert len(sent) == 1
    made.report()
    assert sent[-1].processed == 1
    made.receive(SessionOpened(6))
    assert (sent[-1].session, sent[-1].processed, sent[-1].acknowledged) == (6, 0, {"a": 1})


def test_what_came_in_an_earlier_session_is_not_counted_in_the_present_one() -> None:
    made, sent = subscription()
    made.receive(SessionOpened(5))
    assert made.receive(ready(1)) is not None
    made.receive(SessionOpened(6))
    made.done("a", 1)
    made.report()
    assert (sent[-1].session, sent[-1].processed, sent[-1].acknowledged) == (6, 0, {"a": 1})
    assert made.receive(SourceEnded("a", 1)) is not None
    made.done("a", 0)
    made.report()
    assert sent[-1].processed == 1


def test_reports_when_idle_or_after_a_quarter_of_the_credit() -> None:
    made, sent = subscription(capacity=8)
    made.report(0)
    made.done("a", 1)
    made.report(1)
    assert len(sent) == 1
    made.report(2, idle=True)
    assert sent[-1].processed == 1
    made.done("a", 2)
    made.done("a", 3)
    made.report(3)
    assert (sent[-1].processed, sent[-1].acknowledged) == (3, {"a": 3})


def test_what_is_reported_does_not_change_afterwards() -> None:
    made, sent = subscription()
    made.done("a", 1)
    made.report()
    made.done("a", 2)
    assert sent[0].acknowledged == {"a": 1}


def test_only_deliveries_are_passed_on() -> None:
    made, _ = subscription()
    assert made.receive(Drain()) is None
    assert made.receive(ready(3)) == ready(3)
    assert made.receive(SourceEnded("a", 3)) == SourceEnded("a", 3)


def test_what_is_written_is_a_duplicate_and_ends_do_not_count_as_frames() -> None:
    made, _ = subscription()
    made.done("a", 5)
    made.done("a", 0)
    made.done("a", 3)
    assert made.acknowledged == {"a": 5}
    assert made.is_duplicate(ready(5))
    assert not made.is_duplicate(ready(6))
