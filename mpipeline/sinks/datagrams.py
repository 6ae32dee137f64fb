"""Dictionaries as JSON datagrams over UDP, as Roboflow's `UDPSink` sends them."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpipeline.errors import PredictionRejected, SinkError
from mpipeline.sinks.paths import TRANSIENT

_LARGEST = 65_507  # bytes: what an IPv4 datagram holds behind its two headers
_SEND_BUFFER = 65_536
_RECEIVE_BUFFER = 1  # nothing is ever received


class DatagramSocket:
    """Sends to the IPv4 `address`, a broadcast address among others. Nobody is told whether a datagram arrives."""

    def __init__(self, address: str, port: int) -> None:
        self._address = (address, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def send(self, fields: Mapping[str, Any], what: str) -> None:
        """Sends one dictionary; `what` it is, for messages.

        Raises PredictionRejected if it cannot be put into a datagram, SinkError if the network refuses it; that is
        retryable if it may pass.
        """
        try:
            datagram = json.dumps(fields, default=_plain, allow_nan=False).encode()
        except (TypeError, ValueError) as error:  # not a JSON value, not a number, or a circle
            raise PredictionRejected(f"{what} cannot be sent as JSON: {error}") from error
        if len(datagram) > _LARGEST:
            raise PredictionRejected(
                f"{what} is too large for a datagram: {len(datagram)} bytes of JSON, and UDP carries "
                f"{_LARGEST}. Send fewer detections (confidence, max_detections), or less of each"
            )
        try:
            self._socket.sendto(datagram, self._address)
        except OSError as error:
            host, port = self._address
            text = f"cannot send {len(datagram)} bytes to {host}:{port} by UDP: {error}"
            raise SinkError(text, retryable=error.errno in TRANSIENT) from error

    def close(self) -> None:
        """Closes the socket; harmless when repeated."""
        self._socket.close()


def ipv4_of(host: str) -> str:
    """The IPv4 address of a host, asked once: a datagram must not wait for a name server. Raises OSError."""
    return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])


def _plain(value: object) -> Any:
    """Numbers and arrays of numpy as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__} is not of JSON's: {str(value)[:60]!r}")
