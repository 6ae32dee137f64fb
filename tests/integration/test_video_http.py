"""Video over HTTP: a file with an end is a file, an answer without one is live; silence and refusals have reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.http_server import HttpServer
from support.media import VideoSpec
from support.reading import opened, read

from mpipeline.errors import Reason


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer(media.folder()) as running:
        yield running


@pytest.mark.parametrize(
    "spec",
    [
        VideoSpec(),
        VideoSpec(container_options=(("movflags", "faststart"),)),
        VideoSpec(suffix=".ts"),
        VideoSpec(suffix=".mkv"),
        VideoSpec(suffix=".h264"),
    ],
    ids=["mp4", "faststart", "ts", "mkv", "raw"],
)
def test_a_file_over_http_is_a_file(server: HttpServer, spec: VideoSpec) -> None:
    reading = read(server.url(media.video(spec).name))

    assert reading.error is None
    assert reading.info is not None
    assert not reading.info.live
    assert reading.numbers == list(range(30))


def test_start_and_loop_over_http(server: HttpServer) -> None:
    url = server.url(media.video().name)

    assert read(url, start=1.0).numbers == list(range(15, 30))
    assert read(url, loop=True, limit=40).numbers == [n % 30 for n in range(40)]


def test_without_ranges_a_streamable_file_still_works(server: HttpServer) -> None:
    server.ranges = False

    reading = read(server.url(media.video(VideoSpec(container_options=(("movflags", "faststart"),))).name))

    assert reading.numbers == list(range(30))


@pytest.mark.parametrize("decode", [{}, {"every": 3}, {"keyframes_only": True, "scale": 0.5}])
def test_an_endless_picture_stream_is_live(server: HttpServer, tmp_path: Path, decode: dict[str, Any]) -> None:
    import av

    picture = tmp_path / "picture.jpg"
    with av.open(str(media.video(VideoSpec(suffix=".avi", codec="mjpeg", pix_fmt="yuvj420p")))) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.size)
        picture.write_bytes(bytes(packet))
    server.folder = tmp_path
    server.endless = True

    with opened(server.url("picture.jpg"), decode=decode) as (source, info):
        frames = [source.grab() for _ in range(20)]

    assert info.live
    assert all(frame is not None for frame in frames)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.AUTH_FAILED),
        (403, Reason.AUTH_FAILED),
        (404, Reason.NOT_FOUND),
        (500, Reason.SERVER_ERROR),
        (503, Reason.SERVER_ERROR),
    ],
)
def test_refusals(server: HttpServer, status: int, reason: Reason) -> None:
    server.status = status

    error = read(server.url("x.mp4")).error

    assert error is not None
    assert (error.reason, error.retryable) == (reason, True)


def test_credentials_open_the_door_and_stay_out_of_messages(server: HttpServer) -> None:
    server.login = "viewer:s3cr3t"
    name = media.video().name

    assert len(read(server.url(name, login="viewer:s3cr3t")).frames) == 30
    error = read(server.url(name, login="viewer:wr0ng")).error
    assert error is not None
    assert error.reason is Reason.AUTH_FAILED
    assert "wr0ng" not in str(error)
    assert "viewer" not in str(error)


def test_a_mute_server_times_out(server: HttpServer) -> None:
    server.mute = True

    error = read(server.url("x.mp4"), connect_timeout=0.5).error

    assert error is not None
    assert (error.reason, error.retryable) == (Reason.TIMEOUT, True)


def test_a_transfer_that_stalls_times_out(server: HttpServer) -> None:
    spec = VideoSpec(frames=300, width=640, height=360, container_options=(("movflags", "faststart"),))
    server.stall = media.video(spec).stat().st_size // 2

    reading = read(server.url(media.video(spec).name), read_timeout=0.5)

    assert reading.frames
    assert reading.error is not None
    assert (reading.error.reason, reading.error.retryable) == (Reason.TIMEOUT, True)


def test_a_transfer_that_breaks_off_is_told_and_may_be_tried_again(server: HttpServer) -> None:
    spec = VideoSpec(frames=300, width=640, height=360, container_options=(("movflags", "faststart"),))
    server.cut = media.video(spec).stat().st_size // 2

    reading = read(server.url(media.video(spec).name))

    assert reading.frames
    assert reading.error is not None
    assert reading.error.reason in (Reason.TRUNCATED, Reason.UNREACHABLE, Reason.FAILED)
    assert reading.error.retryable


def test_a_page_that_is_no_video(server: HttpServer, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html><body>camera setup</body></html>" * 50)
    server.folder = tmp_path

    error = read(server.url("page.html")).error

    assert error is not None
    assert error.reason is Reason.NOT_A_VIDEO


def test_nobody_there() -> None:
    error = read("http://127.0.0.1:1/x.mp4").error

    assert error is not None
    assert (error.reason, error.retryable) == (Reason.UNREACHABLE, True)


def test_an_unknown_host() -> None:
    error = read("http://no-such-host.invalid/x.mp4").error

    assert error is not None
    assert (error.reason, error.retryable) == (Reason.UNREACHABLE, True)


def test_no_tls_where_tls_was_asked_for(server: HttpServer) -> None:
    error = read(server.url("x.mp4", scheme="https"), connect_timeout=2.0).error

    assert error is not None
    assert error.reason in (Reason.TLS_FAILED, Reason.TIMEOUT)


class TestPlaylists:
    """HLS: a playlist with an end is a file, one without is live."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        import av

        with (
            av.open(str(media.video(VideoSpec(frames=60)))) as source,
            av.open(
                str(tmp_path / "all.m3u8"),
                "w",
                format="hls",
                options={"hls_time": "1", "hls_list_size": "0", "hls_playlist_type": "vod"},
            ) as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        return tmp_path

    def test_with_an_end(self, server: HttpServer, folder: Path) -> None:
        server.folder = folder

        reading = read(server.url("all.m3u8"))

        assert reading.info is not None
        assert not reading.info.live
        assert reading.numbers == list(range(60))

    def test_without_an_end(self, server: HttpServer, folder: Path) -> None:
        text = (folder / "all.m3u8").read_text()
        live = text.replace("#EXT-X-ENDLIST", "").replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
        (folder / "live.m3u8").write_text(live)
        server.folder = folder

        with opened(server.url("live.m3u8")) as (source, info):
            first = source.grab()

        assert info.live
        assert first is not None
