"""`UDPSink`: sends each prediction as a JSON datagram."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpipeline.clock import SystemClock
from mpipeline.errors import InvalidArgument, PredictionRejected, SinkError
from mpipeline.inference_pipeline.entities import VideoFrame
from mpipeline.inference_pipeline.video_frame import local_time

_LARGEST = 65_507  # bytes: what an IPv4 datagram holds behind its two headers
_SEND_BUFFER = 65_536
_RECEIVE_BUFFER = 1  # nothing is ever received
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
        self._address = (_resolved(ip_address), port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

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
                self._send(self._datagram(prediction, frame), frame)
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

    def _datagram(self, prediction: Any, frame: VideoFrame) -> bytes:
        if not isinstance(prediction, Mapping):
            what = f"it is a {type(prediction).__name__}, not a dictionary"
            raise PredictionRejected(f"{_whose(frame)} cannot be sent: {what}")
        metadata = {
            "source_id": frame.source_id,
            "frame_id": frame.frame_id,
            "frame_decoding_time": frame.frame_timestamp.isoformat(),
            "emission_time": local_time(self._clock.wall_ns()).isoformat(),
        }
        try:
            text = json.dumps({**prediction, "inference_metadata": metadata}, default=_plain, allow_nan=False)
        except (TypeError, ValueError) as error:  # not a JSON value, not a number, or a circle
            raise PredictionRejected(f"{_whose(frame)} cannot be sent as JSON: {error}") from error
        return text.encode()

    def _send(self, datagram: bytes, frame: VideoFrame) -> None:
        if len(datagram) > _LARGEST:
            raise PredictionRejected(
                f"{_whose(frame)} is too large for a datagram: {len(datagram)} bytes of JSON, and UDP carries "
                f"{_LARGEST}. Send fewer detections (confidence, max_detections), or less of each"
            )
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:
            host, port = self._address
            raise SinkError(f"cannot send {len(datagram)} bytes to {host}:{port} by UDP: {error}") from error


def _whose(frame: VideoFrame) -> str:
    return f"the prediction of frame {frame.frame_id} of source {frame.source_id}"


def _resolved(host: str) -> str:
    """The IPv4 address of a host, asked once: a datagram must not wait for a name server."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        raise InvalidArgument(f"ip_address={host!r} is no IPv4 address, nor a host that has one: {error}") from error
    return str(found[0][4][0])


def _plain(value: object) -> Any:
    """Numbers and arrays of numpy as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__} is not of JSON's: {str(value)[:60]!r}")
