"""The filter of a sink: which frames it gets, and what of them; the same when a write is tried again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.findings import multi_label, single_label, with_keypoints, with_masks
from support.predictions import failure, meta

from mpipeline.config.schema import FilterSpec, SinkSpec
from mpipeline.errors import ConfigError
from mpipeline.prediction import Detections, Prediction
from mpipeline.workers.filtering import Filter


def made(**keys: Any) -> Filter:
    return Filter(FilterSpec.from_mapping(keys))


def seen(frame_id: int, *found: tuple[str, int, float], source: str = "a") -> Prediction:
    """A frame with these classes, class numbers and scores."""
    count = len(found)
    return Prediction(
        meta(source, frame_id),
        Detections(
            np.arange(4 * count, dtype=np.float32).reshape(count, 4),
            np.array([score for _, _, score in found], np.float32),
            np.array([number for _, number, _ in found], np.int32),
            tuple(name for name, _, _ in found),
        ),
    )


def passed(filter: Filter, *predictions: Prediction) -> list[int]:
    """The frame ids of those that it lets through, each of them written at once."""
    ids = []
    for each in predictions:
        left = filter.thinned(each)
        if left is not None:
            filter.passed(left)
            ids.append(left.frame.frame_id)
    return ids


PERSON, CAR, DOUBT = ("person", 0, 0.9), ("car", 2, 0.8), ("person", 0, 0.3)


@pytest.mark.parametrize("wanted", [["person"], [0], ["person", "never heard of"]])
def test_classes_by_name_or_number(wanted: list[Any]) -> None:
    left = made(classes=wanted).thinned(seen(1, CAR, PERSON, DOUBT))
    assert left is not None
    assert left.detections is not None
    assert left.detections.class_name == ("person", "person")
    assert left.detections.xyxy.tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]


def test_what_is_left_keeps_its_ids() -> None:
    whole = seen(1, CAR, PERSON, DOUBT)
    left = made(classes=["person"], confidence=0.5).thinned(whole)
    assert left is not None
    assert left.records() == [whole.records()[1]]
    again = made(confidence=0.5).thinned(left)
    assert again is not None
    assert again.records() == left.records()


def test_frames_of_which_nothing_is_left_are_left_out() -> None:
    frames = seen(1, PERSON), seen(2, CAR), seen(3), seen(4, DOUBT), seen(5, CAR, PERSON)
    assert passed(made(classes=["person"]), *frames) == [1, 4, 5]
    assert passed(made(confidence=0.8), *frames) == [1, 2, 5]
    assert passed(made(classes=["person"], confidence=0.5), *frames) == [1, 5]
    assert passed(made(), *frames) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("score", [0.1, 0.7, 0.9])
def test_a_score_of_just_the_confidence_is_enough(score: float) -> None:
    assert passed(made(confidence=score), seen(1, ("x", 0, score))) == [1]


def test_a_frame_that_failed_is_no_empty_one() -> None:
    assert passed(made(classes=["person"]), failure(meta("a", 1)), seen(2)) == [1]
    assert passed(made(every=2), failure(meta("a", 1)), failure(meta("a", 2))) == [1]


def test_every_nth_of_each_source() -> None:
    filter = made(every=3)
    assert passed(filter, *(seen(n) for n in range(1, 11))) == [1, 4, 7, 10]
    assert passed(filter, *(seen(n, source="b") for n in range(1, 5))) == [1, 4]


def test_of_every_n_frames_the_first_that_is_there_and_has_something_left() -> None:
    """A live stream drops frames; with all that are there of odd numbers, a plain remainder might pass none."""
    assert passed(made(every=4), *(seen(n) for n in (2, 4, 6, 8, 10, 16, 17))) == [2, 6, 10, 16, 17]
    frames = [seen(n, *([PERSON] if n in (3, 4, 6, 9) else [])) for n in range(1, 13)]
    assert passed(made(every=4, classes=["person"]), *frames) == [3, 6, 9]


def test_on_change_only_when_other_classes_or_another_number_of_them_are_seen() -> None:
    frames = [
        seen(1),
        seen(2),
        seen(3, PERSON),
        seen(4, ("person", 0, 0.5)),
        seen(5, PERSON, CAR),
        seen(6, CAR, PERSON),
        seen(7, PERSON, PERSON),
        failure(meta("a", 8)),
        failure(meta("a", 9)),
        seen(10, PERSON, PERSON),
        seen(11),
    ]
    assert passed(made(on_change=True), *frames) == [1, 3, 5, 7, 8, 10, 11]
    assert passed(made(on_change=True, classes=["car"]), *frames) == [1, 5, 7, 8, 10]
    assert passed(made(on_change=True, every=5), *frames) == [1, 6, 11]


def test_sources_change_apart() -> None:
    filter = made(on_change=True)
    assert passed(filter, seen(1, PERSON), seen(1, PERSON, source="b"), seen(2, PERSON), seen(2, source="b")) == [
        1,
        1,
        2,
    ]


def test_what_was_not_written_is_judged_again_and_alike() -> None:
    filter = made(on_change=True, every=2)
    assert filter.thinned(seen(1, PERSON)) is not None
    assert passed(filter, seen(1, PERSON), seen(2), seen(3)) == [1, 3]


def test_a_successor_knows_by_what_is_written_whose_turn_it_was() -> None:
    filter = made(every=5)
    filter.begin({"a": 7})
    assert passed(filter, *(seen(n) for n in range(9, 17))) == [11, 16]
    assert passed(filter, seen(9, source="b")) == [9]


def test_masks_and_key_points_go_with_their_detections() -> None:
    masked = Prediction.of(meta(size=(128, 96)), with_masks(128, 96))
    assert masked.detections is not None
    name = masked.detections.class_name[-1]
    left = made(classes=[name]).thinned(masked)
    assert left is not None
    assert left.records() == [row for row in masked.records() if row["class"] == name]
    pointed = Prediction.of(meta(), with_keypoints())
    assert made(confidence=0.01).thinned(pointed) is pointed


def test_classes_of_whole_frames() -> None:
    one = Prediction.of(meta(), single_label())
    left = made(classes=["dog"]).thinned(one)
    assert left is not None
    assert (left.fields()["top"], len(left.records())) == ("dog", 1)
    assert made(confidence=0.9).thinned(one) is None
    many = Prediction.of(meta(), multi_label())
    assert made(classes=["cold"]).thinned(many) is None  # it is told, and not there
    left = made(classes=["wet", "cold"]).thinned(many)
    assert left is not None
    assert left.fields()["predicted_classes"] == ["wet"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"classes": []}, "filter.classes"),
        ({"classes": "person"}, "filter.classes"),
        ({"confidence": 2}, "filter.confidence"),
        ({"every": 0}, "filter.every"),
        ({"on_change": "person"}, "filter.on_change"),
        ({"clases": ["person"]}, "filter.clases.*did you mean 'classes'"),
        ("person", "filter"),
    ],
)
def test_nonsense_is_told_with_its_key(keys: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SinkSpec.from_mapping({"kind": "jsonl", "path": "out.jsonl", "filter": keys})


def test_a_config_keeps_its_filter_on_its_way_to_the_worker() -> None:
    spec = SinkSpec.from_mapping({"kind": "jsonl", "path": "x", "filter": {"classes": ["person", 2], "every": 3}})
    assert SinkSpec.from_mapping(spec.to_mapping()) == spec
    assert SinkSpec.from_mapping({"kind": "jsonl", "path": "x", "filter": None}).filter is None
