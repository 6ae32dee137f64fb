"""Names of nameless sources and sinks."""

from __future__ import annotations

import pytest

from mpipeline.config import names


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("videos/Shop 1.mp4", "Shop-1"),
        ("/data/a.b.mp4", "a.b"),
        ("rtsp://host:554/live/gate", "gate"),
        ("rtsp://user:p@ss/w@host:554/gate?token=abc", "gate"),
        ("rtsp://user:p/w@host", "host"),
        ("rtsp://host:554/user=admin_password=secret_channel=1.sdp", "host"),
        ("rtsp://[fe80::1]:554/", "fe80-1"),
        ("0", "video0"),
        (2, "video2"),
        ("/dev/video2", "video2"),
        ("synthetic", "synthetic"),
        ("synthetic:", "synthetic"),
        ("", "tape-3"),
        ("...", "tape-3"),
        (None, "tape-3"),
        ("é.mp4", "tape-3"),
    ],
)
def test_a_source_is_named_after_its_path(uri: str | int | None, name: str) -> None:
    assert names.source_base(uri, "tape", 2) == name
    names.checked_name(name)


def test_a_long_stem_is_cut() -> None:
    assert len(names.checked_name(names.source_base("a" * 300 + ".mp4", "tape", 0))) == names.LONGEST_NAME


def test_given_names_come_first() -> None:
    assert names.unique_names([None, "a", None, ""], ["a", "b", "a", "b"]) == ["a-2", "a", "a-3", "b"]


@pytest.mark.parametrize(("stem", "name"), [("Cams of today", "cams-of-today"), ("é", "run"), ("x" * 99, "x" * 40)])
def test_a_run_is_named_after_its_file(stem: str, name: str) -> None:
    assert names.checked_run_name(names.run_name(stem)) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", ".a", "a b", "ä", "a" * 65, "a\n"])
def test_names_that_cannot_be_paths_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^expected up to"):
        names.checked_name(name)
    with pytest.raises(ValueError, match=r"^expected up to"):
        names.checked_run_name(name)


@pytest.mark.parametrize("uri", [True, -1, 10**5000, "9" * 5000], ids=["no number", "negative", "huge", "long"])
def test_a_number_that_no_camera_has_gives_no_name(uri: object) -> None:
    assert not names.source_base(uri, "tape", 2).startswith("video")
