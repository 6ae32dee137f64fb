"""The RTSP test server as a process of its own: it can be stopped, continued, killed, and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.programs import Killable, of_support

_DEADLINE_S = 20.0


class RtspProgram(Killable):
    """Cameras in another process, on ports that stay the same from start to start. A context manager.

    `log`: where it writes when each picture was sent, as `support.rtsp_mount.Mount` says.
    """

    def __init__(
        self,
        cameras: Mapping[str, Sequence[str | Path]],
        *,
        user: str = "",
        password: str = "",
        host: str = "127.0.0.1",
        log: Path | None = None,
    ) -> None:
        self._cameras = cameras
        self._access = ["--user", user, "--password", password, *(["--log", str(log)] if log is not None else [])]
        self._login = f"{user}:{urllib.parse.quote(password, safe='')}@" if user else ""
        self.host = host
        self.port, self._control = _free_ports(host, 2)

    @property
    def pid(self) -> int:
        """Of the process, which must have been started."""
        assert self._process is not None
        return self._process.pid

    def url(self, camera: str) -> str:
        """The address of a camera."""
        return f"rtsp://{self._login}{self.host}:{self.port}/{camera}"

    def start(self) -> None:
        """Starts it; returns when it listens."""
        assert self._process is None
        cameras = [f"{name}={','.join(map(str, files))}" for name, files in self._cameras.items()]
        ports = ["--host", self.host, "--port", str(self.port), "--control", str(self._control), "--no-udp"]
        self._process = of_support("rtsp_server", *cameras, *ports, *self._access, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # empty if it has died
        if not line.startswith(b"ready"):
            raise RuntimeError("the RTSP test server did not start")

    def call(self, command: str, **arguments: object) -> dict[str, Any]:
        """Runs a command of `support.rtsp_server`; returns the cameras' statistics."""
        query = urllib.parse.urlencode({key: str(value) for key, value in arguments.items()})
        address = f"http://{self.host}:{self._control}/{command}?{query}"
        with urllib.request.urlopen(address, timeout=_DEADLINE_S) as answer:
            statistics: dict[str, Any] = json.load(answer)
        return statistics

    def freeze(self) -> None:
        """SIGSTOP: connections stay, and the system accepts new ones that nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)


def _free_ports(host: str, count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    reserved = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in reserved]
    for each in reserved:
        each.close()
    return ports
