"""The codec against strangers: whatever comes is a message of ours or a ProtocolError, at a bounded cost."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipeline.errors import ProtocolError
from mpipeline.frame import FrameRef
from mpipeline.messages import TAGS, FrameReady, Heartbeat, Hello, Role, Start
from mpipeline.transport import codec

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=10)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
    | st.builds(msgpack.Timestamp, st.integers(0, 2**33), st.integers(0, 999_999_999)),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.integers(-5, 5) | st.text(max_size=3) | st.booleans() | st.none(), inner, max_size=4)
    ),
    max_leaves=30,
)


def accepts(data: bytes) -> bool:
    """Whether it is a message; anything but ProtocolError goes up."""
    try:
        message = codec.decode(data)
    except ProtocolError:
        return False
    assert type(message) in TAGS.values()
    return True


@given(st.binary(max_size=300))
def test_arbitrary_bytes(data: bytes) -> None:
    accepts(data)


@settings(max_examples=100)
@given(st.sampled_from(sorted(TAGS)), st.lists(ANYTHING, max_size=8))
def test_arbitrary_structures_behind_a_valid_tag(tag: int, fields: list[Any]) -> None:
    accepts(msgpack.packb([tag, *fields]))


@given(ANYTHING)
def test_arbitrary_structures(value: Any) -> None:
    accepts(msgpack.packb(value))


VALID = codec.encode(FrameReady(FrameRef("mp-x-0", 3, 4), 5, 6))


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_a_message_with_one_byte_changed(position: int, value: int) -> None:
    accepts(VALID[:position] + bytes([value]) + VALID[position + 1 :])


@pytest.mark.parametrize("length", range(len(VALID)))
def test_a_message_that_was_cut(length: int) -> None:
    assert not accepts(VALID[:length])


def test_something_behind_the_message() -> None:
    assert not accepts(VALID + b"\x00")


@pytest.mark.parametrize(
    "body",
    [
        [],
        [99],
        ["1"],
        [True],
        [1.0],
        {1: 2},
        [1, "decoder", "n", 1],  # too few
        [1, "decoder", "n", 1, 2, 1, False, "more"],  # too many
        [1, "king", "n", 1, 2],
        [1, [], "n", 1, 2],
        [1, "decoder", "n", True, 2],  # a bool is not a number
        [1, "decoder", b"n", 1, 2],
        [32, [1, 2, 3], 1, 2],
        [32, ["r", 1], 1, 2],
        [32, None, 1, 2],
        [41, "s", 1, 1, 1, 1, {"a": "1"}],
        [41, "s", 1, 1, 1, 1, {1: 1}],
        [41, "s", 1, 1, 1, 1, [1]],
    ],
)
def test_wrong_in_one_point(body: Any) -> None:
    with pytest.raises(ProtocolError):
        codec.decode(msgpack.packb(body))


def test_the_error_says_where() -> None:
    with pytest.raises(ProtocolError, match=r"FrameReady\.ref: FrameRef\.slot: expected int, got str"):
        codec.decode(msgpack.packb([32, ["r", "1", 2], 1, 2]))


def test_whole_numbers_are_taken_for_fractions() -> None:
    assert codec.decode(msgpack.packb([3, 1, {"x": 2}])) == Heartbeat(1, {"x": 2.0})


def test_an_enumeration_travels_by_its_value() -> None:
    assert msgpack.unpackb(codec.encode(Hello(Role.SINK, "n", 1, 2)))[1] == "sink"


def test_depth_of_free_form_data_is_bounded() -> None:
    def nested(depth: int) -> Any:
        return [nested(depth - 1)] if depth else 0

    assert accepts(codec.encode(Start({"x": nested(10)})))
    assert not accepts(codec.encode(Start({"x": nested(40)})))
    assert not accepts(b"\x91" * 100_000)


def test_size_is_bounded() -> None:
    assert accepts(codec.encode(Start({"x": b"1" * 1_600_000})))
    assert not accepts(codec.encode(Start({"x": b"1" * 3_000_000})))
    assert not accepts(bytes(codec.MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of 2^32 - 1
        b"\xdf\xff\xff\xff\xff",  # a map
        b"\xc6\xff\xff\xff\xff",  # bytes
        b"\xdb\xff\xff\xff\xff",  # a text
        b"\xc9\xff\xff\xff\xff\x01",  # an extension
        b"\xdd\x00\x00\xff\xff" * 900,  # arrays in arrays, each of 65535
    ],
)
def test_an_announced_size_takes_no_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        assert not accepts(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
