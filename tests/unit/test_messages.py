"""Every message goes over the wire and comes back equal; tags are unique and never given away."""

from __future__ import annotations

import dataclasses
from typing import Union, get_args, get_origin

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.message_values import instances_of

from mpipeline import messages
from mpipeline.messages import TAGS, Message
from mpipeline.transport import codec

# The tags of protocol version 1. A struct that goes leaves its tag unused; this table only grows.
GIVEN = {
    1: "Hello",
    2: "Ready",
    3: "Heartbeat",
    4: "RingRequest",
    5: "Bye",
    6: "RingDamaged",
    7: "StatusRequest",
    16: "Start",
    17: "Refused",
    18: "RingGranted",
    19: "RingAttached",
    20: "RingRetired",
    21: "SinkAdded",
    22: "SinkRemoved",
    23: "SourceEnded",
    24: "Drain",
    25: "Play",
    26: "StatusAnswer",
    27: "ModelGone",
    32: "FrameReady",
    40: "SessionOpened",
    41: "SinkStatus",
    42: "PredictionReady",
}


@pytest.mark.parametrize("struct", TAGS.values(), ids=lambda struct: struct.__name__)
def test_comes_back_equal(struct: type[Message]) -> None:
    @given(instances_of(struct))
    def check(message: Message) -> None:
        back = codec.decode(codec.encode(message))
        assert back == message
        assert type(back) is type(message)

    check()


def test_tags_are_those_that_were_given() -> None:
    assert {tag: struct.__name__ for tag, struct in TAGS.items()} == GIVEN
    assert len(set(TAGS.values())) == len(TAGS)
    assert set(get_args(Message)) == set(TAGS.values())


def test_every_struct_that_crosses_a_socket_is_frozen_and_told() -> None:
    for struct in TAGS.values():
        assert struct.__dataclass_params__.frozen, struct  # type: ignore[attr-defined]
        assert struct.__doc__
        assert struct.__doc__[0].isupper()


def test_every_public_dataclass_of_the_module_has_a_tag() -> None:
    found = {
        one
        for one in vars(messages).values()
        if isinstance(one, type) and dataclasses.is_dataclass(one) and one.__module__ == messages.__name__
    }
    assert found == set(TAGS.values())


@pytest.mark.parametrize("struct", TAGS.values(), ids=lambda struct: struct.__name__)
def test_fields_that_an_older_peer_does_not_send_take_their_defaults(struct: type[Message]) -> None:
    fields = dataclasses.fields(struct)
    needed = [f for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
    assert list(fields[: len(needed)]) == needed, "a field without a default stands behind one with"

    @given(st.data())
    def check(data: st.DataObject) -> None:
        message = data.draw(instances_of(struct))
        body = msgpack.unpackb(codec.encode(message), strict_map_key=False)
        back = codec.decode(msgpack.packb(body[: 1 + len(needed)]))
        for field in fields:
            if field in needed:
                assert getattr(back, field.name) == getattr(message, field.name)
            elif field.default is not dataclasses.MISSING:
                assert getattr(back, field.name) == field.default
            else:
                assert getattr(back, field.name) == field.default_factory()  # type: ignore[misc]

    check()


def test_the_union_has_no_optional_members() -> None:
    assert get_origin(Message) is Union
    assert type(None) not in get_args(Message)
