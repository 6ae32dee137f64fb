"""Cameras over RTSP from files, for tests: H.264 and H.265, over TCP and UDP, Basic and Digest, with faults.

In a test:

    with RtspServer({"gate": [path]}) as server:
        source = open(server.url("gate")) ...
        server.call("stall", camera="gate", seconds=3)

As a program, with `tests` on the path:

    python -m support.rtsp_server gate=a.mp4 yard=b.mp4,c.mp4 --port 8554 --control 8555

Every command works by `call` and as an HTTP GET on the control port (`/drop?camera=gate`); `camera=*`, the default,
means all. The answer is the cameras' statistics.

    stats                          clients, frames, packets, bytes, drops
    drop                           RST on all its connections
    close                          an orderly FIN instead
    stall      seconds=5           send nothing, connections stay open, new ones are answered up to PLAY (0 ends it)
    set        loss=.05 corrupt=.01 delay=.2 speed=2
    switch     file=b.mp4          another file from its next key frame on; with `drop` also another codec
    jump       seconds=-30         RTP time stamps jump
    status     code=404            answer DESCRIBE so (0 normal, -1 never)
    hang       request=PLAY        never answer this request ("*": none at all, "": normal)
    tracks     offers=video,audio sends=audio     what is described, and what of it flows (both video: normal)
    keys       on=0                leave out key frames and parameter sets (on=1 normal)
    flood      packets=20          packets of random bytes after each picture (0 normal)
    trickle    bytes=100           so many bytes a second over TCP (0 normal)

and of the whole server, whatever the camera:

    refuse     on=1                accept, then close at once (on=0 normal)
    mute       on=1                accept, and never answer (on=0 normal)
    password   value=other         from now on only this one is right

`stop`, and `start` with the port that it had, are a server that is away for a while; `support.rtsp_program` runs one as
a process that can be stopped and killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from support.rtsp_mount import Mount
from support.rtsp_session import Access, Session

_DEADLINE_S = 10.0


class RtspServer:
    """The server; `start` runs it in a thread of its own, `serve` in the caller's event loop.

    Port 0 chooses a free one. `control` None leaves the control port out. `log` is told when each picture was sent, as
    `Mount` says.
    """

    def __init__(
        self,
        cameras: Mapping[str, Sequence[str | Path]],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        control: int | None = None,
        user: str = "",
        password: str = "",
        scheme: str = "digest",
        udp: bool = True,
        log: TextIO | None = None,
    ) -> None:
        self.host, self.port, self.control = host, port, control
        self.access = Access(user, password, scheme, udp)
        self.access.mounts = {name: Mount(name, files, log=log) for name, files in cameras.items()}
        self._connections: set[Session] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._stop = asyncio.Event()

    def __enter__(self) -> RtspServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> RtspServer:
        """Serves in a background thread; returns when it listens."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="rtsp-server", daemon=True)
        self._thread.start()
        if not self._started.wait(_DEADLINE_S):
            raise RuntimeError("the RTSP test server did not start")
        return self

    def stop(self) -> None:
        """Ends all connections and the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_DEADLINE_S)

    def url(self, camera: str, *, user: str | None = None, password: str | None = None) -> str:
        """The address of a camera, with the right credentials unless others are given."""
        user = self.access.user if user is None else user
        password = self.access.password if password is None else password
        quoted = urllib.parse.quote(password, safe="")
        login = f"{user}:{quoted}@" if user else ""
        return f"rtsp://{login}{self.host}:{self.port}/{camera}"

    def call(self, command: str, **arguments: object) -> dict[str, Any]:
        """Runs one command and returns the statistics; see the module's text."""
        if self._loop is None:
            raise RuntimeError("the server is not running")
        texts = {key: str(value) for key, value in arguments.items()}
        return asyncio.run_coroutine_threadsafe(self._run(command, texts), self._loop).result(_DEADLINE_S)

    async def serve(self, *, announce: bool = False) -> None:
        """Serves until stopped; `announce` prints one line when it listens."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: Session(self.access, self._connections), self.host, self.port, reuse_address=True
        )
        self.port = server.sockets[0].getsockname()[1]
        control = None
        if self.control is not None:
            control = await asyncio.start_server(self._answer_control, self.host, self.control)
            self.control = control.sockets[0].getsockname()[1]
        tasks = [self._loop.create_task(mount.run()) for mount in self.access.mounts.values()]
        if announce:
            print("ready", self.host, self.port, self.control, *self.access.mounts, flush=True)
        self._started.set()
        await self._stop.wait()
        for listener in filter(None, (server, control)):
            listener.close()
        for task in tasks:
            task.cancel()
        for connection in tuple(self._connections):
            connection.end(reset=True)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop = None

    async def _run(self, command: str, arguments: dict[str, str]) -> dict[str, Any]:
        camera = arguments.get("camera", "*")
        mounts = [mount for name, mount in self.access.mounts.items() if camera in ("*", name)]
        if not mounts:
            raise ValueError(f"there is no camera {camera!r}")
        if command in ("drop", "close"):
            for connection in tuple(self._connections):
                if connection.mount in mounts:
                    connection.end(reset=command == "drop")
        elif command in ("refuse", "mute"):
            setattr(self.access, command, arguments.get("on", "1") == "1")
        elif command == "password":
            self.access.password = arguments["value"]
        else:
            for mount in mounts:
                _command(mount, command, arguments)
        return {mount.name: mount.statistics() for mount in mounts}

    async def _answer_control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            address = urllib.parse.urlsplit((await reader.readline()).split()[1].decode())
            while (await reader.readline()).strip():
                pass
            answer = await self._run(
                address.path.strip("/"), dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
            )
            status, body = "200 OK", json.dumps(answer).encode()
        except (ValueError, KeyError, IndexError, OSError) as error:
            status, body = "400 Bad Request", repr(error).encode()
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


def _command(mount: Mount, command: str, arguments: dict[str, str]) -> None:
    if command == "stall":
        mount.stall(float(arguments["seconds"]))
    elif command == "switch":
        mount.switch(arguments["file"])
    elif command == "jump":
        mount.jump(float(arguments["seconds"]))
    elif command == "status":
        mount.status = int(arguments["code"])
    elif command == "hang":
        mount.hang = arguments["request"]
    elif command == "tracks":
        mount.offers, mount.sends = (frozenset(arguments[key].split(",")) for key in ("offers", "sends"))
    elif command == "keys":
        mount.keys = arguments["on"] == "1"
    elif command == "flood":
        mount.flood = int(arguments["packets"])
    elif command == "trickle":
        mount.trickle = float(arguments["bytes"])
    elif command == "set":
        for fault in ("loss", "corrupt", "delay", "speed"):
            if fault in arguments:
                setattr(mount, fault, float(arguments[fault]))
    elif command != "stats":
        raise ValueError(f"there is no command {command!r}")


def main() -> None:
    """Runs the server until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cameras", nargs="+", metavar="NAME=FILE[,FILE…]")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--control", type=int)
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--scheme", choices=["basic", "digest"], default="digest")
    parser.add_argument("--no-udp", action="store_true")
    parser.add_argument("--log", type=argparse.FileType("w", bufsize=1), metavar="FILE", help="when pictures were sent")
    arguments = parser.parse_args()
    cameras = {name: files.split(",") for name, _, files in (text.partition("=") for text in arguments.cameras)}
    server = RtspServer(
        cameras,
        host=arguments.host,
        port=arguments.port,
        control=arguments.control,
        user=arguments.user,
        password=arguments.password,
        scheme=arguments.scheme,
        udp=not arguments.no_udp,
        log=arguments.log,
    )
    try:
        asyncio.run(server.serve(announce=True))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
