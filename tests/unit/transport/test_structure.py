"""The look over a message before it is unpacked: it takes what msgpack takes, and nothing that announces too much."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipeline.errors import ProtocolError
from mpipeline.transport.structure import MOST_DEPTH, MOST_VALUES, check_structure

TREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | st.sampled_from(["x" * 300, "x" * 70_000, b"x" * 300, b"x" * 70_000]),
    lambda inner: st.lists(inner, max_size=18) | st.dictionaries(st.integers(0, 99), inner, max_size=18),
    max_leaves=12,
)


def takes(data: bytes) -> bool:
    try:
        check_structure(data)
    except ProtocolError:
        return False
    return True


@given(TREE)
def test_what_msgpack_writes_is_taken_and_a_part_of_it_is_not(tree: Any) -> None:
    data = msgpack.packb(tree)
    assert takes(data)
    assert not takes(data[:-1])
    assert not takes(data + b"\0")


@pytest.mark.parametrize("tree", [[0] * 70_000, dict.fromkeys(range(20)), dict.fromkeys(range(65_000))])
def test_long_lists_and_mappings_are_taken(tree: Any) -> None:
    assert takes(msgpack.packb(tree))


@given(st.binary(max_size=60))
def test_what_is_taken_can_be_unpacked(data: bytes) -> None:
    if takes(data):
        msgpack.unpackb(data, strict_map_key=False, raw=True, object_pairs_hook=list)


@pytest.mark.parametrize("kind", [b"\xc1", b"\xc7\x00\x05", b"\xd4\x05\x00", b"\xd8" + bytes(17), b"\xc9" + bytes(6)])
def test_extensions_and_what_is_nothing_are_refused(kind: bytes) -> None:
    with pytest.raises(ProtocolError, match="unknown type"):
        check_structure(kind)


def test_depth_and_number_are_bounded() -> None:
    assert takes(b"\x91" * (MOST_DEPTH - 1) + b"\x00")
    with pytest.raises(ProtocolError, match="too deeply"):
        check_structure(b"\x91" * 100 + b"\x00")
    with pytest.raises(ProtocolError, match="more than"):
        check_structure(msgpack.packb([[0] * 60_000] * 3))
    assert takes(msgpack.packb([0] * (MOST_VALUES - 1)))


@pytest.mark.parametrize(
    "data", [b"", b"\xdd\xff\xff\xff\xff", b"\xdf\x00\x00\x00\x01\x00", b"\xdb\xff\xff\xff\xff", b"\xdc"]
)
def test_what_announces_more_than_there_is_is_refused(data: bytes) -> None:
    assert not takes(data)
