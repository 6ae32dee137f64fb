"""The `zmq` sink: records, and if wanted pictures, for whoever subscribes from another machine or program."""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Mapping
from typing import Any

import zmq
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from mpipeline.errors import PredictionRejected, Reason, SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.record import encoded, record

_logger = logging.getLogger(__name__)

_LINGER_MS = 2000  # at the end, for what is still on its way to subscribers
_CURVE_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")  # Z85 of 32 bytes, ZeroMQ RFC 32
_HERE = re.compile(r"(ipc|inproc)://|tcp://(127\.|localhost|\[?::1)")
_PASSING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.ENODEV)


class ZmqOptions(BaseModel):
    """`bind`: where subscribers connect, such as tcp://*:5556. `jpeg`: quality of the picture, 1 to 100; without
    it there is none. `backlog`: messages that are kept for a subscriber that lags.

    `secret_key`: of this end, in CURVE's text form: then all is encrypted, and `clients` are the public keys of those
    that may subscribe, everyone if there is no list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bind: str
    jpeg: int | None = Field(default=None, ge=1, le=100)
    backlog: int = Field(default=100, ge=1, le=100_000)
    secret_key: SecretStr | None = None
    clients: tuple[str, ...] = ()

    @field_validator("bind")
    @classmethod
    def _checked_endpoint(cls, endpoint: str) -> str:
        if not re.fullmatch(r"tcp://[^\s/]+:(\d{1,5}|\*)|ipc://\S+", endpoint):
            raise ValueError(f"{endpoint!r} is not of the form tcp://ADDRESS:PORT, such as tcp://*:5556, or ipc://PATH")
        return endpoint

    @model_validator(mode="after")
    def _checked_keys(self) -> ZmqOptions:
        secret = self.secret_key.get_secret_value() if self.secret_key is not None else None
        if any(_CURVE_KEY.fullmatch(key) is None for key in [*self.clients, *([secret] if secret is not None else [])]):
            raise ValueError("a key of CURVE has 40 characters; `zmq.curve_keypair()` makes a public and a secret one")
        if self.clients and secret is None:
            raise ValueError("`clients` are those of an encrypted socket: it needs a `secret_key`")
        return self


class ZmqSink:
    """Publishes messages of two parts: the source's name, or `source:model` where models have names, and the record;
    with `jpeg` the picture is a third one.

    Nobody acknowledges anything: who is not connected, or lags by more than `backlog`, misses messages, which shows in
    `frame_id`. A picture that had to be given up is an empty part.
    """

    Options = ZmqOptions
    several_models = True

    def __init__(self, name: str, options: ZmqOptions) -> None:
        self.name = name
        self.wants_frames = options.jpeg is not None
        self._options = options
        self._context: zmq.Context[Any] | None = None
        self._socket: zmq.Socket[Any] | None = None
        self._gate: Any = None

    @property
    def endpoint(self) -> str:
        """Where it is bound, with the port that was chosen for `*`."""
        assert self._socket is not None
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def open(self, resume: bool) -> Mapping[str, int]:
        """Binds the socket."""
        self.close()
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.PUB)
        socket.setsockopt(zmq.LINGER, _LINGER_MS)
        socket.setsockopt(zmq.SNDHWM, self._options.backlog)
        socket.setsockopt(zmq.IPV6, 1)
        if self._options.secret_key is not None:
            self._lock(self._context, socket, self._options.secret_key.get_secret_value().encode())
        elif not _HERE.match(self._options.bind):
            text = "sink %s sends to whoever connects to %s, in clear: give it a `secret_key`, or keep that port inside"
            _logger.warning(text, self.name, self._options.bind, extra={"event": "not_encrypted", "sink": self.name})
        try:
            socket.bind(self._options.bind)
        except zmq.ZMQError as error:
            what = f"sink {self.name!r} cannot use {self._options.bind}"
            text = f"{what}: {error.strerror}; choose another port or address"
            raise SinkError(text, reason=Reason.BUSY, retryable=error.errno in _PASSING) from error
        return {}

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Hands one message to the socket."""
        assert self._socket is not None
        parts = [prediction.origin.encode(), encoded(record(prediction)).encode()]
        if self._options.jpeg is not None:
            parts.append(_jpeg(frame, self._options.jpeg) if frame is not None else b"")
        self._socket.send_multipart(parts)

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Gives what is on its way two seconds to arrive."""
        context, socket, gate = self._context, self._socket, self._gate
        self._context = self._socket = self._gate = None
        if socket is not None:
            socket.close()
        if gate is not None:
            gate.stop()
        if context is not None:
            context.term()

    def _lock(self, context: zmq.Context[Any], socket: zmq.Socket[Any], secret: bytes) -> None:
        if self._options.clients:
            from zmq.auth.thread import ThreadAuthenticator

            self._gate = ThreadAuthenticator(context)
            self._gate.start()
            self._gate.configure_curve_callback(credentials_provider=_Guests(self._options.clients))
        try:
            socket.curve_server = True
            socket.curve_secretkey = secret
            socket.curve_publickey = zmq.curve_public(secret)
        except zmq.ZMQError as error:
            raise SinkError(f"sink {self.name!r}: its secret_key is no key of CURVE: {error.strerror}") from error


class _Guests:
    """Answers whether the holder of a public key may come in."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = frozenset(key.encode() for key in keys)

    def callback(self, domain: str, key: bytes) -> bool:
        """Asked by the library for each client."""
        return key in self._keys


def _jpeg(frame: Frame, quality: int) -> bytes:
    import cv2

    done, picture = cv2.imencode(".jpg", frame.bgr(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise PredictionRejected(f"frame {frame.meta.frame_id} of {frame.meta.source} cannot be encoded as JPEG")
    return picture.tobytes()
