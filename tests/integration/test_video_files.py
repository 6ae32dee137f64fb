"""Files of every codec and container that the tests can make: each frame once, in order, with its own time."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import media
from support.media import VideoSpec
from support.reading import opened, read

from mpipeline.frame import PixelFormat

SPECS = {
    "h264": VideoSpec(),
    "h264_b_frames": VideoSpec(b_frames=3, options=(("preset", "veryfast"), ("bf", "3"), ("b-adapt", "0"))),
    "h265": VideoSpec(codec="libx265"),
    "h265_10_bit": VideoSpec(codec="libx265", pix_fmt="yuv420p10le"),
    "vp9": VideoSpec(suffix=".webm", codec="libvpx-vp9"),
    "av1": VideoSpec(codec="libsvtav1"),
    "mjpeg": VideoSpec(suffix=".avi", codec="mjpeg", pix_fmt="yuvj420p"),
    "mjpeg_422": VideoSpec(suffix=".avi", codec="mjpeg", pix_fmt="yuvj422p"),
    "mpeg4": VideoSpec(suffix=".avi", codec="mpeg4"),
    "transport_stream": VideoSpec(suffix=".ts"),
    "flv": VideoSpec(suffix=".flv"),
    "matroska": VideoSpec(suffix=".mkv"),
    "with_sound": VideoSpec(sound=True),
    "matroska_with_sound": VideoSpec(suffix=".mkv", sound=True),
    "variable_rate": VideoSpec(variable_rate=True),
    "one_frame": VideoSpec(frames=1),
    "444_odd": VideoSpec(pix_fmt="yuv444p", width=321, height=181),
    "odd_chroma": VideoSpec(width=322, height=182),
    "grey": VideoSpec(suffix=".mkv", codec="ffv1", pix_fmt="gray"),
    "grey_16_bit": VideoSpec(suffix=".mkv", codec="ffv1", pix_fmt="gray16le"),
    "rgb": VideoSpec(codec="libx264rgb", pix_fmt="rgb24"),
    "with_alpha": VideoSpec(suffix=".mkv", codec="ffv1", pix_fmt="yuva420p"),
    "nv12": VideoSpec(suffix=".mkv", codec="rawvideo", pix_fmt="nv12"),
    "fragmented": VideoSpec(container_options=(("movflags", "frag_keyframe+empty_moov"),)),
    "turned_left": VideoSpec(rotation=90),
    "turned_right": VideoSpec(rotation=-90),
    "upside_down": VideoSpec(rotation=180),
}


@pytest.mark.parametrize("name", SPECS)
def test_every_frame_once_in_order_with_its_time(name: str) -> None:
    spec = SPECS[name]

    reading = read(media.video(spec))

    assert reading.error is None
    assert reading.numbers == list(range(spec.frames))
    assert reading.pts == pytest.approx(spec.pts(), abs=0.002)
    assert reading.decode_errors == 0
    assert not any(frame.corrupt for frame in reading.frames)
    assert reading.frames[0].key_frame
    assert reading.info is not None
    assert not reading.info.live
    shown = (spec.width, spec.height) if spec.rotation % 180 == 0 else (spec.height, spec.width)
    assert (reading.info.width, reading.info.height) == shown
    assert {(frame.format.width, frame.format.height) for frame in reading.frames} == {shown}


@pytest.mark.parametrize(
    ("name", "pixel_format", "full_range"),
    [
        ("h264", PixelFormat.I420, False),
        ("h265_10_bit", PixelFormat.I420, False),
        ("444_odd", PixelFormat.I420, False),
        ("mjpeg", PixelFormat.I420, True),
        ("mjpeg_422", PixelFormat.I420, True),
        ("with_alpha", PixelFormat.I420, False),
        ("nv12", PixelFormat.NV12, False),
        ("grey", PixelFormat.GRAY8, True),
        ("grey_16_bit", PixelFormat.GRAY8, True),
        ("rgb", PixelFormat.BGR24, True),
    ],
)
def test_pixels_stay_in_the_decoders_format_where_there_is_one(
    name: str, pixel_format: PixelFormat, full_range: bool
) -> None:
    with opened(media.video(SPECS[name])) as (source, _):
        grabbed = source.grab()

    assert grabbed is not None
    assert (grabbed.format.pixel_format, grabbed.format.full_range) == (pixel_format, full_range)


def test_b_frames_are_really_there() -> None:
    import av

    with av.open(str(media.video(SPECS["h264_b_frames"]))) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]

    assert av.video.frame.PictureType.B in kinds


def test_raw_streams_have_no_invented_times() -> None:
    reading = read(media.video(VideoSpec(suffix=".h264")))

    assert reading.numbers == list(range(30))
    assert set(reading.pts) == {None}


def test_capture_times_never_go_back() -> None:
    frames = read(media.video()).frames

    assert [frame.captured_ns for frame in frames] == sorted(frame.captured_ns for frame in frames)
    assert all(frame.wall_ns > 1_600_000_000 * 10**9 for frame in frames)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    assert read(media.video(SPECS["h264_b_frames"]), threads=threads).numbers == list(range(30))


class TestStart:
    @pytest.mark.parametrize("name", ["h264", "h264_b_frames", "vp9", "transport_stream", "matroska", "mpeg4"])
    @pytest.mark.parametrize("first", [3, 10, 17, 29])
    def test_begins_at_the_exact_frame(self, name: str, first: int) -> None:
        reading = read(media.video(SPECS[name]), start=first / 15)

        assert reading.numbers == list(range(first, 30))
        assert reading.pts[0] == pytest.approx(first / 15, abs=0.002)
        assert reading.error is None

    def test_between_two_frames_the_later_is_first(self) -> None:
        assert read(media.video(), start=16.5 / 15).numbers[0] == 17

    def test_beyond_the_end_there_is_an_error(self) -> None:
        reading = read(media.video(), start=100.0)

        assert reading.frames == []
        assert reading.error is not None
        assert "start" in str(reading.error)

    def test_without_time_stamps_there_is_an_error(self) -> None:
        error = read(media.video(VideoSpec(suffix=".h264")), start=1.0).error

        assert error is not None
        assert "start" in str(error)
        assert not error.retryable


class TestLoop:
    @pytest.mark.parametrize("name", ["h264_b_frames", "transport_stream", "mjpeg"])
    def test_goes_round_with_times_that_go_on(self, name: str) -> None:
        reading = read(media.video(SPECS[name]), loop=True, limit=75)

        assert reading.numbers == [n % 30 for n in range(75)]
        gaps = [after - before for before, after in zip(reading.pts, reading.pts[1:], strict=False)]  # type: ignore[operator]
        assert gaps == pytest.approx([1 / 15] * 74, abs=0.003)

    def test_together_with_start(self) -> None:
        reading = read(media.video(), loop=True, start=20 / 15, limit=25)

        assert reading.numbers == [*range(20, 30), *range(20, 30), *range(20, 25)]

    def test_of_a_raw_stream(self) -> None:
        reading = read(media.video(VideoSpec(suffix=".h264")), loop=True, limit=40)

        assert reading.numbers == [n % 30 for n in range(40)]


def test_a_change_of_size_shows_in_the_format() -> None:
    small = media.video(VideoSpec(suffix=".ts"))
    large = media.video(VideoSpec(suffix=".ts", width=640, height=360, first=30))
    both = media.derived(small, "grows", small.read_bytes() + large.read_bytes())

    reading = read(both)

    assert reading.numbers == list(range(60))
    assert [frame.format.width for frame in reading.frames] == [320] * 30 + [640] * 30


def test_an_edit_list_that_hides_frames_is_a_good_end() -> None:
    whole = media.video(VideoSpec(frames=60))

    reading = read(media.shortened_by_edit_list(whole, 0.5))

    assert reading.error is None
    assert reading.numbers == list(range(30))


def test_metadata_in_a_foreign_encoding_does_no_harm(tmp_path: Path) -> None:
    import av

    path = tmp_path / "titled.mp4"
    with av.open(str(media.video())) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "marker-title"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"marker-title", b"caf\xe9-in-latin1"[:12]))

    assert len(read(path).frames) == 30


@pytest.mark.parametrize(
    "name", ["a b.mp4", "50%.mp4", "%03d.mp4", "http:x.mp4", "ünïcode 東京.mp4", "-i.mp4", "#1.mp4"]
)
def test_odd_file_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_bytes(media.video().read_bytes())
    monkeypatch.chdir(tmp_path)

    assert len(read(name).frames) == 30
    assert len(read(tmp_path / name).frames) == 30
