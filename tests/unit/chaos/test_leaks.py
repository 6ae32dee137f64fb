"""Leaks: what a run has left is found, and what belongs to others is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpipeline.chaos.leaks import Leaks, mapped_segments
from mpipeline.frame import FrameFormat, PixelFormat
from mpipeline.ring.inspection import slot_use
from mpipeline.ring.segment import OwnedRing, create_ring
from mpipeline.ring.writer import RingWriter

FORMAT = FrameFormat(PixelFormat.GRAY8, 16, 16)


@pytest.fixture
def ring() -> Iterator[OwnedRing]:
    made = create_ring(f"leak{os.getpid()}", "a", 0, FORMAT, 4)
    yield made
    made.close()


def leaks(folder: Path) -> Leaks:
    return Leaks("ipc:///nobody/control.sock", folder / "run")


def test_an_orderly_run_leaves_nothing(tmp_path: Path) -> None:
    watch = leaks(tmp_path)
    made = create_ring(f"tidy{os.getpid()}", "a", 0, FORMAT, 4)
    watch.look_at_slots(every_frame=True)
    made.close()
    assert not any(watch.found().values())


def test_segments_of_others_are_none_of_its_business(tmp_path: Path, ring: OwnedRing) -> None:
    watch = leaks(tmp_path)
    watch.look()
    assert watch.found()["segments"] == []


def test_a_segment_that_stays_is_found(tmp_path: Path) -> None:
    watch = leaks(tmp_path)
    made = create_ring(f"stay{os.getpid()}", "a", 0, FORMAT, 4)
    watch.look()
    try:
        assert [text for text in watch.found()["segments"] if made.descriptor.segment in text]
        assert watch.found()["descriptors"]
    finally:
        made.close()
    assert made.descriptor.segment not in mapped_segments()


def test_files_of_the_run_are_found(tmp_path: Path) -> None:
    watch = leaks(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "control.sock").touch()
    (tmp_path / "run.lock").touch()
    assert len(watch.found()["files"]) == 3


def test_slots_in_use_are_seen_from_outside(ring: OwnedRing) -> None:
    use = slot_use(ring.descriptor.segment)
    assert (use.slots, use.pending, use.held, use.reserved) == (4, 0, 0, 0)
    with pytest.raises(FileNotFoundError):
        slot_use("mp-nobody-0")


def test_slots_that_somebody_still_has_are_found(tmp_path: Path) -> None:
    watch = leaks(tmp_path)
    made = create_ring(f"held{os.getpid()}", "a", 0, FORMAT, 4)
    writer = RingWriter(made.descriptor, reuse=False)
    try:
        assert writer.reserve(0.0) is not None
        watch.look_at_slots(every_frame=False)
        assert watch.found()["slots"] == [f"1 of 4 slots of {made.descriptor.segment} reserved"]
    finally:
        writer.close()
        made.close()
