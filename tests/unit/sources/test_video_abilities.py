"""What FFmpeg says that it can do here."""

from __future__ import annotations

from mpipeline.sources.video_abilities import abilities


def test_the_codecs_of_cameras_and_files() -> None:
    found = abilities()
    assert {"h264", "hevc", "mjpeg"} <= set(found.decoders)
    assert not set(found.decoders) & set(found.missing_decoders)
    assert found.encoder == "libx264"
    assert all(isinstance(reason, str) for _, reason in found.hardware)
    assert "PyAV" in found.version
