"""The shell around every worker's loop: handshake, heartbeats, signals, lifeline, exit code.

The loop itself is a plain object with a `step`. This file knows nothing of what it does.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mpipeline import log
from mpipeline.clock import NS_PER_S, Clock, SystemClock
from mpipeline.credentials import redact
from mpipeline.errors import EXIT_FAILED, EXIT_TEMPORARY, MpipelineError
from mpipeline.messages import Bye, Heartbeat, Hello, Message, Ready, Refused, Role, Start
from mpipeline.metrics.recorder import Recorder
from mpipeline.ring.segment import sweep
from mpipeline.transport import channel, run_directory
from mpipeline.workers import time_slice

HEARTBEAT_NS = NS_PER_S // 4
_HANDSHAKE_S = 30.0
_HANDSHAKE_WAIT_S = 0.25
_BURIAL_MS = 5000  # how long a dead supervisor may take to be gone

logger = logging.getLogger("mpipeline.worker")


class WorkerContext:
    """What a worker's loop gets from its shell: the control channel, a clock, a recorder, a context for sockets."""

    def __init__(
        self,
        name: str,
        incarnation: int,
        control: channel.Peer,
        zmq_context: Any,
        stop_requested: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.incarnation = incarnation
        self.control = control
        self.zmq_context = zmq_context
        self.clock: Clock = SystemClock()
        self.recorder = Recorder()
        self.stop_requested = stop_requested if stop_requested is not None else threading.Event()


class Worker(Protocol):
    """A role's work inside a process: made as `Kind(context, spec)`."""

    @property
    def progress(self) -> int:
        """Counts finished work."""

    @property
    def exit_code(self) -> int:
        """What the worker ends with once its work is done."""

    def open(self) -> Mapping[str, Any]:
        """Makes ready; returns facts for the supervisor."""

    def step(self) -> bool:
        """Does some work, or waits for it a fraction of a second at most. False when everything is done."""

    def receive(self, message: Message) -> None:
        """Takes a message of the supervisor; `Drain` among them."""

    def state(self) -> tuple[str, str, str]:
        """State, reason code and detail for the heartbeat; empty strings where the role has none."""

    def goodbye(self) -> Bye:
        """Last words."""

    def close(self) -> None:
        """Gives everything back."""


MakeWorker = Callable[[WorkerContext, Mapping[str, Any]], Worker]


class Runtime:
    """Runs one worker in this process.

    `supervisor` is the process id of the supervisor; with it goes the lifeline.
    `hosted`: the process is somebody else's program, and the worker runs in one of its threads. Signals, the log and
    the end of the process are that program's then.
    """

    def __init__(
        self,
        role: str,
        name: str,
        incarnation: int,
        control: str,
        lifeline: int | None,
        log_level: str,
        *,
        supervisor: int = 0,
        hosted: bool = False,
    ) -> None:
        self.role = Role(role)
        self.name = name
        self.incarnation = incarnation
        self.control_endpoint = control
        self.lifeline = lifeline
        self.supervisor = supervisor
        self.log_level = log_level
        self.hosted = hosted
        self.stop_requested = threading.Event()
        self._has_worked = False  # and only has to close

    def run(self, kind: MakeWorker) -> int:
        """The whole life of the process; returns its exit code."""
        if not self.hosted:
            log.configure(json=True, level=self.log_level)
            time_slice.shorten()
        zmq_context = channel.context()
        control = channel.connect_control(
            zmq_context, self.control_endpoint, f"{self.name}#{self.incarnation}.{os.getpid()}"
        )
        if self.role is Role.DECODER and not self.hosted:
            time_slice.restore()  # only the sockets' own threads, which the context has started now, stay prompt
        context = WorkerContext(self.name, self.incarnation, control, zmq_context, self.stop_requested)
        code = EXIT_TEMPORARY
        try:
            if not self.hosted:
                self._listen_to_signals(context)
                self._watch_lifeline()
            code = self._work(kind, context)
        except MpipelineError as error:
            logger.error("%s", error, extra={"event": "worker_failed", "worker": self.name})
            control.send(Bye("FAILED", str(getattr(error, "reason", "failed")), redact(str(error))))
            code = error.exit_code
        except SystemExit as error:
            logger.error("code in this worker asked to exit (%s)", error, extra={"event": "worker_crashed"})
            control.send(Bye("FAILED", "crashed", f"code in this worker asked to exit ({error})"))
            code = EXIT_FAILED if self._has_worked else EXIT_TEMPORARY  # what ends each `close` so never gets done
        except Exception as error:
            logger.exception("unexpected error", extra={"event": "worker_crashed", "worker": self.name})
            control.send(Bye("FAILED", "crashed", redact(f"{type(error).__name__}: {error}")))
            code = EXIT_TEMPORARY
        finally:
            control.close()
            zmq_context.destroy(linger=500)
        return code

    def _work(self, kind: MakeWorker, context: WorkerContext) -> int:
        context.control.send(Hello(self.role, self.name, self.incarnation, os.getpid()))
        start = self._await_start(context)
        if start is None:
            return EXIT_TEMPORARY
        worker = kind(context, start.spec)
        try:
            context.control.send(Ready(dict(worker.open())))
            next_beat = 0
            going = True
            while going:
                for message in context.control.arrived():
                    worker.receive(message)
                if context.stop_requested.is_set():
                    level = logging.DEBUG if self.hosted else logging.INFO
                    logger.log(level, "told to end", extra={"event": "terminated", "worker": self.name})
                    return EXIT_TEMPORARY
                going = worker.step()
                now = context.clock.monotonic_ns()
                if now >= next_beat or not going:
                    next_beat = now + HEARTBEAT_NS
                    context.control.send(Heartbeat(worker.progress, context.recorder.snapshot(), *worker.state()))
            self._has_worked = True
        finally:
            worker.close()
        context.control.send(worker.goodbye())
        return worker.exit_code

    def _await_start(self, context: WorkerContext) -> Start | None:
        """What to do; None if the worker is to end before it has begun."""
        poller = channel.Poller()
        poller.add(context.control)
        deadline = context.clock.monotonic_ns() + int(_HANDSHAKE_S * NS_PER_S)
        while context.clock.monotonic_ns() < deadline and not context.stop_requested.is_set():
            poller.wait(_HANDSHAKE_WAIT_S)
            message = context.control.receive()
            if isinstance(message, Start):
                return message
            if isinstance(message, Refused):
                raise MpipelineError(message.message)
        if context.stop_requested.is_set():
            return None
        raise MpipelineError(f"no answer from the supervisor at {self.control_endpoint} within {_HANDSHAKE_S:g} s")

    def _listen_to_signals(self, context: WorkerContext) -> None:
        # Ctrl-C belongs to the supervisor, which stops its workers in the order of the flow.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: context.stop_requested.set())

    def _watch_lifeline(self) -> None:
        if self.lifeline is not None:
            threading.Thread(target=self._end_with_supervisor, args=(self.lifeline,), daemon=True).start()

    def _end_with_supervisor(self, lifeline: int) -> None:
        _wait_for_end(lifeline, self.supervisor)
        # It is gone, so nobody else will clean up; every worker tries, doing it twice is harmless.
        try:
            sweep()
            run_directory.sweep(run_directory.root_of(self.control_endpoint))
            sys.stderr.flush()
        finally:
            os._exit(EXIT_TEMPORARY)


def _wait_for_end(lifeline: int, supervisor: int) -> None:
    """Waits for the end-of-file of the lifeline, or for the end of the supervisor's process.

    The other end of the lifeline may live on in a fork that code of that process's own program has made. And it closes
    a moment before the supervisor's locks are given free, and what is locked is not swept: that moment is waited for.
    """
    try:
        watched = os.pidfd_open(supervisor)
    except ProcessLookupError:
        return
    except OSError:  # this process lacks something for it
        watched = -1
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    if watched >= 0:
        poll.register(watched, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if watched in ready:
            return
        if not os.read(lifeline, 1):
            break
    poll.unregister(lifeline)
    poll.poll(_BURIAL_MS)
