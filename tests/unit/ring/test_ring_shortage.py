"""A process that lacks open files or memory for a ring says so, and does not take the ring for damaged."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest
from support.shortage import open_files_left

from mpipeline.errors import RingError, RingShortage
from mpipeline.ring.reader import RingReader
from mpipeline.ring.segment import OwnedRing
from mpipeline.ring.writer import RingWriter

MakeRing = Callable[..., OwnedRing]


@pytest.mark.parametrize("count", [0, 1])  # the segment takes one, its mapping another one
def test_without_open_files_it_is_a_shortage_and_nothing_stays_open(make_ring: MakeRing, count: int) -> None:
    descriptor = make_ring().descriptor
    before = len(os.listdir("/proc/self/fd"))
    with open_files_left(count):
        for _ in range(3):
            with pytest.raises(RingShortage, match=r"just now: Too many open files; .*ulimit -n"):
                RingReader(descriptor, 0)
            with pytest.raises(RingShortage):
                RingWriter(descriptor, reuse=True)
    assert len(os.listdir("/proc/self/fd")) == before
    RingReader(descriptor, 0).close()


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENFILE, RingShortage), (errno.ENOMEM, RingShortage), (errno.EACCES, RingError)]
)
def test_what_else_may_be_lacking(
    make_ring: MakeRing, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[RingError]
) -> None:
    def fail(name: str) -> None:
        raise OSError(code, os.strerror(code))

    descriptor = make_ring().descriptor
    monkeypatch.setattr("mpipeline.ring.attachment.attach", fail)
    with pytest.raises(RingError) as caught:
        RingReader(descriptor, 0)
    assert type(caught.value) is kind
