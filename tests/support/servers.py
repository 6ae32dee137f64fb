"""Real servers for tests: mosquitto, Redis and PostgreSQL from Debian's packages, each on a free port.

A server has a temporary folder, and keeps port and data when it is stopped and started again. Where the program is not
installed, the test is skipped and says which package brings it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.leftovers import wait_until

_POSTGRES = "postgres"  # the user as whom Debian's package runs it: it refuses to be run by root


class Server:
    """One server process. `PROGRAM` is what it needs, of the Debian package `PACKAGE`."""

    PROGRAM = ""
    PACKAGE = ""

    def __init__(self) -> None:
        self.program = self._found()
        self.folder = Path(tempfile.mkdtemp(prefix="mp-server-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts it; returns when it answers."""
        self._process = self._spawn(self._command(), start_new_session=True)
        wait_until(self._answers, f"{self.PROGRAM} on port {self.port}", self._log)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Ends it by a signal; returns when it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(timeout=60)

    def _found(self) -> str:
        """The program; it may lie where only root has its path."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        program = shutil.which(self.PROGRAM, path=path)
        if program is None:
            pytest.skip(f"{self.PROGRAM} is not installed: apt-get install {self.PACKAGE}")
        return program

    def _prepare(self) -> None:
        """Before the first start."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _spawn(self, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **more)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


class Mosquitto(Server):
    """An MQTT broker that keeps what its subscribers have not got when it is stopped."""

    PROGRAM = PACKAGE = "mosquitto"

    def __init__(self, *lines: str) -> None:
        self._lines = lines or ("allow_anonymous true",)
        super().__init__()

    @property
    def url(self) -> str:
        """For the sink."""
        return f"mqtt://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        lines = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {self.folder}/"]
        user = ["user root"] if os.geteuid() == 0 else []
        limits = ["max_queued_messages 0"]
        (self.folder / "conf").write_text("\n".join([*lines, *user, *limits, *self._lines, ""]))

    def _command(self) -> list[str]:
        return [self.program, "-c", str(self.folder / "conf")]


class Subscriber:
    """Gets what is published to a topic, also while the broker or it was away (QoS 1, a session that stays)."""

    def __init__(self, broker: Mosquitto, topic: str = "#", **options: Any) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self._topic = topic
        self._is_subscribed = False
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False, protocol=mqtt.MQTTv311
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        if options:
            self._client.username_pw_set(**options)
        self._client.connect("127.0.0.1", broker.port)

    def __enter__(self) -> Subscriber:
        self._client.loop_start()
        wait_until(lambda: self._is_subscribed, "a subscription")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribe(self, *_: Any) -> None:
        self._is_subscribed = True

    def _on_message(self, client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        """What comes again because the broker had no acknowledgement of ours is marked, and is the same message."""
        found = message.topic, message.payload
        if not (message.dup and found in self.messages):
            self.messages.append(found)


class RedisServer(Server):
    """A Redis server that writes each entry to its disk before it answers."""

    PROGRAM = PACKAGE = "redis-server"

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        super().__init__()

    @property
    def url(self) -> str:
        """For the sink."""
        return f"redis://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A client that gets texts."""
        return redis.Redis(port=self.port, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def _command(self) -> list[str]:
        keeps = ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", *keeps, *self._arguments]

    def _answers(self) -> bool:
        with contextlib.closing(self.client()) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except redis.ConnectionError:
                return False


class Postgres(Server):
    """A PostgreSQL server with the database `postgres` of the user `postgres`, who has the password `pw`."""

    PROGRAM = "postgres"
    PACKAGE = "postgresql"

    @property
    def url(self) -> str:
        """For the sink."""
        return f"postgresql://postgres:pw@127.0.0.1:{self.port}/postgres"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(self, command: str) -> None:
        """Does what has no result."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(command.encode())

    def _found(self) -> str:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if found:
            return str(found[-1])
        return super()._found()

    def _prepare(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, _POSTGRES, _POSTGRES)
        (self.folder / "password").write_text("pw")
        initdb = str(Path(self.program).with_name("initdb"))
        login = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}"]
        made = self._spawn([initdb, "-D", str(self.folder / "data"), "--no-sync", "--no-instructions", *login])
        assert made.wait(timeout=120) == 0, self._log()

    def _command(self) -> list[str]:
        sockets = ["-c", f"unix_socket_directories={self.folder}", "-c", "listen_addresses=127.0.0.1"]
        return [self.program, "-D", str(self.folder / "data"), "-p", str(self.port), *sockets]

    def _spawn(self, command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:
            more |= {"user": _POSTGRES, "group": _POSTGRES, "extra_groups": []}
        return super()._spawn(command, **more)

    def _answers(self) -> bool:
        try:
            return bool(self.rows("select 1"))
        except psycopg.OperationalError:
            return False


@contextlib.contextmanager
def all_three() -> Iterator[tuple[Mosquitto, RedisServer, Postgres]]:
    """One server of each kind."""
    with Mosquitto() as broker, RedisServer() as store, Postgres() as database:
        yield broker, store, database
