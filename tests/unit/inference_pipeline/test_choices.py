"""Words for arguments: what is accepted, and what is said to a wrong one."""

from __future__ import annotations

from enum import Enum

import pytest

from mpipeline.errors import ConfigError, InvalidArgument
from mpipeline.inference_pipeline.choices import (
    BufferConsumptionStrategy,
    BufferFillingStrategy,
    SinkMode,
    StreamState,
    UpdateSeverity,
    VideoProcessingMode,
    as_enum,
)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (SinkMode, ["adaptive", "batch", "sequential"]),
        (VideoProcessingMode, ["auto", "every_frame", "freshest", "legacy"]),
        (BufferConsumptionStrategy, ["LAZY", "EAGER"]),
        (
            BufferFillingStrategy,
            ["WAIT", "DROP_OLDEST", "ADAPTIVE_DROP_OLDEST", "DROP_LATEST", "ADAPTIVE_DROP_LATEST"],
        ),
        (UpdateSeverity, [10, 20, 30, 40]),
    ],
)
def test_the_values_are_those_of_the_interface(kind: type[Enum], values: list[object]) -> None:
    assert [member.value for member in kind] == values


def test_2_2_there_are_nine_states() -> None:
    states = "NOT_STARTED INITIALISING RESTARTING RUNNING PAUSED MUTED TERMINATING ENDED ERROR"
    assert [state.name for state in StreamState] == states.split()


@pytest.mark.parametrize("given", [SinkMode.BATCH, "batch", "BATCH", "Batch", " batch "])
def test_a_member_its_value_and_its_name_are_accepted(given: SinkMode | str) -> None:
    assert as_enum(SinkMode, given, "sink_mode") is SinkMode.BATCH


def test_2_4_strategies_are_accepted_as_strings() -> None:
    assert as_enum(BufferFillingStrategy, "drop_oldest", "x") is BufferFillingStrategy.DROP_OLDEST
    assert as_enum(BufferConsumptionStrategy, "EAGER", "x") is BufferConsumptionStrategy.EAGER


@pytest.mark.parametrize("given", ["none", "NONE", "legacy"])
def test_3_5_none_is_another_word_for_legacy(given: str) -> None:
    assert as_enum(VideoProcessingMode, given, "video_processing_mode") is VideoProcessingMode.LEGACY


@pytest.mark.parametrize("given", ["bach", 3, None, 1.5, ["batch"]])
def test_another_value_is_refused_with_the_list_of_valid_ones(given: object) -> None:
    with pytest.raises(InvalidArgument, match=r"sink_mode=.*adaptive, batch, sequential") as caught:
        as_enum(SinkMode, given, "sink_mode")  # type: ignore[type-var]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ConfigError)


def test_what_was_probably_meant_is_suggested() -> None:
    with pytest.raises(InvalidArgument, match="did you mean 'batch'"):
        as_enum(SinkMode, "bach", "sink_mode")
