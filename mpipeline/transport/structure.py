"""Looks over the msgpack of a long message before anything is made of it: how many values, how deep, all of them there.

msgpack takes memory for every array and map as it is announced, level by level: some kilobytes of nested headers would
become half a gigabyte. Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from mpipeline.errors import ProtocolError

MOST_DEPTH = 20
MOST_VALUES = 1 << 17

# First byte → bytes of the whole value, for those that tell: small numbers, short texts, null, booleans, numbers.
_SIZES = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, **dict(zip(range(0xCC, 0xD4), (2, 3, 5, 9) * 2, strict=True))}
_SIZES |= dict.fromkeys((*range(128), *range(224, 256)), 1)
_SIZES |= {first: 1 + (first & 0x1F) for first in range(0xA0, 0xC0)}
# First byte → bytes of the length that follows.
_STRINGS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}


def check_structure(data: bytes | memoryview) -> None:
    """Raises ProtocolError unless `data` is one msgpack value within the limits, without extension types."""
    outer: list[int] = []  # values still to come on each level around the present one
    left, position, values = 1, 0, 1
    while left or outer:
        if left == 0:
            left = outer.pop()
            continue
        left -= 1
        if position >= len(data):
            raise ProtocolError("cut off")
        size = _SIZES.get(data[position])
        if size is not None:
            position += size
            continue
        position, inner = _open(data, position)
        values += inner
        if inner > len(data) - position:
            raise ProtocolError("announces more than there is")
        if values > MOST_VALUES or len(outer) >= MOST_DEPTH:
            raise ProtocolError("nested too deeply" if values <= MOST_VALUES else f"more than {MOST_VALUES} values")
        outer.append(left)
        left = inner
    if position != len(data):
        raise ProtocolError("cut off, or followed by something else")


def _open(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Where a long text ends, or the first inner value of an array or map begins; and how many inner values it has."""
    first = data[position]
    position += 1
    if 0x80 <= first <= 0x8F:
        return position, 2 * (first & 0x0F)
    if 0x90 <= first <= 0x9F:
        return position, first & 0x0F
    for kinds in (_STRINGS, _ARRAYS, _MAPS):
        if first in kinds:
            begin = position + kinds[first]
            length = int.from_bytes(data[position:begin], "big")
            if kinds is _STRINGS:
                return begin + length, 0
            return begin, length if kinds is _ARRAYS else 2 * length
    raise ProtocolError("a value of unknown type")
