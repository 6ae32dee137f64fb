"""A real RTMP server for tests: nginx with its module, of Debian's packages nginx-light and libnginx-mod-rtmp."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from support.leftovers import wait_until
from support.programs import Killable

_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
_CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""


def is_here() -> bool:
    """Whether both packages are installed."""
    return _nginx() is not None and _MODULE.exists()


class RtmpServer(Killable):
    """Takes streams at `url` and gives them to whoever asks; the port stays the same from start to start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self.port}"

    def url(self, name: str) -> str:
        """The address of a stream, for who sends and who receives it."""
        return f"rtmp://{self.host}/live/{name}"

    def start(self) -> None:
        """Starts it; returns when it listens."""
        config = self._folder / "nginx.conf"
        config.write_text(_CONFIG.format(module=_MODULE, folder=self._folder, port=self.port))
        nginx = _nginx()
        assert nginx is not None
        log = str(self._folder / "error.log")
        self._process = subprocess.Popen([nginx, "-p", str(self._folder), "-c", str(config), "-e", log])
        wait_until(self._listens, "the RTMP server")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
