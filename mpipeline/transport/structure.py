"""Looks over the msgpack of a long message before anything is made of it: how many values, how deep, all of them there.

msgpack takes memory for every array and map as it is announced, level by level: some kilobytes of nested headers would
become half a gigabyte. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from mpipeline.errors import ProtocolError

MOST_DEPTH = 20
MOST_VALUES = 1 << 17

# First byte → bytes of the value that follow. Arrays, maps, texts and byte strings bear a length instead.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, **dict(zip(range(0xCC, 0xD4), (1, 2, 4, 8) * 2, strict=True))}
_STRINGS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # → bytes of the length
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}


def check_structure(data: bytes | memoryview) -> None:
    """Raises ProtocolError unless `data` is one msgpack value within the limits, without extension types."""
    open_levels = [1]  # values still to come on each level
    values, position, end = 0, 0, len(data)
    while open_levels:
        if open_levels[-1] == 0:
            open_levels.pop()
            continue
        open_levels[-1] -= 1
        values += 1
        if position >= end or values > MOST_VALUES:
            raise ProtocolError("cut off" if position >= end else f"more than {MOST_VALUES} values")
        position, inner = _step(data, position)
        if inner:
            if inner > end - position or len(open_levels) > MOST_DEPTH:
                raise ProtocolError("announces more than there is" if inner > end - position else "nested too deeply")
            open_levels.append(inner)
    if position != end:
        raise ProtocolError("cut off, or followed by something else")


def _step(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Where the value at `position` ends, or its first inner value begins, and how many inner values it has."""
    first = data[position]
    position += 1
    if first <= 0x7F or first >= 0xE0:
        return position, 0
    if first <= 0x8F:
        return position, 2 * (first & 0x0F)
    if first <= 0x9F:
        return position, first & 0x0F
    if first <= 0xBF:
        return position + (first & 0x1F), 0
    if first in _FIXED:
        return position + _FIXED[first], 0
    for kinds in (_STRINGS, _ARRAYS, _MAPS):
        if first in kinds:
            begin = position + kinds[first]
            length = int.from_bytes(data[position:begin], "big")
            if kinds is _STRINGS:
                return begin + length, 0
            return begin, length if kinds is _ARRAYS else 2 * length
    raise ProtocolError("a value of unknown type")
