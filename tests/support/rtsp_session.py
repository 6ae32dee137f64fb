"""One client's connection to the RTSP test server: requests (RFC 2326), authentication, and the way of its packets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import socket
import struct
import urllib.parse
from dataclasses import dataclass, field

from support.rtsp_mount import NEVER_ANSWER, Mount
from support.rtsp_sound import TRACK as SOUND_TRACK

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_DRIP_S = 0.05
_BUFFER_LIMIT = 4 << 20  # bytes waiting for a slow reader; beyond it the reader goes on at the next key frame


@dataclass
class Access:
    """What the server asks of its clients. No `user`: nothing. `scheme` is "basic" or "digest".

    `refuse`: connections are closed at once. `mute`: nothing is ever answered.
    """

    user: str = ""
    password: str = ""
    scheme: str = "digest"
    udp: bool = True
    refuse: bool = False
    mute: bool = False
    mounts: dict[str, Mount] = field(default_factory=dict)


@dataclass
class _UdpWay:
    """Where RTP and RTCP go when not over the connection itself."""

    rtp: socket.socket
    rtcp: socket.socket
    rtp_target: tuple[str, int]
    rtcp_target: tuple[str, int]


class Session(asyncio.Protocol):
    """A connection; plays one mount at a time."""

    def __init__(self, access: Access, connections: set[Session]) -> None:
        self.mount: Mount | None = None
        self._access = access
        self._connections = connections
        self._received = b""
        self._channel: int | None = None
        self._sound_channel: int | None = None
        self._backlog = bytearray()  # what waits while bytes only trickle
        self._udp: _UdpWay | None = None
        self._at_key = False
        self._id = os.urandom(4).hex()
        self._nonce = os.urandom(8).hex()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._access.refuse:
            transport.abort()
            return
        self._connections.add(self)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=2 * _BUFFER_LIMIT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self.mount is not None:
            self.mount.clients.discard(self)
        if self._udp is not None:
            self._udp.rtp.close()
            self._udp.rtcp.close()

    def end(self, *, reset: bool) -> None:
        """Ends the connection: by RST as a camera that lost power, or by an orderly FIN."""
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.close()

    def rtp(self, packet: bytes, *, starts_key: bool) -> None:
        """Sends one RTP packet of the video, from the first key frame on, if there are any."""
        assert self.mount is not None
        self._at_key = self._at_key or starts_key or not self.mount.keys
        if not self._at_key or self._transport.is_closing():
            return
        if self._udp is not None:
            _send(self._udp.rtp, packet, self._udp.rtp_target)
        elif self._channel is None:
            return
        elif self._transport.get_write_buffer_size() + len(self._backlog) > _BUFFER_LIMIT:
            self._at_key = False
            self.mount.dropped += 1
        else:
            self._interleaved(self._channel, packet)

    def rtcp(self, packet: bytes) -> None:
        """Sends one RTCP packet."""
        if not self._at_key or self._transport.is_closing():
            return
        if self._udp is not None:
            _send(self._udp.rtcp, packet, self._udp.rtcp_target)
        elif self._channel is not None:
            self._interleaved(self._channel + 1, packet)

    def sound(self, packet: bytes) -> None:
        """Sends one RTP packet of sound over TCP; where nobody asked for it, behind the channels of the video."""
        channel = self._sound_channel
        if channel is None and self._channel is not None:
            channel = self._channel + 2
        if channel is not None and self._udp is None and not self._transport.is_closing():
            self._interleaved(channel, packet)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received:
            if self._received.startswith(b"$"):  # RTCP of the client
                length = 4 + int.from_bytes(self._received[2:4], "big")
                if len(self._received) < max(4, length):
                    return
                self._received = self._received[length:]
                continue
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            request, *lines = head.decode("latin1").split("\r\n")
            headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
            self._received = rest[int(headers.get("content-length", 0)) :]
            try:
                method, url = request.split(" ")[:2]
                self._answer(method, url, headers)
            except (ValueError, KeyError, IndexError):
                self._reply(headers, 400)

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        name, _, track = urllib.parse.urlsplit(url).path.strip("/").partition("/")
        mount = self._access.mounts.get(name)
        if self._access.mute or (mount is not None and mount.hang in (method, "*")):
            return
        if method == "OPTIONS":
            self._reply(headers, 200, {"Public": _METHODS})
        elif not self._is_authorised(method, headers):
            digest = f'Digest realm="cam", nonce="{self._nonce}"'
            challenge = 'Basic realm="cam"' if self._access.scheme == "basic" else digest
            self._reply(headers, 401, {"WWW-Authenticate": challenge})
        elif mount is None:
            self._reply(headers, 404)
        elif method == "DESCRIBE":
            self._describe(mount, url, headers)
        elif method == "SETUP":
            self._set_up(mount, track, headers)
        elif method == "PLAY":
            self._reply(headers, 200, {"Session": self._id, "Range": "npt=now-"})
            self._at_key = False
            self.mount = mount  # nothing was set up where no track is wanted; as many cameras do, it plays all the same
            mount.clients.add(self)
        elif method == "TEARDOWN":
            self._reply(headers, 200, {"Session": self._id})
            self._transport.close()
        else:
            if method == "PAUSE":
                mount.clients.discard(self)
            self._reply(headers, 200, {"Session": self._id})

    def _describe(self, mount: Mount, url: str, headers: dict[str, str]) -> None:
        if mount.status == NEVER_ANSWER:
            return
        if mount.status:
            self._reply(headers, mount.status)
        else:
            self._reply(headers, 200, {"Content-Base": url.rstrip("/") + "/"}, mount.description())

    def _set_up(self, mount: Mount, track: str, headers: dict[str, str]) -> None:
        wanted = headers.get("transport", "")
        ports = re.search(r"client_port=(\d+)-(\d+)", wanted)
        if "interleaved" in wanted or "RTP/AVP/TCP" in wanted:
            given = re.search(r"interleaved=(\d+)", wanted)
            channel = int(given[1]) if given else 0
            if track == SOUND_TRACK:
                self._sound_channel = channel
            else:
                self._channel = channel
            way = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        elif self._access.udp and ports and track != SOUND_TRACK:
            host = self._transport.get_extra_info("peername")[0]
            self._udp = _UdpWay(_udp_socket(), _udp_socket(), (host, int(ports[1])), (host, int(ports[2])))
            own = f"{self._udp.rtp.getsockname()[1]}-{self._udp.rtcp.getsockname()[1]}"
            way = f"RTP/AVP;unicast;{ports[0]};server_port={own};ssrc={mount.ssrc:08X}"
        else:
            self._reply(headers, 461)
            return
        self.mount = mount
        self._reply(headers, 200, {"Transport": way, "Session": f"{self._id};timeout=60"})

    def _is_authorised(self, method: str, headers: dict[str, str]) -> bool:
        access = self._access
        if not access.user:
            return True
        given = headers.get("authorization", "")
        if access.scheme == "basic":
            return given == "Basic " + base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        parts = dict(re.findall(r'(\w+)="([^"]*)"', given))
        secret = _md5(f"{access.user}:cam:{access.password}")
        expected = _md5(f"{secret}:{self._nonce}:{_md5(f'{method}:' + parts.get('uri', ''))}")
        return given.startswith("Digest") and parts.get("username") == access.user and parts["response"] == expected

    def _reply(
        self, request: dict[str, str], code: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        lines = {"CSeq": request.get("cseq", "0"), "Server": "rtsp-test", **(headers or {})}
        if body:
            lines |= {"Content-Type": "application/sdp", "Content-Length": str(len(body))}
        head = f"RTSP/1.0 {code} {_PHRASES.get(code, 'Error')}\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in lines.items())
        self._transport.write(head.encode() + b"\r\n" + body)

    def _interleaved(self, channel: int, packet: bytes) -> None:
        framed = b"$" + bytes([channel]) + struct.pack("!H", len(packet)) + packet
        if self.mount is not None and (self.mount.trickle or self._backlog):
            if not self._backlog:
                asyncio.get_running_loop().call_later(_DRIP_S, self._drip)
            self._backlog += framed
        else:
            self._transport.write(framed)

    def _drip(self) -> None:
        """Lets a few bytes of the backlog go; all of it once the trickle has ended."""
        assert self.mount is not None
        if self._transport.is_closing():
            self._backlog.clear()
            return
        length = max(1, int(self.mount.trickle * _DRIP_S)) if self.mount.trickle else len(self._backlog)
        self._transport.write(bytes(self._backlog[:length]))
        del self._backlog[:length]
        if self._backlog:
            asyncio.get_running_loop().call_later(_DRIP_S, self._drip)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _udp_socket() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


def _send(way: socket.socket, packet: bytes, target: tuple[str, int]) -> None:
    try:
        way.sendto(packet, target)
    except OSError:
        return  # a full or closed port loses packets, as on a network
