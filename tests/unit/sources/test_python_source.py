"""Sources that are a class of the user's: what is asked of it, and what becomes of its errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.cameras import Clip
from support.reading import drain

from mpipeline.errors import Reason, SourceError
from mpipeline.frame import PixelFormat
from mpipeline.sources import python
from mpipeline.sources.python import PythonOptions, PythonSource


def source_of(target: str = "support.cameras:Clip", **options: Any) -> PythonSource:
    return PythonSource("cam", PythonOptions(target=target, options=options))


def source_around(monkeypatch: pytest.MonkeyPatch, clip: Any) -> PythonSource:
    """One whose class gives this object."""
    monkeypatch.setattr(python, "imported", lambda target: lambda: clip)
    return source_of()


@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_comes_once(channels: int) -> None:
    reading = drain(source_of(count=10, channels=channels))
    assert reading.error is None
    assert reading.numbers == list(range(10))
    assert reading.pts == [number / 15 for number in range(10)]
    expected = PixelFormat.GRAY8 if channels == 1 else PixelFormat.BGR24
    assert {frame.format.pixel_format for frame in reading.frames} == {expected}
    assert reading.info is not None
    assert (reading.info.live, reading.info.frame_count, reading.info.width, reading.info.height) == (
        False,
        10,
        160,
        96,
    )


def test_without_a_word_it_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(2)
    clip.open = lambda: None  # type: ignore[method-assign]
    reading = drain(source_around(monkeypatch, clip))
    assert reading.info is not None
    assert (reading.info.live, reading.info.ends, reading.info.width) == (True, False, 160)
    assert reading.pts == [None, None]
    assert clip.closed == 1


def test_open_and_close_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Least:
        def grab(self) -> bool:
            return True

        def retrieve(self) -> Any:
            return np.zeros((96, 160), np.uint8)

    assert len(drain(source_around(monkeypatch, Least()), limit=3).frames) == 3


def test_grab_may_tell_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip()
    times = iter([0.0, 0.5, np.float32(2), None])
    clip.grab = lambda: next(times)  # type: ignore[method-assign]
    assert drain(source_around(monkeypatch, clip)).pts == [0.0, 0.5, 2.0]


def test_a_spoilt_picture_is_counted_and_the_next_one_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(5)
    whole = clip.retrieve
    clip.retrieve = lambda: None if clip.number == 2 else whole()  # type: ignore[method-assign]
    reading = drain(source_around(monkeypatch, clip))
    assert reading.numbers == [0, 2, 3, 4]
    assert reading.decode_errors == 1


def test_one_that_gives_only_spoilt_pictures_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(1000)
    clip.retrieve = lambda: None  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="100 frames in a row") as caught:
        source_around(monkeypatch, clip).open()
    assert (caught.value.reason, caught.value.retryable) == (Reason.CORRUPT_DATA, True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("the lens is dirty"), Reason.FAILED),
        (TimeoutError("no trigger"), Reason.TIMEOUT),
        (ConnectionResetError("gone"), Reason.UNREACHABLE),
        (ZeroDivisionError("oh"), Reason.FAILED),
    ],
)
def test_what_its_code_raises_is_tried_again(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason) -> None:
    clip = Clip()

    def grab() -> bool:
        raise error

    clip.grab = grab  # type: ignore[method-assign]
    with pytest.raises(
        SourceError, match=rf"failed in grab: {type(error).__name__}: {error} \(.*:\d+ in grab\)"
    ) as caught:
        source_around(monkeypatch, clip).open()
    assert (caught.value.reason, caught.value.retryable) == (reason, True)


def test_an_error_of_ours_keeps_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip()

    def refused() -> None:
        raise SourceError("wrong password", Reason.AUTH_FAILED, retryable=False)

    clip.open = refused  # type: ignore[method-assign]
    with pytest.raises(SourceError, match="failed in open: wrong password") as caught:
        source_around(monkeypatch, clip).open()
    assert (caught.value.reason, caught.value.retryable) == (Reason.AUTH_FAILED, False)


@pytest.mark.parametrize(
    ("verb", "answer", "words"),
    [
        ("retrieve", np.zeros((4, 4, 4), np.uint8), r"array \(4, 4, 4\) of uint8; expected \(height, width, 3\)"),
        ("retrieve", np.zeros((4, 4, 3), np.float32), r"array \(4, 4, 3\) of float32"),
        ("retrieve", np.zeros((0, 4, 3), np.uint8), r"array \(0, 4, 3\) of uint8"),
        ("retrieve", "picture", r"array \(\) of <U7"),
        ("retrieve", [[1], [1, 2]], "failed in retrieve: ValueError"),
        ("grab", "yes", "grab of support.cameras:Clip returned 'yes'; expected True"),
        ("grab", float("nan"), "returned nan; expected True"),
    ],
)
def test_rubbish_is_refused_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, verb: str, answer: Any, words: str
) -> None:
    clip = Clip()
    setattr(clip, verb, lambda: answer)
    with pytest.raises(SourceError, match=words) as caught:
        source_around(monkeypatch, clip).open()
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"fps": 25}, "fps: Extra inputs.*expected nothing, or a mapping of live, ends, width"),
        ({"rate": "fast"}, "rate: Input should be a valid number"),
        (True, "returned True"),
    ],
)
def test_what_open_returns_is_checked(monkeypatch: pytest.MonkeyPatch, answer: Any, words: str) -> None:
    clip = Clip()
    clip.open = lambda: answer  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=words) as caught:
        source_around(monkeypatch, clip).open()
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("no_such_module:Camera", {}, "cannot import 'no_such_module'"),
        ("support.cameras:Clap", {}, "has no 'Clap'; did you mean 'Clip'"),
        ("support.cameras:media", {}, "is module, expected a class"),
        ("support.cameras:Clip", {"size": 3}, "its options do not fit support.cameras:Clip.*unexpected.*'size'"),
        ("support.media:VideoSpec", {}, "has no method grab and no method retrieve"),
    ],
)
def test_what_cannot_become_right_is_not_tried_again(target: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        source_of(target, **options).open()
    assert not caught.value.retryable


def test_a_module_in_the_current_folder_and_its_mistake_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_camera_with_a_mistake.py").write_text("import os\n\nos.no_such_thing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SourceError, match=r"AttributeError.*my_camera_with_a_mistake.py:3"):
        source_of("my_camera_with_a_mistake:Camera").open()


@pytest.mark.parametrize("target", ["camera", "camera:", ":Camera", "my camera:Camera", ""])
def test_what_is_no_target(target: str) -> None:
    with pytest.raises(ValidationError, match="expected 'module:Class'"):
        PythonOptions(target=target)


def test_an_error_of_close_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(1)

    def close() -> None:
        raise OSError("gone already")

    clip.close = close  # type: ignore[method-assign]
    source = source_around(monkeypatch, clip)
    source.open()
    source.close()
    source.close()
