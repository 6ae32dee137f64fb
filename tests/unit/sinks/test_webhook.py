"""The `webhook` sink and an HTTP server: what is sent, and what each answer leads to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from pydantic import ValidationError
from support.predictions import meta, prediction
from support.sinking import make, write
from support.webhook_server import WebhookServer

from mpipeline.clock import ManualClock
from mpipeline.errors import PredictionRejected, Reason, SinkError
from mpipeline.sinks.webhook import WebhookOptions
from mpipeline.workers.retrying import Retrying


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as made:
        yield made


def ids(server: WebhookServer) -> list[int]:
    return [record["frame_id"] for record in server.records]


def test_records_go_together_with_the_headers(server: WebhookServer) -> None:
    sink = make("webhook", url=server.url.replace("//", "//me:pass@"), headers={"X-Site": "north"}, batch=3)
    assert (sink.open(resume=False), sink.gathers) == ({}, 3)
    write(sink, "a", 1, 2, 3, 4, 5)
    sink.close()
    assert [[record["frame_id"] for record in records] for _, records in server.requests] == [[1, 2, 3], [4, 5]]
    headers, records = server.requests[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Site"] == "north"
    assert headers["Authorization"] == "Basic bWU6cGFzcw=="
    assert records[0]["predictions"][0]["class"] == "cat"


@pytest.mark.parametrize(("status", "reason"), [(500, "server_error"), (429, "server_error"), (-1, "unreachable")])
def test_a_fault_that_can_pass_leaves_all_for_the_next_attempt(server: WebhookServer, status: int, reason: str) -> None:
    server.answers = [status]
    sink = make("webhook", url=server.url)
    sink.open(resume=False)
    with pytest.raises(SinkError) as caught:
        write(sink, "a", 1, 2)
    assert (caught.value.retryable, caught.value.reason.value) == (True, reason)
    assert server.url in str(caught.value)
    sink.flush()
    sink.close()
    assert ids(server) == [1, 2]


def test_a_server_that_falls_silent_is_left(server: WebhookServer) -> None:
    server.answers = [0]
    sink = make("webhook", url=server.url, timeout=0.2)
    sink.open(resume=False)
    with pytest.raises(SinkError, match=r"does not answer: not within 0\.2 s") as caught:
        write(sink, "a", 1)
    assert (caught.value.retryable, caught.value.reason) == (True, Reason.TIMEOUT)
    sink.close()


def test_nobody_at_the_address_can_pass() -> None:
    with WebhookServer() as gone:
        url = gone.url
    sink = make("webhook", url=url)
    sink.open(resume=False)
    with pytest.raises(SinkError, match="cannot be reached: Connection refused") as caught:
        write(sink, "a", 1)
    assert (caught.value.retryable, caught.value.reason) == (True, Reason.UNREACHABLE)
    sink.close()


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("7", 7, 7),
        ("a date", 100, 200),
        ("100000", 300, 300),
        ("soon", 0, 0.5),
    ],
)
def test_a_pause_that_the_server_asks_for_is_kept_within_bounds(
    server: WebhookServer, asked: str, least: float, most: float
) -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=200), usegmt=True)
    server.answers, server.headers = [503], {"Retry-After": soon if asked == "a date" else asked}
    sink = make("webhook", url=server.url)
    sink.open(resume=False)
    with pytest.raises(SinkError) as caught:
        write(sink, "a", 1)
    retrying = Retrying("webhook", ManualClock())
    retrying.failed(caught.value)
    assert least <= retrying.wait_s() <= most
    sink.close()


def test_a_record_that_is_refused_is_found_and_left_out(server: WebhookServer) -> None:
    server.refuses = lambda record: record["frame_id"] == 6
    sink = make("webhook", url=server.url)
    sink.open(resume=False)
    for frame_id in range(1, 11):
        sink.write(prediction(meta("a", frame_id)), None)
    with pytest.raises(PredictionRejected, match="answers with status 422: no"):
        sink.flush()
    sink.flush()
    sink.close()
    assert ids(server) == [1, 2, 3, 4, 5, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (401, Reason.AUTH_FAILED, "a valid token in `headers`"),
        (403, Reason.AUTH_FAILED, "may post there"),
        (404, Reason.NOT_FOUND, "the path of the address"),
        (301, Reason.NOT_FOUND, "it is at https://elsewhere.example/ now; use that address"),
    ],
)
def test_a_wrong_address_or_token_ends_the_sink(server: WebhookServer, status: int, reason: Reason, words: str) -> None:
    server.answers = [status]
    server.headers = {"Location": "https://elsewhere.example/"} if status == 301 else {}
    server.text = "Bearer s3cret-token is not known"
    sink = make("webhook", url=server.url, headers={"Authorization": "Bearer s3cret-token"})
    sink.open(resume=False)
    with pytest.raises(SinkError, match=words) as caught:
        write(sink, "a", 1)
    assert not isinstance(caught.value, PredictionRejected)
    assert (caught.value.retryable, caught.value.reason) == (False, reason)
    assert "s3cret" not in str(caught.value)
    sink.close()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost/x", "http:///x"])
def test_what_is_no_address_is_told_when_the_config_is_read(url: str) -> None:
    with pytest.raises(ValidationError, match="http://HOST/PATH"):
        WebhookOptions(url=url)
