"""`preview`: shows rendered pictures on a web page of this machine, for where there is no window."""

from __future__ import annotations

import functools
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from mpipeline.errors import SinkError
from mpipeline.frame import Pixels
from mpipeline.inference_pipeline.sinks import conversion
from mpipeline.inference_pipeline.sinks.rendered import Rendered, as_one_picture
from mpipeline.inference_pipeline.sinks.rendering import render_boxes

_HOST = "127.0.0.1"
_MAX_VIEWERS = 8
_QUALITY = 80  # of JPEG
_RELEASE_S = 0.1  # what `release` may take
_FIRST_SIZE = (720, 1280)  # height and width of the black picture before the first one
_REPEAT_S = 5.0  # without a new picture the last one is sent again, which shows whether the viewer is still there
_PAGE = b"""<!doctype html><meta charset=utf-8><title>mpipeline</title>
<body style="margin:0;background:#111"><img src="/stream" style="width:100%">"""


class _Latest:
    """The newest picture, encoded once and only if somebody wants to see it."""

    def __init__(self) -> None:
        self.closed = False
        self._changed = threading.Condition()
        self._encoding = threading.Lock()  # apart, or the pipeline would wait while a viewer's picture is encoded
        self._picture: Pixels | None = np.zeros((*_FIRST_SIZE, 3), np.uint8)
        self._number = 1
        self._encoded = (0, b"")

    def put(self, picture: Pixels | None) -> None:
        """Takes the place of the one before; None ends it."""
        with self._changed:
            self._picture, self._number, self.closed = picture, self._number + 1, picture is None
            self._changed.notify_all()

    def wait(self, seen: int) -> tuple[int, bytes]:
        """Number and JPEG of a picture that is newer than `seen`, or of the last one when none comes for a while."""
        import cv2

        with self._changed:
            self._changed.wait_for(lambda: self._number > seen, _REPEAT_S)
            number, picture = self._number, self._picture
        with self._encoding:
            if picture is not None and self._encoded[0] < number:
                _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
                self._encoded = number, data.tobytes()
            return self._encoded


class Preview:
    """A sink that shows what `render_boxes` draws at `url`, which only this machine can open.

    Pass it as `on_prediction`, or its `show` as `on_frame_rendered`. Viewers that are slow miss pictures; nobody waits
    for them. `options` are those of `render_boxes`. `release` ends it.
    """

    def __init__(self, port: int = 0, **options: Any) -> None:
        if options.get("annotator") is None:
            conversion.supervision()  # now rather than at the first frame: it takes a second, and may be missing
        self._options = options
        self._latest = _Latest()
        viewers = threading.BoundedSemaphore(_MAX_VIEWERS)
        handler = type("_BoundHandler", (_Handler,), {"latest": self._latest, "viewers": viewers})
        try:
            self._server = ThreadingHTTPServer((_HOST, port), handler)
        except (OSError, OverflowError) as error:
            raise SinkError(f"cannot show a preview on port {port}: {error}; port=0 takes a free one") from error
        self.url = f"http://{_HOST}:{self._server.server_port}/"
        serve = functools.partial(self._server.serve_forever, poll_interval=_RELEASE_S)
        threading.Thread(target=serve, name="preview", daemon=True).start()

    def __call__(self, predictions: Any, video_frame: Any) -> None:
        """Draws the predictions and shows the picture."""
        render_boxes(predictions, video_frame, **self._options, on_frame_rendered=self.show)

    def show(self, image: Rendered) -> None:
        """Shows a rendered picture, or a mosaic of several."""
        self._latest.put(as_one_picture(image))

    def release(self) -> None:
        """Ends the page; harmless when repeated."""
        if not self._latest.closed:
            self._latest.put(None)
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Preview:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def preview(port: int = 0, **options: Any) -> Preview:
    """A page that shows the pictures: `on_prediction=(page := preview())`, then open `page.url`. 0 is any free port."""
    return Preview(port, **options)


class _Handler(BaseHTTPRequestHandler):
    latest: _Latest
    viewers: threading.BoundedSemaphore
    timeout = 10  # seconds that a viewer may take to take anything

    def do_GET(self) -> None:
        if self.headers.get("Host", "").partition(":")[0] not in (_HOST, "localhost"):
            self.send_error(403, "only by the address of this machine")  # or a page elsewhere could read the pictures
        elif self.path == "/":
            self._answer("text/html", _PAGE)
        elif self.path != "/stream":
            self.send_error(404)
        elif not self.viewers.acquire(blocking=False):
            self.send_error(503, f"{_MAX_VIEWERS} viewers are there already")
        else:
            try:
                self._stream()
            except OSError:  # the viewer has gone, or is too slow
                pass
            finally:
                self.viewers.release()

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        seen = 0
        while not self.latest.closed:
            seen, data = self.latest.wait(seen)
            if not self.latest.closed:
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing: a page that is looked at is no event."""
