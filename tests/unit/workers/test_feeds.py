"""What a sink gets of each of several models: when a source has ended, and how far a sink says it has come."""

from __future__ import annotations

from typing import Any

import pytest

from mpipeline.errors import ConfigError
from mpipeline.workers.feeds import Feed, SourceEnds
from mpipeline.workers.written import by_origin

PEOPLE = Feed("people", "ipc://p", frozenset(("gate", "yard")), 2)
FACES = Feed("faces", "ipc://f", frozenset(("gate",)), 3)
ONLY = Feed("", "ipc://o", frozenset(("gate",)), 1)


def test_feeds_are_what_start_tells() -> None:
    spec = {"model": "people", "predictions": "ipc://p", "sources": ["gate", "yard"], "bit": 2}
    assert Feed.from_spec({"feeds": [spec]}) == [PEOPLE]


def test_a_source_has_ended_when_each_of_its_models_has_said_so_however_often() -> None:
    ends = SourceEnds([PEOPLE, FACES])
    assert ends.note("yard", "people")
    assert not ends.note("gate", "faces")
    assert not ends.note("gate", "faces")
    assert ends.note("gate", "people")
    assert ends.note("gate", "people")
    assert SourceEnds([ONLY]).note("gate", "")


@pytest.mark.parametrize(
    ("feeds", "written", "found"),
    [
        ([ONLY], {"gate": 12, "gone": 3}, {"gate": 12, "gone": 3}),
        ([PEOPLE, FACES], {"gate:people": 12, "gate:faces": 3}, {"gate:people": 12, "gate:faces": 3}),
        ([FACES], {"gate": 12}, {"gate:faces": 12}),
        ([PEOPLE, FACES], {"yard": 12}, {"yard:people": 12}),
        ([PEOPLE, FACES], {}, {}),
    ],
)
def test_what_a_sink_has_by_origin(feeds: list[Feed], written: Any, found: dict[str, int]) -> None:
    assert by_origin("s", written, feeds) == found


def test_a_sink_that_keeps_nothing_says_so() -> None:
    assert by_origin("s", None, [PEOPLE, FACES]) is None


def test_a_source_alone_says_nothing_of_two_models(caplog: pytest.LogCaptureFixture) -> None:
    assert by_origin("s", {"gate": 12, "yard": 4}, [PEOPLE, FACES]) == {"yard:people": 4}
    assert "all comes again" in caplog.text


@pytest.mark.parametrize("written", [7, ["gate"], {"gate": "12"}, {1: 2}])
def test_anything_else_is_an_error(written: Any) -> None:
    with pytest.raises(ConfigError, match=r"sink 's': open\(\) must return the last frame id"):
        by_origin("s", written, [ONLY])
