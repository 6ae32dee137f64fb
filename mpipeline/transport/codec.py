"""Messages to bytes and back. What comes from outside is checked here, field by field, before anyone sees it.

Format: one msgpack array `[tag, field, field, …]` in the order of the struct's fields; nested structs are arrays
without a tag. Missing trailing fields take their defaults, so that a field can be added at the end. What is sent for
each frame leaves them out where they have these values, so that what a prediction lacks costs nothing.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgpack

from mpipeline.errors import ProtocolError
from mpipeline.messages import TAGS, Message, PredictionReady
from mpipeline.transport import bounds
from mpipeline.transport.structure import check_structure
from mpipeline.wire_columns import WireDetections

MAX_MESSAGE_BYTES = 4 << 20  # a prediction of 300 boxes takes about 8 kB, a START a few kB
_MAX_STRING = 2 << 20  # the boxes of 100 000 detections, the most that a config may ask for
_MAX_ITEMS = 1 << 16
_MAX_DEPTH = 16
_SHORT = 2048  # bytes: all that can be announced in so many takes a few megabytes at most
_PLAIN = (type(None), bool, int, float, str, bytes)

_TAG_OF = {struct: tag for tag, struct in TAGS.items()}
_ABBREVIATED = {
    struct: [
        field.default_factory() if field.default is dataclasses.MISSING else field.default
        for field in reversed(dataclasses.fields(struct))
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    ]
    for struct in (PredictionReady, WireDetections)
}

Check = Callable[[Any], Any]
Place = tuple[str, str]  # struct and field


def encode(message: Message) -> bytes:
    """The message as bytes.

    Sentences for people are cut to what the other side takes; what is not text (half of a surrogate pair, as in a file
    name that is not UTF-8) becomes '?'.
    """
    kind = type(message)
    body = [_TAG_OF[kind], *_WRITERS[kind](message)]
    packed: bytes = msgpack.packb(body, use_bin_type=True, unicode_errors="replace")
    return packed


def decode(data: bytes | memoryview) -> Message:
    """The message in `data`, all of it of the declared types and within bounds.

    Raises ProtocolError if it is not exactly one message of ours.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    if len(data) > _SHORT:
        check_structure(data)
    try:
        body = msgpack.unpackb(
            data,
            strict_map_key=False,
            max_str_len=_MAX_STRING,
            max_bin_len=_MAX_STRING,
            max_array_len=min(_MAX_ITEMS, len(data)),  # memory is taken for as many as are announced
            max_map_len=min(_MAX_ITEMS, len(data)),
            max_ext_len=0,
            ext_hook=_no_extension,
            object_pairs_hook=_without_repetition,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"not a message: {error}") from error
    if not isinstance(body, list) or not body or type(body[0]) is not int or body[0] not in TAGS:
        raise ProtocolError("not a message of this protocol")
    message: Message = _CHECKS[body[0]](body[1:])
    return message


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code}")


def _without_repetition(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a mapping has a key twice")
    return mapping


def _writer(struct: Any) -> Callable[[Any], list[Any]]:
    """A function that gives the struct's fields as a message holds them. What needs no change is not looked at."""
    hints = get_type_hints(struct)
    fields = [(f.name, _conversion(hints[f.name], (struct.__name__, f.name))) for f in dataclasses.fields(struct)]
    defaults = list(zip(reversed([name for name, _ in fields]), _ABBREVIATED.get(struct, ()), strict=False))

    def write(value: Any) -> list[Any]:
        left_out = 0
        for name, default in defaults:
            if getattr(value, name) != default:
                break
            left_out += 1
        plain = []
        for name, convert in fields[: len(fields) - left_out] if left_out else fields:
            field = getattr(value, name)
            plain.append(field if convert is None or field is None else convert(field))
        return plain

    return write


def _conversion(annotation: Any, place: Place) -> Callable[[Any], Any] | None:
    """What has to be done to a value of this type so that msgpack takes it; None if nothing."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    if dataclasses.is_dataclass(annotation):
        return _writer(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return lambda value: value.value
    return _cut if annotation is str and place in bounds.SENTENCES else None


def _cut(text: str) -> str:
    return text if len(text) <= bounds.MOST_TEXT else text[: bounds.MOST_TEXT - 1] + "…"


def _struct_check(struct: Any) -> Check:
    """A function that turns a list of field values into the struct, or raises ProtocolError."""
    hints = get_type_hints(struct)
    fields = dataclasses.fields(struct)
    checks = [_check(hints[field.name], (struct.__name__, field.name)) for field in fields]
    required = sum(1 for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING)

    def check(values: Any) -> Any:
        if not isinstance(values, list) or not required <= len(values) <= len(checks):
            raise ProtocolError(f"{struct.__name__}: expected {required} to {len(checks)} fields")
        arguments: list[Any] = []
        try:
            for field_check, value in zip(checks, values, strict=False):
                arguments.append(field_check(value))
        except ProtocolError as error:
            raise ProtocolError(f"{struct.__name__}.{fields[len(arguments)].name}: {error}") from None
        try:
            return struct(*arguments)
        except (ValueError, TypeError) as error:
            raise ProtocolError(f"{struct.__name__}: {error}") from error

    return check


def _check(annotation: Any, place: Place) -> Check:
    """A function that validates a value against a type annotation and converts enums and nested structs."""
    if annotation in (int, float, str, bytes, bool):
        return _scalar(annotation, place)
    if annotation is Any:
        return _free_form
    if dataclasses.is_dataclass(annotation):
        return _struct_check(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enumeration(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = _check(next(a for a in arguments if a is not type(None)), place)
        return lambda value: None if value is None else inner(value)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return _list(_check(arguments[0], place))
    if origin is Mapping:
        return _mapping(_check(arguments[0], place), _check(arguments[1], place))
    raise TypeError(f"no rule for {annotation!r} in a message")


def _scalar(kind: type, place: Place) -> Check:
    return {int: _whole, str: _text, float: _fraction}.get(kind, _exactly(kind))(place)


def _exactly(kind: type) -> Callable[[Place], Check]:
    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _unexpected(kind, value)

    return lambda place: check


def _whole(place: Place) -> Check:
    low, high = bounds.WHOLE.get(place, (0, bounds.MOST_WHOLE))

    def check(value: Any) -> Any:
        if type(value) is not int:
            raise _unexpected(int, value)
        if not low <= value <= high:
            raise ProtocolError(f"expected {low} to {high}, got {value}")
        return value

    return check


def _text(place: Place) -> Check:
    most = bounds.TEXT.get(place, bounds.MOST_TEXT)

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise _unexpected(str, value)
        if len(value) > most:
            raise ProtocolError(f"{len(value)} characters are over the limit of {most}")
        return value

    return check


def _fraction(place: Place) -> Check:
    finite = place not in bounds.ANY_FLOAT

    def check(value: Any) -> Any:
        if type(value) is int:
            value = float(value)
        if type(value) is not float:
            raise _unexpected(float, value)
        if finite and not math.isfinite(value):
            raise ProtocolError(f"expected a finite number, got {value}")
        return value

    return check


def _unexpected(kind: type, value: Any) -> ProtocolError:
    return ProtocolError(f"expected {kind.__name__}, got {type(value).__name__}")


def _enumeration(kind: type[Enum]) -> Check:
    members = {member.value: member for member in kind}
    plain = int if issubclass(kind, int) else str

    def check(value: Any) -> Any:
        if type(value) is not plain or value not in members:
            raise ProtocolError(f"not a {kind.__name__}")
        return members[value]

    return check


def _mapping(key_check: Check, value_check: Check) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ProtocolError(f"expected a mapping, got {type(value).__name__}")
        return {key_check(k): value_check(v) for k, v in value.items()}

    return check


def _list(item_check: Check) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise ProtocolError(f"expected a list, got {type(value).__name__}")
        return tuple([item_check(item) for item in value])

    return check


def _free_form(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Data of a spec: what a config can hold, up to a depth."""
    if depth == 0:
        raise ProtocolError("nested too deeply")
    if type(value) is dict:
        for key, item in value.items():
            if type(key) not in (str, int):
                raise ProtocolError(f"expected a key that is a text or a whole number, got {type(key).__name__}")
            _free_form(item, depth - 1)
    elif type(value) is list:
        for item in value:
            _free_form(item, depth - 1)
    elif type(value) not in _PLAIN:
        raise ProtocolError(f"expected plain data, got {type(value).__name__}")
    return value


_WRITERS = {struct: _writer(struct) for struct in TAGS.values()}
_CHECKS = {tag: _struct_check(struct) for tag, struct in TAGS.items()}
