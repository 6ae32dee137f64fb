"""The kind of a source that an address stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.errors import ConfigError
from mpipeline.sources.selection import is_pipeline, kind_of


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("shop.mp4", "video"),
        ("/videos/shop.mp4", "video"),
        ("rtsp://host/gate", "video"),
        ("https://host/a.m3u8", "video"),
        ("udp://239.0.0.1:1234", "video"),
        ("2024.mp4", "video"),
        ("synthetic.mp4", "video"),
        ("synthetic", "synthetic"),
        ("synthetic:", "synthetic"),
        ("0", "device"),
        (" 1 ", "device"),
        ("/dev/video0", "device"),
        ("/dev/v4l/by-id/usb-Maker_Webcam-video-index0", "device"),
        ("/dev/front-door", "device"),
        ("-1", "device"),
        ("/dev/shm/shop.mp4", "video"),
        ("/dev/stdin", "video"),
        ("/devices/shop.mp4", "video"),
    ],
)
def test_the_kind_follows_from_the_address(uri: str, kind: str) -> None:
    assert kind_of(uri) == kind


def test_folders_patterns_of_pictures_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    (tmp_path / "odd[1].png").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\na.mp4\n")
    (tmp_path / "hls.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n")
    for uri, kind in (
        ("shots", "images"),
        ("shots/", "images"),
        ("shots/*.png", "images"),
        ("**/?.JPG", "images"),
        ("shots/*.mp4", "video"),
        ("odd[1].png", "video"),
        ("http://host/picture?.jpg", "video"),
        ("list.m3u8", "playlist"),
        ("hls.m3u8", "video"),
        ("none.m3u", "video"),
        ("a\0*.png", "images"),
    ):
        assert kind_of(uri) == kind, uri


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty"):
        kind_of("  ")


def test_a_pipeline_has_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="`gstreamer` in place of `uri`"):
        kind_of("videotestsrc ! appsink")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yes ! no.mp4").touch()
    assert kind_of("yes ! no.mp4") == "video"
    assert [is_pipeline(text) for text in ("yes ! no.mp4", "a ! b\0", "a!b", "x" * 5000 + " ! y")] == [
        False,
        True,
        False,
        True,
    ]
    assert is_pipeline("uridecodebin uri=rtsp://host/x")
    assert not is_pipeline("rtsp://host/x?a=b c")
