"""The HTTP client of the store: time-outs, proxies, redirects, further attempts; no credential reaches log or error."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProxySchemeUnknown, ProxySchemeUnsupported

from mpipeline import __version__
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.config.environment import proxy_of
from mpipeline.credentials import HIDDEN, redact
from mpipeline.errors import ConfigError, DownloadError, Reason
from mpipeline.store.faults import shown_address, status_fault, transport_fault
from mpipeline.store.patience import Attempts, Patience

T = TypeVar("T")
Response = urllib3.BaseHTTPResponse

_MOST_REDIRECTS = 5
_LARGEST_ANSWER = 8 << 20  # bytes of JSON
_PIECE = 64 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API has answered; `content` is None if it is no JSON."""

    status: int
    content: Any


class Client:
    """Asks for documents and files. `secrets` are hidden wherever they would be shown."""

    def __init__(
        self, patience: Patience | None = None, clock: Clock | None = None, secrets: Sequence[str] = ()
    ) -> None:
        self.patience = patience if patience is not None else Patience()
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._secrets = tuple(secret for secret in secrets if secret)
        self._managers: dict[str | None, urllib3.PoolManager] = {}

    def ask(self, url: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """The answer of the API, whatever its status; what may be better a moment later is asked again.

        Raises DownloadError.
        """
        return self.persist(lambda: self._ask_once(f"{url}?{urlencode(query)}", headers))

    def persist(self, action: Callable[[], T]) -> T:
        """Does `action`; again with back-off while it fails for a reason that may pass."""
        attempts = Attempts(self.patience, self.clock)
        while True:
            try:
                return action()
            except DownloadError as error:
                attempts.failed(error)

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Response]:
        """An open answer, redirects followed. Errors of the network, there and while it is read, are DownloadError,
        as is a status that asks for another attempt."""
        response = self._follow(url, {"User-Agent": f"mpipeline/{__version__}", **(headers or {})})
        try:
            fault = status_fault(response.status, url, response.headers.get("Retry-After"))
            if fault is not None:
                raise fault
            yield response
        except (HTTPError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
                raise  # of the disk, in the caller's block
            raise transport_fault(error, url, self.hide) from None
        finally:
            response.close()

    def hide(self, text: str) -> str:
        """`text` without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return redact(text)

    def _ask_once(self, url: str, headers: Mapping[str, str] | None) -> Answer:
        deadline = self.clock.monotonic_ns() + int(self.patience.answer * NS_PER_S)
        body = bytearray()
        with self.open(url, {"Accept": "application/json", **(headers or {})}) as response:
            while piece := response.read1(_PIECE, decode_content=True):
                body += piece
                if len(body) > _LARGEST_ANSWER:
                    raise DownloadError(f"{shown_address(url)}: the answer is far too long", Reason.CORRUPT_DATA)
                if self.clock.monotonic_ns() > deadline:
                    text = f"{shown_address(url)}: no complete answer within {self.patience.answer:g} s"
                    raise DownloadError(text, Reason.TIMEOUT, retryable=True)
            status = response.status
        try:
            return Answer(status, json.loads(body))
        except (ValueError, RecursionError):
            if status >= 400:
                return Answer(status, None)
            text = f"{shown_address(url)}: the answer is no JSON; something between here and there may have answered"
            raise DownloadError(text, Reason.CORRUPT_DATA) from None

    def _follow(self, url: str, headers: dict[str, str]) -> Response:
        address = url
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._request(address, headers)
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            following = urljoin(address, location)
            if _origin(following) != _origin(address):
                headers.pop("Authorization", None)
            if urlsplit(following).scheme not in ("https", urlsplit(address).scheme):
                text = f"{shown_address(address)}: redirects to an address that is not secure"
                raise DownloadError(text, Reason.TLS_FAILED)
            address = following
        raise DownloadError(f"{shown_address(url)}: redirects without end", Reason.SERVER_ERROR)

    def _request(self, address: str, headers: Mapping[str, str]) -> Response:
        timeout = urllib3.Timeout(connect=self.patience.connect, read=self.patience.silence)
        try:
            with _redacted_logs():
                return self._manager(address).request(
                    "GET",
                    address,
                    headers=dict(headers),
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
        except (HTTPError, OSError) as error:
            raise transport_fault(error, address, self.hide) from None

    def _manager(self, address: str) -> urllib3.PoolManager:
        proxy = proxy_of(address)
        if proxy not in self._managers:
            self._managers[proxy] = urllib3.PoolManager() if proxy is None else _through(proxy)
        return self._managers[proxy]


def _through(proxy: str) -> urllib3.ProxyManager:
    parts = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
    login = unquote(parts.auth) if parts.auth else None
    headers = urllib3.make_headers(proxy_basic_auth=login) if login else None
    try:
        return urllib3.ProxyManager(parts._replace(auth=None).url, proxy_headers=headers)
    except (ProxySchemeUnknown, ProxySchemeUnsupported):
        raise ConfigError(
            f"the proxy of the environment is of kind {parts.scheme!r}; expected http:// or https://"
        ) from None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


@contextmanager
def _redacted_logs() -> Iterator[None]:
    """The library logs each address, with its query, for programs that log everything."""
    library, redacting = logging.getLogger("urllib3.connectionpool"), _Redacting()
    library.addFilter(redacting)
    try:
        yield
    finally:
        library.removeFilter(redacting)
