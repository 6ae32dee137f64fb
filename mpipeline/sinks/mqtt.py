"""The `mqtt` sink: one message a frame, done when the broker has acknowledged it (QoS 1)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from mpipeline.errors import MissingDependency, PredictionRejected, Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.paths import MODEL_PLACEHOLDER, checked_placeholders, filled
from mpipeline.sinks.peers import Peer
from mpipeline.sinks.record import encoded, record

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_AT_ONCE = 64  # messages that the broker may owe an acknowledgement for
_BACK_S = 1.0  # how long one attempt waits for a connection that is lost: the control channel must have its turn
_LONGEST_PAUSE_S = 10  # between two attempts of the library to connect again

# Reason codes of MQTT 5 that will be the same next time, by what must be changed.
_OF_CREDENTIALS = {0x86, 0x87, 0x8C}  # bad user name or password, not authorized, bad authentication method
_OF_CONFIG = {0x84, 0x85, 0x8A, 0x90, 0x9D}  # protocol version, client identifier, banned, topic, another server
_OF_MESSAGE = {0x95, 0x99}  # too large, payload format invalid


class MqttOptions(BaseModel):
    """`url`: mqtt://host:1883 or mqtts://host:8883, with `user:password@` where that is needed.

    `topic`: `{source}` and `{model}` in it are their names. `ca`: a file with the authorities that may vouch for the
    broker, instead of the system's; `certificate` and `key`: files with those of this client. `protocol`: of MQTT.
    `timeout`: for connecting and for an acknowledgement, seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    topic: str = "mpipeline/{source}"
    client_id: str = ""
    username: str | None = None
    password: SecretStr | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    protocol: str = "5"
    timeout: float = Field(default=10.0, gt=0, le=30)

    @field_validator("url")
    @classmethod
    def _checked_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("expected mqtt://HOST:PORT or mqtts://HOST:PORT")
        return url

    @field_validator("topic")
    @classmethod
    def _checked_topic(cls, topic: str) -> str:
        if not checked_placeholders(topic, "topic", MODEL_PLACEHOLDER) or any(mark in topic for mark in "+#\0"):
            raise ValueError(f"topic {topic!r} is none to publish to: it is not empty and has no + or #")
        return topic

    @property
    def names_models(self) -> bool:
        """Whether it is for models that have names."""
        return MODEL_PLACEHOLDER in self.topic

    @field_validator("protocol")
    @classmethod
    def _checked_protocol(cls, protocol: str) -> str:
        if protocol not in ("5", "3.1.1"):
            raise ValueError(f"protocol {protocol!r} is not '5' or '3.1.1'")
        return protocol


class MqttSink:
    """Publishes each record with QoS 1 and acknowledges a frame when the broker has acknowledged its message.

    The library connects again by itself, and what the broker owes an acknowledgement for is sent again then, as the
    protocol has it: a broker that is restarted loses nothing. There is nothing that could be read back, so a resumed
    sink sends what its predecessor had no acknowledgement for once more.
    """

    Options = MqttOptions
    wants_frames = False
    several_models = True
    gathers = _AT_ONCE

    def __init__(self, name: str, options: MqttOptions) -> None:
        self.name = name
        self._options = options
        parts = urlsplit(options.url)
        self._user = unquote(parts.username) if parts.username else options.username
        secret = options.password.get_secret_value() if options.password is not None else None
        self._password = unquote(parts.password) if parts.password else secret
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._is_secure = parts.scheme == "mqtts"
        self._peer = Peer("the broker", options.url, self._password or "")
        self._client: Any = None
        self._unacknowledged: dict[int, tuple[str, str]] = {}  # by the library's number
        self._unsent: list[tuple[str, str]] = []
        self._rejected: list[str] = []
        # What the library's thread tells, under the condition's lock. It must not be held while the library is called.
        self._changed = threading.Condition()
        self._acknowledgements: dict[int, int] = {}
        self._is_connected = False
        self._answer: int | None = None  # of the last attempt to connect; 0 is yes
        self._words = ""

    def open(self, resume: bool) -> Mapping[str, int]:
        """Connects. What older runs have published stays where it is."""
        self._shut()
        self._client = client = self._made()
        try:
            client.connect(self._host, self._port, keepalive=30)
        except OSError as error:
            raise self._peer.unreachable(error) from error
        client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None, self._options.timeout)
        self._check_answer()
        if not self._is_connected:
            raise self._peer.away("does not answer", f"not within {self._options.timeout:g} s", reason=Reason.TIMEOUT)
        return {}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Publishes one record, without waiting for the acknowledgement."""
        topic = filled(self._options.topic, prediction.frame.source, prediction.model)
        self._publish(topic, encoded(record(prediction)))

    def flush(self) -> None:
        """Waits for the acknowledgements. See `Sink`."""
        unsent, self._unsent = self._unsent, []
        for topic, payload in unsent:
            self._publish(topic, payload)
        with self._changed:
            was_connected = self._is_connected
            self._changed.wait_for(
                lambda: self._is_settled() or (was_connected and not self._is_connected),
                self._options.timeout if was_connected else _BACK_S,
            )
            told = {number: self._acknowledgements.pop(number) for number in list(self._acknowledgements)}
        for number, code in told.items():
            message = self._unacknowledged.pop(number, None)
            if message is not None and code >= 0x80:
                self._refused(message, code)
        if self._rejected:
            raise PredictionRejected(self._rejected.pop(0))
        if self._unsent or self._unacknowledged:
            self._check_answer()
            owed = len(self._unacknowledged)
            what = "has not acknowledged all messages" if self._is_connected else "has gone"
            raise self._peer.away(what, self._words or f"{owed} are missing", reason=Reason.UNREACHABLE)

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Disconnects."""
        self._shut()

    def _is_settled(self) -> bool:
        return self._unacknowledged.keys() <= self._acknowledgements.keys()

    def _publish(self, topic: str, payload: str) -> None:
        try:
            number = self._client.publish(topic, payload, qos=1).mid
        except ValueError as error:
            raise PredictionRejected(f"{self._peer} cannot get a message for {topic}: {error}") from error
        self._unacknowledged[number] = topic, payload

    def _refused(self, message: tuple[str, str], code: int) -> None:
        """The broker has answered a message with a reason code that says no."""
        if code in _OF_MESSAGE:
            self._rejected.append(f"{self._peer} refuses a message for {message[0]}: {self._meaning(code)}")
            return
        if code in _OF_CREDENTIALS | _OF_CONFIG:
            raise self._final(f"refuses a message for {message[0]}", code)
        self._unsent.append(message)
        self._words = self._meaning(code)

    def _check_answer(self) -> None:
        """SinkError if the broker has refused the connection for a reason that stays."""
        with self._changed:
            code = self._answer or 0
        if code in _OF_CREDENTIALS | _OF_CONFIG:
            raise self._final("refuses the connection", code)
        if code:
            raise self._peer.away("refuses the connection", self._meaning(code), reason=Reason.SERVER_ERROR)

    def _final(self, what: str, code: int) -> SinkError:
        if code in _OF_CREDENTIALS:
            remedy = "check user name and password, and what the broker lets this user do"
            return self._peer.refuses(what, self._meaning(code), remedy, Reason.AUTH_FAILED)
        remedy = "check the sink's keys; for a broker that does not know MQTT 5, set protocol: '3.1.1'"
        return self._peer.refuses(what, self._meaning(code), remedy)

    def _meaning(self, code: int) -> str:
        return f"{self._words or 'no reason given'} (code {code})"

    def _made(self) -> Any:
        mqtt = _imported()
        version = mqtt.MQTTv5 if self._options.protocol == "5" else mqtt.MQTTv311
        api = mqtt.CallbackAPIVersion.VERSION2
        client = mqtt.Client(api, client_id=self._options.client_id, protocol=version)
        client.connect_timeout = self._options.timeout
        client.reconnect_delay_set(min_delay=1, max_delay=_LONGEST_PAUSE_S)
        if self._user is not None:
            client.username_pw_set(self._user, self._password)
        if self._is_secure:
            try:
                client.tls_set(self._options.ca, self._options.certificate, self._options.key)
            except OSError as error:
                remedy = "check `ca`, `certificate` and `key`"
                raise self._peer.refuses("has no certificates to go with", error, remedy) from error
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _shut(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.on_connect = client.on_disconnect = client.on_publish = None
            client.disconnect()
            if self._is_connected and not self._unacknowledged:
                client.loop_stop()  # else its thread, a daemon, would wait for what the broker owes
        self._is_connected, self._answer = False, None
        self._unacknowledged.clear()
        self._unsent.clear()
        self._rejected.clear()
        self._acknowledgements.clear()

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        with self._changed:
            self._answer = code.value
            self._is_connected = not code.is_failure
            self._words = str(code) if code.is_failure else ""
            self._changed.notify_all()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        with self._changed:
            self._is_connected = False
            self._words = str(code)
            self._changed.notify_all()

    def _on_publish(self, client: Any, userdata: Any, number: int, code: Any, properties: Any) -> None:
        with self._changed:
            self._acknowledgements[number] = code.value
            if code.is_failure:
                self._words = str(code)
            self._changed.notify_all()


def _imported() -> Any:
    try:
        import paho.mqtt.client as mqtt
    except ImportError as error:
        raise MissingDependency("paho-mqtt", "mqtt", "sink kind mqtt") from error
    return mqtt
