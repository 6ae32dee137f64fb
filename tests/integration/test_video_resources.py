"""What opening and decoding costs must be given back: file descriptors, threads, memory."""

from __future__ import annotations

import gc
import threading

import psutil
import pytest
from support import media
from support.media import VideoSpec
from support.reading import opened, pixels, read
from support.rtsp_server import RtspServer

from mpipeline.errors import SourceError
from mpipeline.sources.video import VideoOptions, VideoSource

MIB = 1 << 20
SMALL = VideoSpec(width=64, height=48)


def open_files() -> int:
    gc.collect()
    return psutil.Process().num_fds()


def test_opening_and_closing_keeps_no_descriptor_and_no_thread() -> None:
    path = media.video(SMALL)
    read(path)
    files, threads = open_files(), psutil.Process().num_threads()

    for _ in range(200):
        with opened(path) as (source, _):
            source.grab()

    assert open_files() == files
    assert psutil.Process().num_threads() <= threads


def test_failing_to_open_keeps_no_descriptor() -> None:
    paths = [media.sound_only(), media.cut(media.video(), 0.5)]
    for path in paths:
        read(path)
    files = open_files()

    for _ in range(30):
        for path in paths:
            source = VideoSource("test", VideoOptions(uri=str(path)))
            with pytest.raises(SourceError):
                source.open()
            source.close()

    assert open_files() == files


def test_reconnecting_keeps_no_descriptor() -> None:
    with RtspServer({"gate": [media.video(VideoSpec(rate=30, gop=2))]}) as server:
        with opened(server.url("gate")) as (source, _):
            source.grab()
        files = open_files()
        for _ in range(10):
            with opened(server.url("gate")) as (source, _):
                source.grab()

        # The server is in this process too, and drops its ends of the connections when it sees them closed.
        assert open_files() <= files + 2


@pytest.mark.long
@pytest.mark.parametrize(
    "spec",
    [SMALL, VideoSpec(suffix=".mkv", codec="ffv1", pix_fmt="yuv422p10le", width=64, height=48), VideoSpec(rotation=90)],
    ids=["direct", "converted", "turned"],
)
def test_ten_thousand_frames_take_no_more_memory_than_the_first(spec: VideoSpec) -> None:
    process = psutil.Process()
    with opened(media.video(spec), loop=True) as (source, _):
        sizes = []
        for number in range(10_001):
            grabbed = source.grab()
            assert grabbed is not None
            pixels(source, grabbed.format)
            if number % 2_500 == 0 and number:
                sizes.append(process.memory_info().rss)

    assert sizes[-1] - sizes[0] < 16 * MIB


def test_closing_in_the_midst_of_damage_does_not_hang() -> None:
    """Decoder threads that report errors while the decoder is freed must not stop the process."""
    path = media.damaged(media.video(VideoSpec(frames=90, width=640, height=360)), flips=200)

    def open_and_close() -> None:
        for count in range(1, 40):
            with opened(path, threads=4) as (source, _):
                for _ in range(count):
                    source.grab()

    worker = threading.Thread(target=open_and_close, daemon=True)
    worker.start()
    worker.join(60)

    assert not worker.is_alive()
