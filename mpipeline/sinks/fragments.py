"""MP4 that survives a crash after every frame: each frame is a fragment of its own, with a mark behind it.

A fragment is `moof` + `mdat` (ISO/IEC 14496-12, 8.8), the mark a `uuid` box that players skip: which frame of which
source this was. All three go to the file in one write. What stands before a whole mark is written for good; what comes
behind the last one is half-written and is cut off. A finished file has one mark at its end, and so has one that was
made to grow again: it is put in place as a whole, and only the fragments that follow have marks of their own.
"""

from __future__ import annotations

import os
import re
import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

from mpipeline.sinks.paths import file_error
from mpipeline.sinks.timeline import Moment

_MARK = uuid.UUID("2f1c2a52-9b0f-4c8e-8a53-6d70697065f1").bytes
_MARK_HEAD = struct.Struct(">QQd")  # frame id, ticks, pts of tick 0
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_KEY_SAMPLE, _OTHER_SAMPLE = 0x0200_0000, 0x0101_0000  # depends on no other | depends on others, is no sync sample


@dataclass(frozen=True, slots=True)
class Remains:
    """What was found in a file: the last mark, where it ends, how many fragments stand before it."""

    source: str
    last: Moment
    end: int
    fragments: int

    @property
    def finished(self) -> bool:
        """Whether the file was completed: it is an ordinary MP4, to which no fragment can be added."""
        return self.fragments == 0


def fragment(number: int, data: bytes, ticks: int, duration: int, key: bool) -> bytes:
    """`moof` and `mdat` with one sample of track 1; `number` counts from 1."""
    traf_head = _box(b"tfhd", struct.pack(">II", 0x02_0000, 1)) + _box(b"tfdt", struct.pack(">IQ", 1 << 24, ticks))
    offset = 8 + 16 + 8 + len(traf_head) + 32 + 8  # moof, mfhd, traf, its head, trun, mdat: where the data begins
    flags = _KEY_SAMPLE if key else _OTHER_SAMPLE
    trun = _box(b"trun", struct.pack(">IIIIII", 0x0000_0701, 1, offset, duration, len(data), flags))
    moof = _box(b"moof", _box(b"mfhd", struct.pack(">II", 0, number)) + _box(b"traf", traf_head + trun))
    return moof + _box(b"mdat", data)


def mark(source: str, moment: Moment) -> bytes:
    """The box that says: everything up to here is written for good."""
    return _box(b"uuid", _MARK + _MARK_HEAD.pack(moment.frame_id, moment.ticks, moment.zero_pts) + source.encode())


def length_prefixed(annex_b: bytes) -> bytes:
    """H.264 with start codes (ITU-T H.264, Annex B) as MP4 wants it: each unit behind its length in 4 bytes."""
    units = [unit for unit in _START_CODE.split(annex_b) if unit]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def find_remains(path: Path) -> Remains | None:
    """Walks over the boxes of a file; None if there is none, or if it has no mark of ours in it, whatever it is."""
    found: Remains | None = None
    fragments = 0
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            position = 0
            while (box := _read_box(file.fileno(), position, size)) is not None:
                kind, head, end = box
                fragments += kind == b"moof"
                if kind == b"uuid":
                    content = os.pread(file.fileno(), end - position - head, position + head)
                    found = _read_mark(content, end, fragments) or found
                position = end
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error("read", path, error) from error
    return found


def _read_box(descriptor: int, position: int, size: int) -> tuple[bytes, int, int] | None:
    """Kind, length of the head, and end of the box at `position`; None if no whole box is there."""
    head = os.pread(descriptor, 16, position)
    if len(head) < 8:
        return None
    length, kind = struct.unpack_from(">I4s", head)
    head_length = 8
    if length == 1 and len(head) == 16:
        length, head_length = struct.unpack_from(">Q", head, 8)[0], 16
    if length < head_length or position + length > size:
        return None
    return kind, head_length, position + length


def _read_mark(content: bytes, end: int, fragments: int) -> Remains | None:
    begin = len(_MARK) + _MARK_HEAD.size
    if not content.startswith(_MARK) or len(content) < begin:
        return None
    frame_id, ticks, zero_pts = _MARK_HEAD.unpack_from(content, len(_MARK))
    source = content[begin:].decode(errors="replace")
    return Remains(source, Moment(frame_id, ticks, zero_pts), end, fragments)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
