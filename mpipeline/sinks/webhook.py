"""The `webhook` sink: records to an address of the web, several in one POST."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from urllib3.exceptions import HTTPError, InvalidHeader, NameResolutionError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as NoAnswer

from mpipeline import __version__
from mpipeline.errors import PredictionRejected, Reason
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.gathered import Gathered
from mpipeline.sinks.peers import Peer
from mpipeline.sinks.record import record

_LONGEST_ANSWER = 64 << 10  # bytes; a longer one is not read, and its connection is given up
_SHOWN = 200  # characters of an answer in an error
_LEAST_SECRET = 8  # characters of a header that is hidden where an answer repeats it
_LATER = {408, 425, 429}  # too slow, too early, too often: the same request is welcome later
_OF_RECORD = {400, 413, 415, 422}  # this server will never take this body
_REMEDIES = {
    401: "give a valid token in `headers`",
    403: "give a token in `headers` that may post there",
    404: "check the path of the address",
    405: "check the path of the address: it takes no POST",
}


class WebhookOptions(BaseModel):
    """`url`: http:// or https://. `headers`: sent with each request, such as Authorization. `batch`: the most records
    of a request. `ca`: a file with the authorities that may vouch for the server. `timeout`: for an answer, seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    batch: int = Field(default=32, ge=1, le=1000)
    ca: str | None = None
    timeout: float = Field(default=10.0, gt=0, le=30)

    @field_validator("url")
    @classmethod
    def _checked_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http://HOST/PATH or https://HOST/PATH")
        return url


class WebhookSink:
    """POSTs `{"records": […]}`; a frame is done when its request was answered with 2xx.

    No answer, 5xx, 408, 425 and 429 are waited for, with back-off and as long as Retry-After asks. With 400, 413, 415
    and 422 the server refuses what is in the request: it is sent again in halves until only the record is left that is
    to blame, which is left out and counted. Every other answer means that address or token is wrong: the sink fails.
    """

    Options = WebhookOptions
    wants_frames = False
    several_models = True

    def __init__(self, name: str, options: WebhookOptions) -> None:
        self.name = name
        self.gathers = options.batch
        self._options = options
        secrets = [value.get_secret_value() for value in options.headers.values() if len(value) >= _LEAST_SECRET]
        parts = urllib3.util.parse_url(options.url)
        self._peer = Peer("the webhook", options.url, *secrets)
        self._address = parts._replace(auth=None).url
        login = urllib3.make_headers(basic_auth=parts.auth) if parts.auth else {}
        given = {key: value.get_secret_value() for key, value in options.headers.items()}
        self._headers = {"Content-Type": "application/json", "User-Agent": f"mpipeline/{__version__}", **login, **given}
        self._waiting: Gathered[dict[str, Any]] = Gathered(options.batch)
        self._pool: urllib3.PoolManager | None = None

    def open(self, resume: bool) -> Mapping[str, int]:
        """Sends nothing yet; the server cannot be asked what it has."""
        self._waiting.clear()
        self._pool = urllib3.PoolManager(maxsize=1, ca_certs=self._options.ca)
        return {}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Keeps one record for the next `flush`."""
        self._waiting.add(record(prediction))

    def flush(self) -> None:
        """Posts what was kept. See `Sink`."""
        self._waiting.send(self._post)

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Disconnects."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def _post(self, records: list[dict[str, Any]]) -> None:
        assert self._pool is not None
        body = json.dumps({"records": records}, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            response = self._pool.request(
                "POST",
                self._address,
                body=body,
                headers=self._headers,
                timeout=self._options.timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            said = _text_of(response)
        except (HTTPError, OSError) as error:
            raise self._unanswered(error) from error
        self._judge(response.status, said, response.headers)

    def _unanswered(self, error: Exception) -> Exception:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, OSError) and isinstance(error, SSLError | NewConnectionError | NameResolutionError):
            return self._peer.unreachable(cause)
        if isinstance(error, NoAnswer | TimeoutError):
            text = f"not within {self._options.timeout:g} s"
            return self._peer.away("does not answer", text, reason=Reason.TIMEOUT)
        return self._peer.away("cannot be reached", error, reason=Reason.UNREACHABLE)

    def _judge(self, status: int, said: str, headers: Mapping[str, str]) -> None:
        what = f"answers with status {status}"
        if 200 <= status < 300:
            return
        if status in _LATER or status >= 500:
            raise self._peer.away(what, said, reason=Reason.SERVER_ERROR, after=_asked_pause(headers))
        if status in _OF_RECORD:
            raise PredictionRejected(f"{self._peer} {what}: {self._peer.hide(said)}")
        if location := headers.get("Location"):
            raise self._peer.refuses(what, f"it is at {location} now", "use that address", Reason.NOT_FOUND)
        reason = Reason.AUTH_FAILED if status in (401, 403) else Reason.NOT_FOUND
        raise self._peer.refuses(what, said, _REMEDIES.get(status, "check the address"), reason)


def _text_of(response: urllib3.BaseHTTPResponse) -> str:
    """The beginning of an answer's body; its connection is kept for the next request if that was all."""
    body = response.read(_LONGEST_ANSWER)
    if len(body) < _LONGEST_ANSWER:
        response.release_conn()
    else:
        response.close()
    return body[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN] or "no reason given"


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server wants to be left alone, by Retry-After: a number, or a date."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return urllib3.Retry().parse_retry_after(value)
    except InvalidHeader:
        return None
