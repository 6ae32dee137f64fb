"""Files over HTTP for tests: ranges as RFC 9110 has them, and a server that is mute, slow, cut off or endless."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PIECE = 16 * 1024


class HttpServer:
    """Serves the files of `folder`. The public attributes are the faults; set them while it runs.

    `ranges` False ignores Range headers. `mute` accepts and never answers. `status` answers everything so. `cut`
    closes the connection after so many bytes of each body. `stall` sends so many and then nothing, the connection
    stays open. `endless` repeats the file for ever as a multipart MJPEG stream does, without a length; the file is
    one JPEG. `login` is "user:password", asked for by Basic. `failures` are statuses, and `cuts` numbers of bytes, for
    one request each; 0 lets a request be; a status of -1 closes the connection without an answer. `pause` are seconds
    between the pieces of a body. With `tags` files have an ETag, by which If-Range is judged. What `answer` gives for a
    request, a status and a body, goes before the files. `redirects` sends those that ask for a path to an address.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ranges = True
        self.mute = self.endless = False
        self.status = 0
        self.cut = self.stall = 0
        self.login = ""
        self.failures: list[int] = []
        self.cuts: list[int] = []
        self.pause = 0.0
        self.tags = False
        self.redirects: dict[str, str] = {}
        self.requests = 0
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens on this machine."""
        return self._server.server_address[1]

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, bytes] | None:
        """For servers of more than files."""
        return None

    def url(self, name: str, *, login: str = "", scheme: str = "http") -> str:
        """The address of a file."""
        user = f"{login}@" if login else ""
        return f"{scheme}://{user}127.0.0.1:{self._server.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: HttpServer

    def do_GET(self) -> None:
        state = self.server_state
        state.requests += 1
        headers = {name.title(): value for name, value in self.headers.items()}
        state.seen.append((self.path, headers))
        failure = state.failures.pop(0) if state.failures else 0
        path = state.folder / self.path.strip("/").split("?")[0]
        if state.mute:
            state.stopping.wait()
        elif failure == -1:
            self.close_connection = True
        elif failure:
            self._refuse(failure)
        elif self.path.split("?")[0] in state.redirects:
            self._redirect(state.redirects[self.path.split("?")[0]])
        elif (given := state.answer(self.path, headers)) is not None:
            self._refuse(given[0], given[1])
        elif state.login and self.headers["Authorization"] != _basic(state.login):
            self._refuse(401)
        elif state.status:
            self._refuse(state.status)
        elif not path.is_file():
            self._refuse(404)
        elif state.endless:
            self._send_endless(path.read_bytes())
        else:
            self._send_file(path.read_bytes())

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _send_file(self, data: bytes) -> None:
        state = self.server_state
        start, end = 0, len(data)
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        same = not state.tags or self.headers["If-Range"] in (None, tag)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "") if state.ranges and same else None
        if wanted:
            start = int(wanted[1])
            end = min(int(wanted[2]) + 1, end) if wanted[2] else end
        if start >= len(data):
            self._refuse(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start))
        self._send_connection()
        if state.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if state.tags:
            self.send_header("ETag", tag)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        self._send_body(data[start:end])

    def _send_body(self, body: bytes) -> None:
        state = self.server_state
        cut = state.cuts.pop(0) if state.cuts else 0
        limit = cut or state.cut or state.stall or len(body)
        try:
            for place in range(0, min(limit, len(body)), _PIECE):
                self.wfile.write(body[place : min(place + _PIECE, limit)])
                if state.pause:
                    state.stopping.wait(state.pause)
            if state.stall and limit < len(body):
                state.stopping.wait()
        except OSError:
            pass  # the client has gone
        if limit < len(body):
            self.close_connection = True

    def _send_endless(self, picture: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace;boundary=picture")
        self.end_headers()
        part = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
        self.close_connection = True
        try:
            while not self.server_state.stopping.wait(0.02):
                self.wfile.write(part + picture + b"\r\n")
        except OSError:
            return

    def _send_connection(self) -> None:
        if self.close_connection:
            self.send_header("Connection", "close")

    def _redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="files"')
        self.send_header("Content-Length", str(len(body)))
        self._send_connection()
        self.end_headers()
        self.wfile.write(body)


def _basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()
