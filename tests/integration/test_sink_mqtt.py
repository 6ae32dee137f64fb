"""The `mqtt` sink and a real broker: who is let in, what is refused, what is away."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.certificates import Certificates
from support.leftovers import wait_until
from support.servers import Mosquitto, Subscriber
from support.sinking import make, write

from mpipeline.errors import Reason, SinkError
from mpipeline.sinks.mqtt import MqttOptions


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that knows `camera` with the password `s/cret@pw`, who may publish below `in/` only."""
    command = [_found("mosquitto_passwd"), "-b", "-c", str(tmp_path / "users"), "camera", "s/cret@pw"]
    subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "users").chmod(0o644)
    (tmp_path / "rights").write_text("user camera\ntopic readwrite in/#\n")
    files = [f"password_file {tmp_path}/users", f"acl_file {tmp_path}/rights"]
    with Mosquitto("allow_anonymous false", *files) as broker:
        yield broker


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install mosquitto")
    return found


def test_a_topic_for_each_model() -> None:
    with Mosquitto() as broker, Subscriber(broker) as subscriber:
        sink = make("mqtt", url=broker.url, topic="seen/{model}/{source}")
        sink.open(resume=False)
        for model in ("people", "faces"):
            write(sink, "gate", 1, model=model)
        sink.close()
        wait_until(lambda: len(subscriber.messages) == 2, "two messages")
    assert {topic: json.loads(record)["model"] for topic, record in subscriber.messages} == {
        "seen/people/gate": "people",
        "seen/faces/gate": "faces",
    }


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_password_lets_in_and_a_subscriber_gets_the_records(guarded: Mosquitto, protocol: str) -> None:
    login = {"username": "camera", "password": "s/cret@pw"}
    with Subscriber(guarded, "in/#", **login) as subscriber:
        sink = make("mqtt", url=guarded.url, topic="in/{source}/seen", protocol=protocol, **login)
        assert sink.open(resume=False) == {}
        write(sink, "gate", 1, 2)
        write(sink, "yard", 1)
        sink.close()
        wait_until(lambda: len(subscriber.messages) == 3, "three messages")
    assert [topic for topic, _ in subscriber.messages] == ["in/gate/seen", "in/gate/seen", "in/yard/seen"]
    assert [json.loads(payload)["frame_id"] for _, payload in subscriber.messages] == [1, 2, 1]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("login", ["camera:wrong-one@", ""])
def test_who_is_not_let_in_is_told_without_the_password(guarded: Mosquitto, protocol: str, login: str) -> None:
    sink = make("mqtt", url=guarded.url.replace("//", f"//{login}"), protocol=protocol)
    with pytest.raises(SinkError, match="refuses the connection") as caught:
        sink.open(resume=False)
    assert (caught.value.retryable, caught.value.reason) == (False, Reason.AUTH_FAILED)
    assert "wrong-one" not in str(caught.value)
    sink.close()


def test_a_topic_that_the_user_may_not_use_is_told(guarded: Mosquitto) -> None:
    sink = make("mqtt", url=guarded.url.replace("//", "//camera:s%2Fcret%40pw@"), topic="elsewhere")
    sink.open(resume=False)
    with pytest.raises(SinkError, match="refuses a message for elsewhere") as caught:
        write(sink, "gate", 1)
    assert not caught.value.retryable
    sink.close()


def test_a_broker_that_is_away_can_pass(guarded: Mosquitto) -> None:
    guarded.stop()
    sink = make("mqtt", url=guarded.url, username="camera", password="s/cret@pw")
    with pytest.raises(SinkError, match="cannot be reached: Connection refused") as caught:
        sink.open(resume=False)
    assert (caught.value.retryable, caught.value.reason) == (True, Reason.UNREACHABLE)
    guarded.start()
    sink.open(resume=False)
    guarded.stop()
    with pytest.raises(SinkError) as lost:
        write(sink, "in", 1)
    assert lost.value.retryable
    sink.close()


def test_only_a_broker_with_the_right_certificate_gets_anything(tmp_path: Path) -> None:
    ours, theirs = Certificates(tmp_path / "ours"), Certificates(tmp_path / "theirs")
    lines = ["allow_anonymous true", f"certfile {ours.certificate}", f"keyfile {ours.key}"]
    with Mosquitto(*lines) as broker:
        url = broker.url.replace("mqtt://127.0.0.1", "mqtts://localhost")
        sink = make("mqtt", url=url, ca=str(ours.certificate))
        sink.open(resume=False)
        write(sink, "gate", 1, 2, 3)
        sink.close()
        stranger = make("mqtt", url=url, ca=str(theirs.certificate))
        with pytest.raises(SinkError, match="not vouched for") as caught:
            stranger.open(resume=False)
        assert (caught.value.retryable, caught.value.reason) == (False, Reason.TLS_FAILED)
        stranger.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "localhost:1883"}, "mqtt://HOST:PORT"),
        ({"url": "mqtt://localhost", "topic": "all/#"}, "none to publish to"),
        ({"url": "mqtt://localhost", "topic": ""}, "none to publish to"),
        ({"url": "mqtt://localhost", "topic": "{camera}"}, "valid: {source}, {model}"),
        ({"url": "mqtt://localhost", "protocol": "4"}, "'3.1.1'"),
    ],
)
def test_what_cannot_be_is_told_when_the_config_is_read(options: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MqttOptions.model_validate(options)
