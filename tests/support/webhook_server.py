"""An HTTP server that takes posts of records; what it answers is told beforehand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Record = dict[str, Any]


class WebhookServer:
    """`records` are those of requests that were answered with 2xx, `requests` all bodies with their headers.

    `answers` are statuses for one request each, 200 when they are used up: 0 falls silent until the end, -1 closes the
    connection without an answer. `refuses` says which records are answered with 422. `headers` go with each answer that
    is no success.
    """

    def __init__(self, port: int = 0) -> None:
        self.records: list[Record] = []
        self.requests: list[tuple[dict[str, str], list[Record]]] = []
        self.answers: list[int] = []
        self.headers: dict[str, str] = {}
        self.refuses: Callable[[Record], bool] = lambda _: False
        self.text = "no"
        self.stopping = threading.Event()
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """For the sink."""
        return f"http://127.0.0.1:{self.port}/predictions"

    def __enter__(self) -> WebhookServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: WebhookServer

    def do_POST(self) -> None:
        state = self.server_state
        records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["records"]
        state.requests.append(({name.title(): value for name, value in self.headers.items()}, records))
        status = state.answers.pop(0) if state.answers else 200
        if status == 0:
            state.stopping.wait()
        if status <= 0:
            self.close_connection = True
            return
        if status == 200 and any(state.refuses(record) for record in records):
            status = 422
        if status == 200:
            state.records += records
        self._answer(status)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _answer(self, status: int) -> None:
        body = b"" if status == 200 else self.server_state.text.encode()
        self.send_response(status)
        for name, value in self.server_state.headers.items() if status != 200 else ():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
