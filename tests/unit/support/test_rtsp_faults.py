"""The faults of the RTSP test server, seen by a client that knows nothing but the protocol."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support import media
from support.leftovers import wait_until
from support.rtsp_faults import DISTURBANCES, FAULTS
from support.rtsp_program import RtspProgram
from support.rtsp_server import RtspServer
from support.rtsp_sound import TRACK

CLIP = media.VideoSpec(width=160, height=96, rate=15, frames=30, gop=5)
_SILENCE_S = 0.3


class Client:
    """Sends requests and reads what comes; one connection."""

    def __init__(self, server: RtspServer) -> None:
        self._url = server.url("gate")
        self._socket = socket.create_connection((server.host, server.port), timeout=10)
        self.received = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def ask(self, method: str, track: str = "", transport: str = "") -> None:
        lines = [f"{method} {self._url}{track} RTSP/1.0", "CSeq: 1"] + (
            [f"Transport: {transport}"] if transport else []
        )
        self._socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())

    def wait_for(self, mark: bytes) -> bytes:
        while mark not in self.received:
            data = self._socket.recv(65536)
            assert data, "the server has closed the connection"
            self.received += data
        return self.received

    def is_silent(self) -> bool:
        """Whether nothing comes for a moment."""
        self._socket.settimeout(_SILENCE_S)
        try:
            return not self._socket.recv(65536)
        except TimeoutError:
            return True

    def play(self, *tracks: str) -> None:
        for number, track in enumerate(tracks):
            self.received = b""
            channels = f"{2 * number}-{2 * number + 1}"
            self.ask("SETUP", f"/{track}", f"RTP/AVP/TCP;unicast;interleaved={channels}")
            self.wait_for(b"\r\n\r\n")
        self.ask("PLAY")

    def packets(self, count: int) -> list[tuple[int, bytes]]:
        """Channel and RTP packet of the next interleaved packets."""
        self.wait_for(b"npt=now-\r\n\r\n")
        data, found = self.received.partition(b"npt=now-\r\n\r\n")[2], []
        while len(found) < count:
            length = int.from_bytes(data[2:4], "big")
            while len(data) < 4 or len(data) < 4 + length:
                data += self._socket.recv(65536)
                length = int.from_bytes(data[2:4], "big")
            assert data.startswith(b"$")
            found.append((data[1], data[4 : 4 + length]))
            data = data[4 + length :]
        return found


@pytest.fixture
def server() -> Iterator[RtspServer]:
    with RtspServer({"gate": [media.video(CLIP)]}, udp=False) as running:
        yield running


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "PLAY"])
def test_a_request_that_hangs(server: RtspServer, method: str) -> None:
    server.call("hang", request=method)
    with Client(server) as client:
        client.ask(method)
        assert client.is_silent()


def test_a_mute_server(server: RtspServer) -> None:
    server.call("mute")
    with Client(server) as client:
        client.ask("OPTIONS")
        assert client.is_silent()


def test_sound_alone_in_the_description(server: RtspServer) -> None:
    server.call("tracks", offers="audio", sends="audio")
    with Client(server) as client:
        client.ask("DESCRIBE")
        assert b"m=video" not in client.wait_for(b"m=audio")


def test_sound_flows_and_video_does_not(server: RtspServer) -> None:
    server.call("tracks", offers="video,audio", sends="audio")
    with Client(server) as client:
        client.play("track0", TRACK)
        assert {channel for channel, _ in client.packets(5)} == {2}


def test_no_key_frames(server: RtspServer) -> None:
    server.call("keys", on=0)
    with Client(server) as client:
        client.play("track0")
        pictures = [packet for channel, packet in client.packets(12) if channel == 0]
        kinds = {packet[12] & 31 for packet in pictures}
        assert kinds <= {1, 28}  # no parameter sets, no IDR picture
        assert {packet[13] & 31 for packet in pictures if packet[12] & 31 == 28} <= {1}


def test_junk_after_each_picture(server: RtspServer) -> None:
    server.call("flood", packets=5)
    with Client(server) as client:
        client.play("track0")
        stamps = [packet[4:8] for channel, packet in client.packets(40) if channel == 0]
        assert max(map(stamps.count, stamps)) >= 6


def test_a_trickle_brings_bytes_but_no_packets(server: RtspServer) -> None:
    server.call("trickle", bytes=20)
    with Client(server) as client:
        client.play("track0")
        assert len(client.wait_for(b"\r\n\r\n$").rpartition(b"$")[2]) < 20  # the beginning of the first packet
        server.call("trickle", bytes=0)
        assert len(client.packets(20)) == 20


def test_the_password_can_change(server: RtspServer) -> None:
    server.access.user = "viewer"
    server.call("password", value="other")
    assert "viewer:other@" in server.url("gate")


def test_a_program_comes_back_on_its_ports_and_knows_every_fault() -> None:
    with RtspProgram({"gate": [media.video(CLIP)]}) as program:
        url = program.url("gate")
        program.kill()
        program.start()
        assert program.url("gate") == url
        for fault in (*FAULTS.values(), *DISTURBANCES.values()):
            fault.begin(program, "gate")
            fault.end(program, "gate")
        wait_until(lambda: program.call("stats")["gate"]["frames"] > 0, "frames of the new process")
