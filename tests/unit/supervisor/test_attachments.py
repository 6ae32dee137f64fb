"""Attached programs and their reader bits."""

from __future__ import annotations

import os

import pytest

from mpipeline.errors import MpipelineError, RunExists
from mpipeline.messages import Hello, Role
from mpipeline.supervisor.attachments import Attachment, Attachments
from mpipeline.supervisor.plan import ModelPlan

ONLY = ModelPlan("", "inference", 0, ("a",))
PEOPLE = ModelPlan("people", "inference:people", 0, ("a", "b"))
FACES = ModelPlan("faces", "inference:faces", 1, ("b",))


def hello(name: str, frames: bool = True, pid: int | None = None, models: tuple[str, ...] = ()) -> Hello:
    number = os.getpid() if pid is None else pid
    return Hello(Role.ATTACHED, name, 1, number, wants_frames=frames, models=models)


def bits(attachment: Attachment) -> list[int]:
    return [feed.bit for feed in attachment.feeds]


def test_bits_from_the_top_down_to_those_of_the_sinks() -> None:
    made = Attachments([ONLY], reserved_bits=12)
    assert [bits(made.add(hello(name), name)) for name in "abc"] == [[14], [13], [12]]
    with pytest.raises(RunExists, match="15 readers"):
        made.add(hello("d"), "d")
    assert bits(made.add(hello("e", frames=False), "e")) == [-1]
    for one in made.present():
        made.remove(one)


def test_a_bit_is_used_again_when_its_program_has_gone() -> None:
    made = Attachments([ONLY], reserved_bits=13)
    one, two = made.add(hello("a"), "a"), made.add(hello("b"), "b")
    made.remove(one)
    made.remove(one)
    assert bits(made.add(hello("c"), "c")) == bits(one)
    assert made.by_identity("a") is None
    assert made.by_identity("b") == two
    for each in made.present():
        made.remove(each)


def test_a_name_is_taken_once() -> None:
    made = Attachments([ONLY], reserved_bits=1)
    one = made.add(hello("a"), "a#1")
    with pytest.raises(RunExists, match="'a' is attached already"):
        made.add(hello("a"), "a#2")
    made.remove(one)


def test_a_program_that_is_gone_already() -> None:
    made = Attachments([ONLY], reserved_bits=1)
    with pytest.raises(MpipelineError, match="attach from the same machine"):
        made.add(hello("a", pid=2**22 - 3), "a")
    assert made.present() == []


def test_of_several_models_all_or_those_that_are_named_each_with_a_bit() -> None:
    made = Attachments([PEOPLE, FACES], reserved_bits=11)
    both, one = made.add(hello("a"), "a"), made.add(hello("b", models=("faces", "faces")), "b")
    assert [(feed.model, feed.sources, feed.bit) for feed in both.feeds] == [
        ("people", ("a", "b"), 14),
        ("faces", ("b",), 13),
    ]
    assert [(feed.model, feed.bit) for feed in one.feeds] == [("faces", 12)]
    assert (one.reads("a"), one.reads("b"), both.reads("a")) == (False, True, True)
    with pytest.raises(RunExists, match="15 readers"):
        made.add(hello("c"), "c")
    with pytest.raises(MpipelineError, match="no model 'face'; did you mean 'faces'"):
        made.add(hello("d", models=("face",)), "d")
    assert both.listener("inference:people").repeats_ends  # type: ignore[union-attr]
    assert one.listener("inference:people") is None
    assert one.listener("inference:faces").repeats_ends is False  # type: ignore[union-attr]
    for each in made.present():
        made.remove(each)


def test_a_run_with_one_model_has_no_name_for_it() -> None:
    with pytest.raises(MpipelineError, match="no model 'people'; its only model has no name"):
        Attachments([ONLY], reserved_bits=2).add(hello("a", models=("people",)), "a")
