"""The `udp` sink: each prediction as a JSON datagram, in the form of Roboflow's `UDPSink`."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mpipeline.clock import Clock, SystemClock
from mpipeline.errors import SinkError
from mpipeline.frame import Frame
from mpipeline.prediction import Prediction
from mpipeline.sinks.datagrams import DatagramSocket, ipv4_of


class UdpOptions(BaseModel):
    """`host`: a name or IPv4 address, a broadcast address among others; `port`: 1 to 65535."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65_535)


class UdpSink:
    """Sends one datagram for each frame: `Prediction.to_dict()` with `inference_metadata` added to it.

    A frame that failed has `error` (`reason` and `message`) in place of `predictions`. What does not fit into a
    datagram is refused and counted. A datagram that nobody takes is gone, and none is sent again to a resumed run. A
    network that is down is waited for.
    """

    Options = UdpOptions
    wants_frames = False
    several_models = True

    def __init__(self, name: str, options: UdpOptions, clock: Clock | None = None) -> None:
        self.name = name
        self._options = options
        self._clock = clock if clock is not None else SystemClock()
        self._socket: DatagramSocket | None = None

    def open(self, resume: bool) -> None:
        """Looks the host up. Keeps nothing: see `Sink.open`."""
        host = self._options.host
        try:
            address = ipv4_of(host)
        except OSError as error:
            text = f"sink {self.name!r}: {host!r} is no IPv4 address, nor a host that has one: {error.strerror}"
            raise SinkError(text, retryable=error.errno == socket.EAI_AGAIN) from error
        except UnicodeError as error:  # longer than a name can be
            raise SinkError(f"sink {self.name!r}: {host!r} is no name of a host: {error}") from error
        self._socket = DatagramSocket(address, self._options.port)

    def write(self, prediction: Prediction, frame: Frame | None) -> None:
        """Sends one datagram."""
        meta = prediction.frame
        metadata = {
            "source_id": meta.source,
            "frame_id": meta.frame_id,
            **({"model": prediction.model} if prediction.model else {}),
            "frame_decoding_time": _local_time(meta.wall_ns),
            "emission_time": _local_time(self._clock.wall_ns()),
        }
        assert self._socket is not None
        what = f"the prediction of frame {meta.frame_id} of source {meta.source}"
        self._socket.send({**_fields(prediction), "inference_metadata": metadata}, what)

    def end(self, source: str) -> None:
        """Nothing is kept open for a source."""

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()


def _fields(prediction: Prediction) -> dict[str, Any]:
    failure, meta = prediction.failure, prediction.frame
    if failure is None:
        return prediction.to_dict()
    image = {"width": meta.width, "height": meta.height}
    return {"image": image, "error": {"reason": failure.reason, "message": failure.message}}


def _local_time(wall_ns: int) -> str:
    """As the original tells it: ISO 8601, local, without a time zone."""
    return datetime.fromtimestamp(wall_ns // 1000 / 1_000_000).isoformat()
