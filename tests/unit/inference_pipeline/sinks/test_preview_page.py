"""The local preview page, by a real browser's requests."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from support.video_frames import box, detections, frame, grey

from mpipeline.errors import SinkError
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks import preview, preview_page


@pytest.fixture
def page() -> Iterator[Any]:
    with preview(display_size=None) as made:
        yield made


def asked(page: Any, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def next_picture(stream: http.client.HTTPResponse) -> Pixels:
    assert stream.readline() == b"--picture\r\n"
    headers = http.client.parse_headers(stream)
    assert headers["Content-Type"] == "image/jpeg"
    data = stream.read(int(headers["Content-Length"]))
    assert stream.readline() == b"\r\n"
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def test_the_page_shows_the_stream(page: Any) -> None:
    answer = asked(page, "/")
    assert answer.status == 200
    assert b'src="/stream"' in answer.read()
    assert page.url.startswith("http://127.0.0.1:")


def test_predictions_are_drawn_and_the_newest_picture_is_sent(page: Any) -> None:
    page(detections(box(160, 120, 100, 80)), frame(1))
    stream = asked(page, "/stream")
    picture = next_picture(stream).astype(int)
    assert picture.shape == (240, 320, 3)
    assert np.abs(picture[160, 120:200] - 90).max() > 40
    for level in (10, 20, 240):
        page.show((0, grey(level=level)))
    seen = next_picture(stream).mean()
    while seen < 230:  # a viewer may have got one in between, never an older one after a newer one
        newer = next_picture(stream).mean()
        assert newer > seen
        seen = newer


def test_a_batch_is_a_mosaic(page: Any) -> None:
    page([detections(), detections()], [frame(1, 0), frame(1, 1)])
    assert next_picture(asked(page, "/stream")).shape == (240, 655, 3)


def test_a_viewer_that_comes_before_the_first_picture_sees_black_until_it_is_there(page: Any) -> None:
    stream = asked(page, "/stream")
    assert next_picture(stream).max() == 0
    page.show((0, grey(level=50)))
    assert next_picture(stream).mean() == pytest.approx(50, abs=3)


def test_pictures_that_nobody_sees_are_not_encoded(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *arguments: encoded.append(1) or encode(*arguments))
    for level in range(100):
        page.show((0, grey(level=level)))
    assert encoded == []
    first, second = asked(page, "/stream"), asked(page, "/stream")
    assert np.array_equal(next_picture(first), next_picture(second))
    assert encoded == [1]


@pytest.mark.parametrize("host", ["evil.example:80", "", "192.0.2.1"])
def test_only_this_machine_by_its_address_gets_pictures(page: Any, host: str) -> None:
    assert asked(page, "/stream", Host=host).status == 403
    assert asked(page, "/", Host=f"localhost:{urlsplit(page.url).port}").status == 200
    assert page._server.server_address[0] == "127.0.0.1"


def test_there_is_nothing_else(page: Any) -> None:
    assert asked(page, "/etc/passwd").status == 404


def test_too_many_viewers_are_turned_away_and_those_who_leave_make_room(page: Any) -> None:
    page.show((0, grey()))
    streams = [asked(page, "/stream") for _ in range(preview_page._MAX_VIEWERS)]
    assert [stream.status for stream in streams] == [200] * preview_page._MAX_VIEWERS
    assert asked(page, "/stream").status == 503
    streams.pop().close()
    while asked(page, "/stream").status == 503:  # until the page has tried to send to it
        page.show((0, grey()))


def test_a_viewer_that_reads_nothing_does_not_hold_the_pipeline_up(page: Any) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(page.url).port), 30) as lazy:
        lazy.sendall(b"GET /stream HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3)).astype(np.uint8)
        for _ in range(200):
            page.show((0, noise))
        other = asked(page, "/stream")
        assert next_picture(other).shape == (720, 1280, 3)


def test_a_release_ends_the_streams(page: Any) -> None:
    page.show((0, grey()))
    stream = asked(page, "/stream")
    next_picture(stream)
    page.release()
    page.release()
    assert stream.read() == b""
    with pytest.raises(OSError, match="refused"):
        asked(page, "/")


def test_a_port_that_is_taken_is_told(page: Any) -> None:
    port = urlsplit(page.url).port
    with pytest.raises(SinkError, match=f"port {port}.*port=0 takes a free one"):
        preview(port)
    with pytest.raises(SinkError, match="port 70000"):
        preview(70_000)
