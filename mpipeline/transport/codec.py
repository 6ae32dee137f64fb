"""Messages to bytes and back. What comes from outside is checked here, field by field, before anyone sees it.

Format: one msgpack array `[tag, field, field, …]` in the order of the struct's fields; nested structs are arrays
without a tag. Missing trailing fields take their defaults, so that a field can be added at the end.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgpack

from mpipeline.errors import ProtocolError
from mpipeline.messages import TAGS, Message

MAX_MESSAGE_BYTES = 4 << 20  # a prediction of 300 boxes takes about 8 kB, a START a few kB
_MAX_STRING = 2 << 20  # the boxes of 100 000 detections, the most that a config may ask for
_MAX_ITEMS = 1 << 16
_MAX_DEPTH = 16

_TAG_OF = {struct: tag for tag, struct in TAGS.items()}

Check = Callable[[Any], Any]


def encode(message: Message) -> bytes:
    """The message as bytes."""
    packed: bytes = msgpack.packb([_TAG_OF[type(message)], *_fields(message)], use_bin_type=True)
    return packed


def decode(data: bytes | memoryview) -> Message:
    """The message in `data`.

    Raises ProtocolError if it is not exactly one message of ours.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    try:
        body = msgpack.unpackb(
            data,
            strict_map_key=False,
            max_str_len=_MAX_STRING,
            max_bin_len=_MAX_STRING,
            max_array_len=min(_MAX_ITEMS, len(data)),  # memory is taken for as many as are announced
            max_map_len=min(_MAX_ITEMS, len(data)),
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"not a message: {error}") from error
    if not isinstance(body, list) or not body or type(body[0]) is not int or body[0] not in TAGS:
        raise ProtocolError("not a message of this protocol")
    message: Message = _CHECKS[body[0]](body[1:])
    return message


def _fields(value: Any) -> list[Any]:
    return [_plain(getattr(value, name)) for name in value.__dataclass_fields__]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return _fields(value)
    return value


def _struct_check(struct: Any) -> Check:
    """A function that turns a list of field values into the struct, or raises ProtocolError."""
    hints = get_type_hints(struct)
    fields = dataclasses.fields(struct)
    checks = [_check(hints[field.name]) for field in fields]
    required = sum(1 for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING)

    def check(values: Any) -> Any:
        if not isinstance(values, list) or not required <= len(values) <= len(checks):
            raise ProtocolError(f"{struct.__name__}: expected {required} to {len(checks)} fields")
        arguments = []
        for field, field_check, value in zip(fields, checks, values, strict=False):
            try:
                arguments.append(field_check(value))
            except ProtocolError as error:
                raise ProtocolError(f"{struct.__name__}.{field.name}: {error}") from None
        try:
            return struct(*arguments)
        except (ValueError, TypeError) as error:
            raise ProtocolError(f"{struct.__name__}: {error}") from error

    return check


def _check(annotation: Any) -> Check:
    """A function that validates a value against a type annotation and converts enums and nested structs."""
    if annotation in (int, float, str, bytes, bool):
        return _scalar(annotation)
    if annotation is Any:
        return _bounded
    if dataclasses.is_dataclass(annotation):
        return _struct_check(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enumeration(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        inner = _check(next(a for a in arguments if a is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is Mapping:
        return _mapping(_check(arguments[0]), _check(arguments[1]))
    raise TypeError(f"no rule for {annotation!r} in a message")


def _scalar(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise ProtocolError(f"expected {kind.__name__}, got {type(value).__name__}")

    return check


def _enumeration(kind: type[Enum]) -> Check:
    def check(value: Any) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise ProtocolError(f"not a {kind.__name__}") from None

    return check


def _mapping(key_check: Check, value_check: Check) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ProtocolError(f"expected a mapping, got {type(value).__name__}")
        return {key_check(k): value_check(v) for k, v in value.items()}

    return check


def _bounded(value: Any, depth: int = _MAX_DEPTH) -> Any:
    """Free-form data of a spec: anything that msgpack knows, up to a depth."""
    if depth == 0:
        raise ProtocolError("nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            _bounded(key, depth - 1)
            _bounded(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _bounded(item, depth - 1)
    return value


_CHECKS = {tag: _struct_check(struct) for tag, struct in TAGS.items()}
