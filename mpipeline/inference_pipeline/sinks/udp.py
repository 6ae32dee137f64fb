"""`UDPSink`: sends each prediction as a JSON datagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpipeline.clock import SystemClock
from mpipeline.errors import InvalidArgument, PredictionRejected
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.video_frame import local_time
from mpipeline.sinks.datagrams import DatagramSocket, ipv4_of

_LARGEST_PORT = 65_535


class UDPSink:
    """Sends one datagram for each frame: the prediction as JSON with `inference_metadata` added to it.

    That has `source_id`, `frame_id`, `frame_decoding_time` and `emission_time` (ISO 8601, local). The prediction itself
    is left as it is. `send_predictions` is the sink. Nobody is told whether a datagram arrives.
    """

    def __init__(self, ip_address: str, port: int) -> None:
        if not 1 <= port <= _LARGEST_PORT:
            raise InvalidArgument(f"port={port} is not one: use a number from 1 to {_LARGEST_PORT}")
        self._clock = SystemClock()
        self._socket = DatagramSocket(_resolved(ip_address), port)

    @classmethod
    def init(cls, ip_address: str, port: int) -> UDPSink:
        """The same as the constructor."""
        return cls(ip_address, port)

    def send_predictions(self, predictions: Any, video_frame: VideoFrame | list[VideoFrame | None] | None) -> None:
        """Sends the predictions of a frame, or of each frame of a batch that is there.

        Raises PredictionRejected if one cannot be put into a datagram, after the others of the batch were sent; and
        SinkError if the network refuses it.
        """
        is_batch = isinstance(video_frame, list)
        frames = video_frame if isinstance(video_frame, list) else [video_frame]
        rejected: list[PredictionRejected] = []
        for frame, prediction in zip(frames, predictions if is_batch else [predictions], strict=True):
            if frame is None:
                continue
            try:
                self._send(prediction, frame)
            except PredictionRejected as error:
                rejected.append(error)
        if rejected:
            raise rejected[0]

    def release(self) -> None:
        """Closes the socket; harmless when repeated."""
        self._socket.close()

    def __enter__(self) -> UDPSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _send(self, prediction: Any, frame: VideoFrame) -> None:
        if not isinstance(prediction, Mapping):
            what = f"it is a {type(prediction).__name__}, not a dictionary"
            raise PredictionRejected(f"{_whose(frame)} cannot be sent: {what}")
        metadata = {
            "source_id": frame.source_id,
            "frame_id": frame.frame_id,
            "frame_decoding_time": frame.frame_timestamp.isoformat(),
            "emission_time": local_time(self._clock.wall_ns()).isoformat(),
        }
        self._socket.send({**prediction, "inference_metadata": metadata}, _whose(frame))


def _whose(frame: VideoFrame) -> str:
    return f"the prediction of frame {frame.frame_id} of source {frame.source_id}"


def _resolved(host: str) -> str:
    try:
        return ipv4_of(host)
    except OSError as error:
        raise InvalidArgument(f"ip_address={host!r} is no IPv4 address, nor a host that has one: {error}") from error
