"""Fragments: what is found again in a file that was cut anywhere."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from mpipeline.errors import SinkError
from mpipeline.sinks.fragments import find_remains, fragment, length_prefixed, mark
from mpipeline.sinks.timeline import Moment

HEAD = struct.pack(">I4s", 16, b"ftyp") + b"isomiso5"


def test_start_codes_become_lengths() -> None:
    units = [b"\x67\x01\x02", b"\x65\x00\x00\x03\x01", b"\x41\xff"]
    annex_b = b"\0\0\0\1" + units[0] + b"\0\0\1" + units[1] + b"\0\0\0\1" + units[2]
    assert length_prefixed(annex_b) == b"".join(struct.pack(">I", len(unit)) + unit for unit in units)


def test_sizes_and_data_offset_agree() -> None:
    made = fragment(3, b"DATA", ticks=1 << 40, duration=2000, key=True)
    moof_size = struct.unpack_from(">I", made)[0]
    assert made[4:8] == b"moof"
    assert made[moof_size + 4 : moof_size + 8] == b"mdat"
    trun = made.index(b"trun")
    offset = struct.unpack_from(">i", made, trun + 12)[0]
    assert made[offset:] == b"DATA"


def test_cut_anywhere_the_last_whole_mark_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    moments = [Moment(n, n * 2000, 0.5) for n in (1, 2, 5)]
    parts = [fragment(n, b"x" * n, m.ticks, 2000, n == 0) + mark("gäte", m) for n, m in enumerate(moments)]
    whole = HEAD + b"".join(parts)
    ends = [len(HEAD) + sum(map(len, parts[: n + 1])) for n in range(3)]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        remains = find_remains(path)
        count = sum(end <= size for end in ends)
        if count == 0:
            assert remains is None
            continue
        assert remains is not None
        assert (remains.source, remains.last, remains.end) == ("gäte", moments[count - 1], ends[count - 1])
        assert not remains.finished


def test_a_mark_without_fragments_is_a_finished_file(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    large = struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234"
    path.write_bytes(HEAD + large + mark("gate", Moment(9, 5, math.nan)))
    remains = find_remains(path)
    assert remains is not None
    assert remains.finished
    assert remains.last.frame_id == 9
    assert math.isnan(remains.last.zero_pts)


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 64, b"hello, world, hello, world", b"\xff" * 40, HEAD])
def test_strangers_have_no_remains(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert find_remains(path) is None


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot read"):
        find_remains(tmp_path)
