"""The codec against messages that are almost right, and against all that a coverage-guided fuzzer has found."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import pytest
from fuzz.decoded import decoded
from hypothesis import given, settings
from hypothesis import strategies as st
from support.message_values import instances_of

from mpipeline.messages import TAGS, Message
from mpipeline.transport import codec

CORPUS = sorted((Path(__file__).parent / "corpus" / "codec").iterdir())

ODD = st.sampled_from(
    [
        None,
        True,
        -1,
        2**31,
        2**32,
        2**63,
        2**64 - 1,
        -(2**63),
        float("nan"),
        float("inf"),
        -0.0,
        1e308,
        "",
        "\0",
        "x" * 300,
        "/../" * 20,
        "y" * 70_000,
        b"",
        b"\xff" * 40,
        [],
        {},
        [[]] * 20,
        {1: 1, "1": 1},
        {True: 1},
        {None: 1},
        {b"b": 1},
        {1.5: 1},
        msgpack.ExtType(5, b"12345678"),
        msgpack.Timestamp(1, 1),
    ]
)
MESSAGES = st.sampled_from(sorted(TAGS)).flatmap(lambda tag: instances_of(TAGS[tag]))


@st.composite
def almost_right(draw: st.DrawFn) -> bytes:
    """A valid message with up to three changes somewhere in its structure."""
    body = msgpack.unpackb(codec.encode(draw(MESSAGES)), strict_map_key=False)
    for _ in range(draw(st.integers(1, 3))):
        body = _changed(draw, body)
    packed: bytes = msgpack.packb(body)
    return packed


def _changed(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, (list, dict)) and value and draw(st.integers(0, 3)):
        holder: Any = value.copy()
        key = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        holder[key] = _changed(draw, holder[key])
        return holder
    if isinstance(value, list) and draw(st.booleans()):
        return draw(st.sampled_from([value[:-1], value[1:], value * 2, [*value, draw(ODD)]]))
    return draw(ODD)


@given(MESSAGES)
def test_what_is_right_is_taken(message: Message) -> None:
    assert decoded(codec.encode(message)) is not None


@settings(max_examples=200)
@given(almost_right())
def test_what_is_almost_right_is_a_message_or_refused(data: bytes) -> None:
    decoded(data)


@given(st.data())
def test_bytes_are_changed_inserted_and_cut(data: st.DataObject) -> None:
    packed = bytearray(codec.encode(data.draw(MESSAGES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(packed)))
        packed[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    decoded(bytes(packed))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name[:12])
def test_what_the_fuzzer_has_found(path: Path) -> None:
    decoded(path.read_bytes())


HEARTBEAT = [3, 1]


@pytest.mark.parametrize(
    "data",
    [
        msgpack.packb(HEARTBEAT)[:-1] + b"\x01\x82\xa1a\x01\xa1a\x02",  # one metric twice
        msgpack.packb([3, 1, {}, "\ud800"], unicode_errors="surrogatepass"),
        b"\x92\x11\xa2\xff\xfe",  # a sentence that is not UTF-8
        msgpack.packb([32, ["ring", 4096, 1], 1, 1]),
        msgpack.packb([32, ["ring", 1, 2**32], 1, 1]),
        msgpack.packb([32, ["r" * 256, 1, 1], 1, 1]),
        msgpack.packb([32, ["ring", 1, 1], 2**63, 1]),
        msgpack.packb([32, ["ring", 1, 1], -1, 1]),
        msgpack.packb([1, "attached", "program", 1, 0]),
        msgpack.packb([1, "attached", "program", 1, 2**40]),
        msgpack.packb([4, ["", "cam", 0, 0, [1, 0, 10, 0, False]], True, 0]),
        msgpack.packb([4, ["", "cam", 0, 0, [1, 65536, 10, 0, False]], True, 0]),
        msgpack.packb([4, ["", "cam", 0, 0, [1.0, 10, 10, 0, False]], True, 0]),
        msgpack.packb([4, ["", "cam", 0, 0, [1, 10, 10, 0, False]], True, 0, float("nan")]),
        msgpack.packb([21, "sink", 15, "block", "block", 1]),
        msgpack.packb([2, {"x": {b"bytes": 1}}]),
        msgpack.packb([2, {"x": msgpack.ExtType(1, b"")}]),
        msgpack.packb([2, {"x": msgpack.Timestamp(1)}]),
    ],
)
def test_what_is_wrong_in_one_point_is_refused(data: bytes) -> None:
    assert decoded(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xdc\x08\x00" * 600,  # arrays in arrays, as short a message as is not looked over beforehand
        b"\xdd\x00\x00\xff\xff" * 1000 + bytes(65_535 * 8),  # and one that has the bytes to announce more
        b"\xdf\x00\x00\xff\xff" * 1000 + bytes(65_535 * 8),
        b"\xdc\xff\xff" + b"\x90" * 65_535 * 8,  # a few bytes each become a list
        b"\x91" * (codec.MAX_MESSAGE_BYTES),
        b"\x9a\x03\x01\x80" + b"\x90" * (codec.MAX_MESSAGE_BYTES - 4),
    ],
)
def test_memory_is_bounded_by_what_a_message_may_be(data: bytes) -> None:
    tracemalloc.start()
    try:
        assert decoded(data) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
