"""A worker in a thread of the calling program: its code may be a closure, hold what cannot be pickled, be debugged.

To the supervisor it is like a process: it speaks the same protocol and can be watched and ended. Only it cannot be
killed: it is asked to end, and if code of the program does not return for long, its thread is left behind.
"""

from __future__ import annotations

import errno
import logging
import os
import threading

from mpipeline.clock import NS_PER_S, SystemClock
from mpipeline.errors import EXIT_TEMPORARY
from mpipeline.workers.runtime import MakeWorker, Runtime

logger = logging.getLogger("mpipeline.worker")

_PATIENCE_NS = 2 * NS_PER_S  # from the first word to end until the thread is left behind


class HostedWorker:
    """Runs one incarnation; `pidfd` is an eventfd that becomes readable when the thread has ended or was left behind.

    Raises OSError if no thread can be started.
    """

    def __init__(self, runtime: Runtime, make: MakeWorker) -> None:
        self.pid = os.getpid()
        self.stderr_fd = -1
        self.pidfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._runtime = runtime
        self._make = make
        self._code = EXIT_TEMPORARY
        self._clock = SystemClock()
        self._asked_ns: int | None = None
        self._closing = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"mpipeline {runtime.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            os.close(self.pidfd)
            raise OSError(errno.EAGAIN, f"no more threads can be started: {error}") from error

    def kill(self, signal_number: int) -> None:
        """Asks the worker to end; asked again after two seconds, its thread is left behind."""
        now = self._clock.monotonic_ns()
        self._runtime.stop_requested.set()
        if self._asked_ns is None:
            self._asked_ns = now
        elif now - self._asked_ns >= _PATIENCE_NS:
            self._tell_end()

    def reap(self) -> int:
        """The exit code; 75 if the thread is left behind, because code in it does not return."""
        asked_ns = self._asked_ns if self._asked_ns is not None else self._clock.monotonic_ns()
        self._thread.join(max(0.0, (asked_ns + _PATIENCE_NS - self._clock.monotonic_ns()) / NS_PER_S))
        if self._thread.is_alive():
            text = "%s does not end, because code of the program does not return: its thread is left behind"
            logger.error(text, self._runtime.name, extra={"event": "thread_left", "worker": self._runtime.name})
            return EXIT_TEMPORARY
        return self._code

    def close(self) -> None:
        """Closes the eventfd; a thread that was left behind will not touch it."""
        with self._closing:
            self._is_closed = True
            os.close(self.pidfd)

    def _run(self) -> None:
        try:
            self._code = self._runtime.run(self._make)
        finally:
            self._tell_end()

    def _tell_end(self) -> None:
        with self._closing:
            if not self._is_closed:
                os.eventfd_write(self.pidfd, 1)
