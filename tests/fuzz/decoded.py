"""Asks of a decoded message what the codec promises: the declared types all the way down, and values within bounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Union, get_args, get_origin, get_type_hints

from mpipeline.errors import ProtocolError
from mpipeline.messages import TAGS, Message, PredictionReady
from mpipeline.transport import bounds, codec
from mpipeline.transport.structure import check_structure
from mpipeline.workers.wire import from_wire

PLAIN = (type(None), bool, int, float, str, bytes)


def decoded(data: bytes) -> Message | None:
    """The message in `data` after all questions, None if the codec refuses it; any other error goes up."""
    try:
        message = codec.decode(data)
    except ProtocolError as refused:
        reason = str(refused)
        if len(reason) > 1000:
            raise AssertionError("the error quotes what was sent") from refused
        return None
    check_structure(data)  # refuses nothing that is a message; short ones have not been through it
    assert type(message) in TAGS.values()
    ask(message)
    assert codec.decode(codec.encode(message)) == message or "nan" in repr(message)
    if isinstance(message, PredictionReady):
        _ask_prediction(message)
    return message


def _ask_prediction(message: PredictionReady) -> None:
    with suppress(ProtocolError):
        prediction = from_wire(message)
        if prediction.failure is None:  # a frame that failed has no dictionary
            prediction.to_dict()


def ask(struct: Any) -> None:
    """Fails unless every field of a struct is what its annotation says."""
    hints = get_type_hints(type(struct))
    for field in dataclasses.fields(struct):
        _ask(getattr(struct, field.name), hints[field.name], (type(struct).__name__, field.name))


def _ask(value: Any, annotation: Any, place: tuple[str, str]) -> None:
    origin = get_origin(annotation)
    if annotation is Any:
        _ask_plain(value, 16)
    elif dataclasses.is_dataclass(annotation):
        assert type(value) is annotation, place
        ask(value)
    elif origin is Mapping:
        keys, values = get_args(annotation)
        assert type(value) is dict, place
        for key, item in value.items():
            _ask(key, keys, place)
            _ask(item, values, place)
    elif origin is tuple:
        assert type(value) is tuple, place
        for item in value:
            _ask(item, get_args(annotation)[0], place)
    elif origin is Union or type(None) in get_args(annotation):
        if value is not None:
            _ask(value, next(one for one in get_args(annotation) if one is not type(None)), place)
    else:
        assert type(value) is annotation, place
        _ask_bounds(value, place)


def _ask_bounds(value: Any, place: tuple[str, str]) -> None:
    if type(value) is int:
        low, high = bounds.WHOLE.get(place, (0, bounds.MOST_WHOLE))
        assert low <= value <= high, place
    elif type(value) is float:
        assert math.isfinite(value) or place in bounds.ANY_FLOAT, place
    elif type(value) is str:
        assert len(value) <= bounds.MOST_TEXT, place
        value.encode()  # no halves of surrogate pairs


def _ask_plain(value: Any, depth: int) -> None:
    assert depth >= 0
    if type(value) is dict:
        for key, item in value.items():
            assert type(key) in (str, int)
            _ask_plain(item, depth - 1)
    elif type(value) is list:
        for item in value:
            _ask_plain(item, depth - 1)
    else:
        assert type(value) in PLAIN
