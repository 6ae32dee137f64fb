"""Attached programs and their reader bits."""

from __future__ import annotations

import os

import pytest

from mpipeline.errors import MpipelineError, RunExists
from mpipeline.messages import Hello, Role
from mpipeline.supervisor.attachments import Attachments


def hello(name: str, frames: bool = True, pid: int | None = None) -> Hello:
    return Hello(Role.ATTACHED, name, 1, os.getpid() if pid is None else pid, wants_frames=frames)


def test_bits_from_the_top_down_to_those_of_the_sinks() -> None:
    made = Attachments(reserved_bits=12)
    assert [made.add(hello(name), name).bit for name in "abc"] == [14, 13, 12]
    with pytest.raises(RunExists, match="15 readers"):
        made.add(hello("d"), "d")
    assert made.add(hello("e", frames=False), "e").bit == -1
    for one in made.present():
        made.remove(one)


def test_a_bit_is_used_again_when_its_program_has_gone() -> None:
    made = Attachments(reserved_bits=13)
    one, two = made.add(hello("a"), "a"), made.add(hello("b"), "b")
    made.remove(one)
    made.remove(one)
    assert made.add(hello("c"), "c").bit == one.bit
    assert made.by_identity("a") is None
    assert made.by_identity("b") == two
    for each in made.present():
        made.remove(each)


def test_a_name_is_taken_once() -> None:
    made = Attachments(reserved_bits=1)
    one = made.add(hello("a"), "a#1")
    with pytest.raises(RunExists, match="'a' is attached already"):
        made.add(hello("a"), "a#2")
    made.remove(one)


def test_a_program_that_is_gone_already() -> None:
    made = Attachments(reserved_bits=1)
    with pytest.raises(MpipelineError, match="attach from the same machine"):
        made.add(hello("a", pid=2**22 - 3), "a")
    assert made.present() == []
