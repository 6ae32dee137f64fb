"""The supervisor's hold on its fork server: workers are forked from it, or started from nothing while there is none."""

from __future__ import annotations

import errno
import logging
import os
import select
import signal
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from mpipeline.config.inheritance import inheritance
from mpipeline.errors import EXIT_DONE
from mpipeline.supervisor.launch import Launched, Order, WorkerProcess, arguments, command, launch_process
from mpipeline.supervisor.plan import Plan
from mpipeline.transport import fork_channel
from mpipeline.transport.fork_channel import ForkChannel

logger = logging.getLogger("mpipeline.supervisor")

_FIRST_S = 30.0  # how long the first worker may wait for the server to be ready
_ANSWER_S = 5.0  # how long a fork may take
_ROOM = "." * 1024  # an argument in whose place a worker can show its own command line, which is longer


class ForkServer:
    """Launches workers, each a child of the server's process. One that dies or hangs is replaced.

    `sources`: the kinds that the decoders will need. Used by one thread.
    """

    def __init__(self, control: str, sources: Sequence[str]) -> None:
        self._control = control
        self._sources = sources
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: ForkChannel | None = None
        self._is_ready = False
        self._was_lost = False

    def start(self) -> None:
        """Starts it; `launch` waits until it is ready, the first time. Workers do without it if that fails."""
        with suppress(OSError):
            ours, theirs = fork_channel.pair()
            with theirs:
                try:
                    self._process = self._popen(theirs.fileno())
                except OSError:
                    ours.close()
                    raise
            ours.set_timeout(_FIRST_S)
            self._channel = ours

    def launch(self, order: Order) -> Launched:
        """Starts a worker. Raises OSError if the machine lacks something for it."""
        channel = self._ready_channel()
        if channel is None:
            return launch_process(order)
        stderr, their_stderr = os.pipe()
        try:
            answer, descriptors = self._ask(
                channel, {"arguments": arguments(order), **inheritance()}, (order.lifeline, their_stderr)
            )
        except OSError as error:
            os.close(stderr)
            if error.errno != errno.EMSGSIZE:  # of an environment as large as that the server has heard nothing
                self._lose(error)
            return launch_process(order)
        finally:
            os.close(their_stderr)
        if "errno" in answer:
            os.close(stderr)
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        pid: int = answer["pid"]
        if not descriptors:  # this process had no room for one more, and cannot watch the worker
            os.close(stderr)
            os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                self._ask(channel, {"reap": pid})
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return WorkerProcess(pid, descriptors[0], stderr, partial(self._collect, channel, pid, descriptors[0]))

    def close(self) -> None:
        """Ends it, after its workers; harmless when repeated."""
        channel, process = self._channel, self._process
        self._channel = self._process = None
        self._is_ready = False
        if channel is not None:
            channel.close()
        if process is not None:
            try:
                process.wait(_ANSWER_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _popen(self, descriptor: int) -> subprocess.Popen[bytes]:
        given = ["--control", self._control, "--supervisor", str(os.getpid()), "--channel", str(descriptor)]
        given += ["--sources", ",".join(self._sources), "--room", _ROOM]
        return subprocess.Popen(
            [*command(), "fork-server", *given],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[descriptor],
            start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's alone
        )

    def _ready_channel(self) -> ForkChannel | None:
        """The channel if the server is ready. Only the first worker waits for that: then there is a run to serve."""
        if self._channel is None and self._was_lost:
            self.start()
        channel = self._channel
        if channel is None or self._is_ready:
            return channel
        channel.set_timeout(0 if self._was_lost else _FIRST_S)
        try:
            self._is_ready = channel.receive() is not None
        except BlockingIOError:
            return None
        except OSError as error:
            self._lose(error)
            return None
        channel.set_timeout(_ANSWER_S)
        if not self._is_ready:
            self._lose(None)
            return None
        return channel

    def _ask(
        self, channel: ForkChannel, request: dict[str, Any], descriptors: tuple[int, ...] = ()
    ) -> tuple[dict[str, Any], list[int]]:
        channel.send(request, descriptors)
        answer = channel.receive()
        if answer is None:
            raise ConnectionResetError("it has ended")
        return answer

    def _collect(self, channel: ForkChannel, pid: int, pidfd: int) -> int:
        """A worker's exit code. With its server gone nobody knows it, and what counts is whether it said goodbye."""
        if channel is self._channel:
            try:
                code = self._ask(channel, {"reap": pid})[0]["code"]
                return EXIT_DONE if code is None else int(code)
            except OSError as error:
                self._lose(error)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll(_ANSWER_S * 1000)
        return EXIT_DONE

    def _lose(self, error: OSError | None) -> None:
        """It does not answer any more: the next worker that is started has another one started, too."""
        why = f": {error}" if error is not None else ""
        text = "the fork server is lost%s; workers are started without it until there is another"
        logger.warning(text, why, extra={"event": "fork_server_lost"})
        if self._process is not None:
            self._process.kill()
        self.close()
        self._was_lost = True


def fork_server(plan: Plan, control: str, hosted: Collection[str]) -> ForkServer | None:
    """The fork server of a plan, started; None if at most one of its workers, less those `hosted`, is a process.

    For one alone it is not worth the memory that it takes itself.
    """
    if len(plan.workers) - len(hosted) < 2:
        return None
    server = ForkServer(control, sorted({source.kind for source in plan.config.sources}))
    server.start()
    return server
