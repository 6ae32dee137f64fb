"""Sources that are code of the user's: what is asked of a producer, and what becomes of its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.media import frame_number
from support.producers import Clip

from mpipeline.errors import Reason, SourceError
from mpipeline.frame import PixelFormat, plane_views
from mpipeline.sources.callable import CallableOptions, CallableSource


def source_of(clip: Any, **options: Any) -> CallableSource:
    return CallableSource("cam", CallableOptions(**options), make=lambda: clip)


def pictures(source: CallableSource) -> list[int | None]:
    """The numbers of all pictures."""
    found = []
    while (grabbed := source.grab()) is not None:
        planes = plane_views(grabbed.format, np.zeros(grabbed.format.payload_bytes(), np.uint8))
        source.retrieve(planes)
        found.append(frame_number(planes[0].reshape(grabbed.format.height, grabbed.format.width, -1)[:, :, 0]))
    return found


def pictures_of_opened(source: CallableSource) -> list[int | None]:
    source.open()
    return pictures(source)


@pytest.mark.parametrize("knows_size", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_comes_once(knows_size: bool, channels: int) -> None:
    clip = Clip(10, knows_size=knows_size, channels=channels)
    source = source_of(clip)
    info = source.open()
    assert (info.width, info.height, info.rate, info.frame_count, info.live) == (160, 96, 15.0, 10, False)
    assert pictures(source) == list(range(10))
    source.close()
    source.close()
    assert clip.released == 1


def test_formats() -> None:
    for channels, expected in ((1, PixelFormat.GRAY8), (3, PixelFormat.BGR24)):
        source = source_of(Clip(channels=channels))
        source.open()
        grabbed = source.grab()
        assert grabbed is not None
        assert grabbed.format.pixel_format is expected


def test_a_live_one_has_no_times_of_its_own_and_may_end_for_good() -> None:
    source = source_of(Clip(is_file=False, is_reconnectable=False))
    info = source.open()
    grabbed = source.grab()
    assert grabbed is not None
    assert (info.live, info.ends, info.frame_count, grabbed.pts) == (True, True, 0, None)
    assert not source_of(Clip(is_file=False)).open().ends


def test_settings_are_passed_on_before_anything_is_asked() -> None:
    clip = Clip()
    assert source_of(clip, properties={"count": 3, "gain": 2}).open().frame_count == 3
    assert clip.settings == {"count": 3, "gain": 2}


def test_one_that_is_not_open_is_tried_again_and_says_why() -> None:
    with pytest.raises(SourceError, match="not open: the cable is out") as caught:
        source_of(Clip(is_open=False)).open()
    assert (caught.value.reason, caught.value.retryable) == (Reason.UNREACHABLE, True)


def test_what_its_code_raises_ends_the_source() -> None:
    source = source_of(Clip(fails_at=2))
    source.open()
    source.grab()
    with pytest.raises(SourceError, match=r"grab\(\) of its producer raised OSError: the lens is dirty") as caught:
        source.grab()
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8), "picture"]
)
def test_pictures_that_are_none_are_refused(image: Any) -> None:
    clip = Clip()
    clip.retrieve = lambda: (True, image)  # type: ignore[method-assign]
    source = source_of(clip)
    source.open()
    with pytest.raises(SourceError, match=r"expected \(height, width, 3\) uint8"):
        source.grab()


def test_a_picture_that_did_not_come_is_counted_and_the_next_one_taken() -> None:
    clip = Clip(5)
    whole = clip.retrieve
    clip.retrieve = lambda: (False, None) if clip.number == 2 else whole()  # type: ignore[assignment,method-assign,return-value]
    source = source_of(clip)
    source.open()
    assert pictures(source) == [0, 2, 3, 4]
    assert source.decode_errors == 1


def test_without_a_target_there_is_nothing_to_call() -> None:
    with pytest.raises(SourceError, match="module:function"):
        CallableSource("cam", CallableOptions()).open()


def test_what_is_no_producer_is_refused_with_what_it_lacks() -> None:
    class Half:
        def isOpened(self) -> bool:
            return True

    for producer, words in ((None, "NoneType: it lacks isOpened, grab"), (Half(), "Half: it lacks grab, retrieve")):
        with pytest.raises(SourceError, match=words) as caught:
            source_of(producer).open()
        assert not caught.value.retryable


@pytest.mark.parametrize(
    ("verb", "answer", "words"),
    [
        ("retrieve", None, r"retrieve\(\) of its producer raised TypeError"),
        ("retrieve", (True,), r"retrieve\(\) of its producer raised ValueError"),
        ("retrieve", (True, [[1], [1, 2]]), r"retrieve\(\) of its producer raised ValueError"),
        ("retrieve", (True, "picture"), "expected .height, width, 3. uint8"),
        ("discover_source_properties", None, r"discover_source_properties\(\) of its producer raised AttributeError"),
    ],
)
def test_answers_that_make_no_sense_end_the_source_with_the_reason(verb: str, answer: Any, words: str) -> None:
    clip = Clip()
    setattr(clip, verb, lambda: answer)
    source = source_of(clip)
    with pytest.raises(SourceError, match=words) as caught:
        pictures_of_opened(source)
    assert not caught.value.retryable
