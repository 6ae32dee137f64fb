"""What decoders are told to do with their sources, and when."""

from __future__ import annotations

from typing import Any

from support.children import FakeChild, child

from mpipeline.messages import Play, PlayMode, Ready, Role
from mpipeline.supervisor.playback import Playback


class Bench:
    """Two decoders that are ready."""

    def __init__(self) -> None:
        self.a, self.b = child(Role.DECODER, "a"), child(Role.DECODER, "b")
        children: Any = {one.name: one for one in (self.a, self.b)}
        self.made = Playback(children)
        self.sent: list[tuple[str, Any]] = []

    def serve(self) -> list[tuple[str, Any]]:
        self.sent = []
        self.made.serve(lambda identity, message: self.sent.append((identity, message)))
        return self.sent


def test_one_decoder_is_told_once() -> None:
    bench = Bench()
    assert bench.serve() == []
    bench.made.ask("a", PlayMode.PAUSE)
    assert bench.serve() == [("decoder:a#1", Play(PlayMode.PAUSE))]
    assert bench.serve() == []
    bench.made.ask("a", PlayMode.PLAY)
    assert bench.serve() == [("decoder:a#1", Play(PlayMode.PLAY))]


def test_only_the_last_word_counts() -> None:
    bench = Bench()
    bench.made.ask("b", PlayMode.MUTE)
    bench.made.ask("b", PlayMode.PLAY)
    assert bench.serve() == []


def test_who_cannot_hear_is_told_later() -> None:
    bench = Bench()
    bench.a.ready = None
    bench.made.ask("a", PlayMode.MUTE)
    assert bench.serve() == []
    bench.a.ready = Ready({})
    assert bench.serve() == [("decoder:a#1", Play(PlayMode.MUTE))]


def test_a_successor_is_told_again() -> None:
    bench = Bench()
    bench.made.ask("a", PlayMode.PAUSE)
    bench.serve()
    restarted(bench.a)
    assert bench.serve() == [("decoder:a#2", Play(PlayMode.PAUSE))]
    bench.made.ask("a", PlayMode.PLAY)
    bench.serve()
    restarted(bench.a)
    assert bench.serve() == []


def restarted(one: FakeChild) -> None:
    one.exit()
    one.restart()
