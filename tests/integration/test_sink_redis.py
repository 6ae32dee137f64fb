"""The `redis` sink and a real server: exactly once, trimmed streams, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from support.servers import RedisServer
from support.sinking import make, send_again, write

from mpipeline.errors import Reason, SinkError
from mpipeline.sinks.redis import RedisOptions


@pytest.fixture(scope="module")
def process() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(process: RedisServer) -> RedisServer:
    """It is empty."""
    with process.client() as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return process


def entries(server: RedisServer, stream: str = "mpipeline") -> list[dict[str, Any]]:
    with server.client() as client:
        return [fields for _, fields in client.xrange(stream)]


def test_an_entry_has_the_record_and_tells_runs_apart(server: RedisServer) -> None:
    for _ in range(2):
        sink = make("redis", url=server.url)
        assert sink.open(resume=False) == {}
        write(sink, "a", 1)
        sink.close()
    first, second = entries(server)
    assert (first["run"], second["run"], first["source"], first["frame_id"]) == ("1", "2", "a", "1")
    assert json.loads(first["record"])["predictions"][0]["class"] == "cat"


def test_whatever_is_sent_again_is_there_once(server: RedisServer) -> None:
    send_again("redis", server.url)
    assert [(entry["run"], entry["frame_id"]) for entry in entries(server)] == [("1", str(n)) for n in range(1, 5)]


def test_of_two_models_each_is_there_once_in_a_stream_of_its_own(server: RedisServer) -> None:
    send_again("redis", server.url, ("people", "faces"))
    found = sorted((entry["model"], int(entry["frame_id"])) for entry in entries(server))
    assert found == [(model, n) for model in ("faces", "people") for n in range(1, 5)]
    assert json.loads(entries(server)[0]["record"])["model"] == "people"
    sink = make("redis", url=server.url, stream="seen:{model}:{source}")
    sink.open(resume=False)
    write(sink, "a", 1, model="faces")
    sink.close()
    assert [entry["frame_id"] for entry in entries(server, "seen:faces:a")] == ["1"]


def test_sinks_of_other_pipelines_do_not_take_each_other_for_themselves(server: RedisServer) -> None:
    ours, theirs = make("redis", url=server.url), make("redis", url=server.url)
    ours.pipeline, theirs.pipeline = "ours", "theirs"
    ours.open(resume=False)
    write(ours, "a", 1, 2, 3)
    assert theirs.open(resume=True) == {}
    ours.close()
    theirs.close()


def test_a_stream_for_each_source_that_is_kept_short(server: RedisServer) -> None:
    sink = make("redis", url=server.url, stream="seen:{source}", maxlen=100)
    sink.open(resume=False)
    for first in range(1, 1001, 50):
        write(sink, "a", *range(first, first + 50))
    write(sink, "b", 1)
    sink.close()
    assert 100 <= len(entries(server, "seen:a")) < 300
    assert len(entries(server, "seen:b")) == 1
    again = make("redis", url=server.url, stream="seen:{source}", maxlen=100)
    assert again.open(resume=True) == {"a": 1000, "b": 1}
    again.close()


def test_a_key_that_is_something_else_is_told(server: RedisServer) -> None:
    with server.client() as client:
        client.set("mpipeline", "a text")
    sink = make("redis", url=server.url)
    sink.open(resume=False)
    with pytest.raises(SinkError, match=r"refuses the entries: .*WRONGTYPE") as caught:
        write(sink, "a", 1)
    assert not caught.value.retryable
    sink.close()


def test_a_server_without_memory_is_waited_for(server: RedisServer) -> None:
    sink = make("redis", url=server.url)
    sink.open(resume=False)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(SinkError, match="takes no entries now") as caught:
            write(sink, "a", 1)
        assert (caught.value.retryable, caught.value.reason) == (True, Reason.NO_SPACE)
        client.config_set("maxmemory", 0)
    sink.flush()
    sink.close()
    assert len(entries(server)) == 1


def test_a_server_that_is_away_can_pass_and_a_wrong_password_cannot() -> None:
    with RedisServer("--requirepass", "s/cret") as server:
        wrong = make("redis", url=server.url.replace("//", "//:wrong-one@"))
        with pytest.raises(SinkError, match="does not let this user in") as refused:
            wrong.open(resume=False)
        assert (refused.value.retryable, refused.value.reason) == (False, Reason.AUTH_FAILED)
        assert "wrong-one" not in str(refused.value)
        nobody = make("redis", url=server.url)
        with pytest.raises(SinkError, match="does not let this user in"):
            nobody.open(resume=False)
        sink = make("redis", url=server.url.replace("//", "//:s%2Fcret@"))
        sink.open(resume=False)
        server.stop()
        with pytest.raises(SinkError, match=r"cannot be reached") as away:
            write(sink, "a", 1)
        assert (away.value.retryable, away.value.reason) == (True, Reason.UNREACHABLE)
        server.start()
        sink.flush()
        sink.close()
        wrong.close()
        nobody.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "localhost:6379"}, "redis://"),
        ({"stream": ""}, "a name"),
        ({"stream": "{camera}"}, "valid: {source}, {model}"),
    ],
)
def test_what_cannot_be_is_told_when_the_config_is_read(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RedisOptions.model_validate(options)
